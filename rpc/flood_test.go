package rpc_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// heapMax is what the process may have on its heap in a flood, after a collection:
// the door's Limits.Memory, its connections, the node, and the clients, which are in
// the same process.
const heapMax = 256 << 20

// junkTxs is how many transactions the flood of junk has: VIVACE_JUNK, or a number
// for every day.
func junkTxs(t *testing.T) int64 {
	if text := os.Getenv("VIVACE_JUNK"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 5_000
	}
	return 50_000
}

// TestFloods serves an honest client, who reads a balance every millisecond over a
// WebSocket, first alone and then beside one flood after the other. He gets all his
// answers, and the heap stays below heapMax.
func TestFloods(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{Hold: true})
	door, err := rpc.New(rpc.Config{
		Backend: node, Engine: node.Engine(),
		Limits: rpc.Limits{Memory: 128 << 20, Connections: 1000, WebSockets: 200, WriteTimeout: time.Second},
	})
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	period := 2 * time.Second
	if testing.Short() {
		period = 300 * time.Millisecond
	}
	for range 4 {
		node.Seal(node.Transfer(0, common.Address{1}, 1))
	}
	alone := honest(t, url, period, nil)
	t.Logf("%-14s %5d requests, p50 %8v, p99 %8v", "alone", len(alone), percentile(alone, 50), percentile(alone, 99))
	for _, flood := range []struct {
		name string
		run  func(ctx context.Context, url string) (sent int64)
	}{
		{"junk", junkFlood(t, node, junkTxs(t))},
		{"large batches", batchFlood},
		{"connections", connectionFlood},
		{"slow readers", slowFlood},
	} {
		runtime.GC()
		ctx, cancel := context.WithTimeout(t.Context(), period)
		if flood.name == "junk" { // which has an end
			ctx, cancel = context.WithCancel(t.Context())
		}
		peak, done := watchHeap()
		flooded := make(chan int64, 1)
		go func() { flooded <- flood.run(ctx, url) }()
		var sent int64
		times := honest(t, url, 10*time.Minute, func() bool {
			select {
			case sent = <-flooded:
				return true
			default:
				return false
			}
		})
		cancel()
		done()
		stats := door.Stats()
		t.Logf("%-14s %5d requests, p50 %8v, p99 %8v (%.1f times), %d sent, live heap up to %d MiB, in flight up to %d MiB, %d refused so far",
			flood.name, len(times), percentile(times, 50), percentile(times, 99),
			float64(percentile(times, 99))/float64(percentile(alone, 99)), sent, peak.Load()>>20, stats.MemoryPeak>>20, stats.Refused)
		require.Less(t, peak.Load(), uint64(heapMax), flood.name)
		require.LessOrEqual(t, stats.MemoryPeak, int64(128<<20))
		require.NotEmpty(t, times)
		require.Positive(t, sent, flood.name)
	}
	require.Eventually(t, func() bool { s := door.Stats(); return s.WebSockets == 0 && s.MemoryBytes == 0 }, 10*time.Second, 10*time.Millisecond)
}

// honest asks once in a millisecond, until the time is over or stop says so, and
// returns how long each answer took, in ascending order.
func honest(t *testing.T, url string, period time.Duration, stop func() bool) []time.Duration {
	t.Helper()
	var (
		conn  = dial(t, url)
		times []time.Duration
		end   = time.Now().Add(period)
	)
	defer conn.Close()
	require.NoError(t, conn.SetReadDeadline(end.Add(time.Minute)))
	for time.Now().Before(end) && (stop == nil || !stop()) {
		began := time.Now()
		write(t, conn, readBalance)
		require.Contains(t, read(t, conn), `"result"`)
		took := time.Since(began)
		times = append(times, took)
		time.Sleep(time.Millisecond - took)
	}
	slices.Sort(times)
	return times
}

func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)-1)*p/100].Round(time.Microsecond)
}

// watchHeap notes the most bytes that a collection left on the heap.
func watchHeap() (peak *atomic.Uint64, done func()) {
	peak = new(atomic.Uint64)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(sample)
			peak.Store(max(peak.Load(), sample[0].Value.Uint64()))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return peak, func() { close(stop); <-stopped }
}

// junkFlood sends transactions that will never execute, in batches over several
// WebSockets, as fast as they are answered.
func junkFlood(t *testing.T, node *rpctest.Node, total int64) func(context.Context, string) int64 {
	kinds := junk(t, node)
	return func(ctx context.Context, url string) int64 {
		var left, sent atomic.Int64
		left.Store(total)
		crowd(4, func(i int) {
			conn, _, err := websocket.DefaultDialer.DialContext(ctx, ws(url), nil)
			if err != nil {
				return
			}
			defer conn.Close()
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for left.Add(-100) > -100 && ctx.Err() == nil {
				var batch bytes.Buffer
				for j := range 100 {
					fmt.Fprintf(&batch, `%c{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%x"]}`, "[,"[min(j, 1)], kinds[rng.IntN(len(kinds))](rng))
				}
				batch.WriteByte(']')
				if conn.WriteMessage(websocket.TextMessage, batch.Bytes()) != nil {
					return
				}
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
				sent.Add(100)
			}
		})
		return sent.Load()
	}
}

// junk are ways to make a transaction that is not worth anything.
func junk(t *testing.T, node *rpctest.Node) []func(*rand.Rand) []byte {
	poor, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	sign := func(id *big.Int, nonce uint64) []byte {
		tx, err := types.SignNewTx(poor, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
			ChainID: id, Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(1e12), To: &common.Address{},
		})
		require.NoError(t, err)
		raw, err := tx.MarshalBinary()
		require.NoError(t, err)
		return raw
	}
	var (
		valid   = sign(node.ChainConfig().ChainID, 0)
		foreign = sign(big.NewInt(1), 0)
	)
	altered := func(rng *rand.Rand) []byte { // another signature, so another sender
		raw := bytes.Clone(valid)
		raw[len(raw)-1-rng.IntN(20)] ^= byte(1 + rng.IntN(255))
		return raw
	}
	return []func(*rand.Rand) []byte{
		func(rng *rand.Rand) []byte { return []byte(fmt.Sprint(rng.Uint64())) },
		func(*rand.Rand) []byte { return foreign },
		func(*rand.Rand) []byte { return valid },
		altered, altered,
	}
}

// crowd runs n clients and waits for them.
func crowd(n int, client func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		go func() { defer all.Done(); client(i) }()
	}
	all.Wait()
}

// batchFlood sends batches of more than a million calls.
func batchFlood(ctx context.Context, url string) int64 {
	var (
		sent  atomic.Int64
		batch = "[" + strings.Repeat("{},", 1_600_000) + "{}]"
	)
	crowd(4, func(int) {
		client := &http.Client{Transport: new(http.Transport)}
		defer client.CloseIdleConnections()
		for ctx.Err() == nil {
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(batch))
			if err != nil {
				return
			}
			request.Header.Set("Content-Type", "application/json")
			if response, err := client.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				sent.Add(1)
			}
		}
	})
	return sent.Load()
}

// connectionFlood holds two thousand connections that say nothing, or half a request.
func connectionFlood(ctx context.Context, url string) int64 {
	var sent atomic.Int64
	crowd(2000, func(i int) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return
		}
		defer conn.Close()
		if i%2 == 0 {
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n[")
		}
		sent.Add(1)
		<-ctx.Done()
	})
	return sent.Load()
}

// slowFlood asks for much over many WebSockets and reads nothing.
func slowFlood(ctx context.Context, url string) int64 {
	var (
		sent  atomic.Int64
		block = `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x1",true]}`
		batch = []byte("[" + strings.Repeat(block+",", 999) + block + "]")
	)
	crowd(100, func(int) {
		conn, _, err := websocket.DefaultDialer.DialContext(ctx, ws(url), nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for ctx.Err() == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if conn.WriteMessage(websocket.TextMessage, batch) != nil {
				break
			}
			sent.Add(1)
		}
		<-ctx.Done()
	})
	return sent.Load()
}
