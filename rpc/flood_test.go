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
	"os/exec"
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
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
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
// answers, and the heap stays below heapMax. With VIVACE_QUIET=1, on a machine that
// does nothing else, his 99th percentile stays within twice what it was, or a
// millisecond.
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
	produce(t, node)
	alone := honest(t, url, period, nil)
	t.Logf("%-14s %5d requests, p50 %8v, p99 %8v", "alone", len(alone), percentile(alone, 50), percentile(alone, 99))
	for _, flood := range []struct {
		name string
		size string
	}{
		{"junk", fmt.Sprint(junkTxs(t))},
		{"large batches", period.String()},
		{"connections", period.String()},
		{"slow readers", period.String()},
	} {
		runtime.GC()
		peak, done := watchHeap()
		flooded := make(chan int64, 1)
		go func() { flooded <- runFlood(t, flood.name, url, flood.size) }()
		var sent int64
		times := honest(t, url, 10*time.Minute, func() bool {
			select {
			case sent = <-flooded:
				return true
			default:
				return false
			}
		})
		done()
		stats := door.Stats()
		t.Logf("%-14s %5d requests, p50 %8v, p99 %8v (%.1f times), %d sent, live heap up to %d MiB, in flight up to %d MiB, %d refused so far",
			flood.name, len(times), percentile(times, 50), percentile(times, 99),
			float64(percentile(times, 99))/float64(percentile(alone, 99)), sent, peak.Load()>>20, stats.MemoryPeak>>20, stats.Refused)
		require.Less(t, peak.Load(), uint64(heapMax), flood.name)
		require.LessOrEqual(t, stats.MemoryPeak, int64(64<<20))
		require.NotEmpty(t, times)
		if os.Getenv("VIVACE_QUIET") == "1" {
			require.LessOrEqual(t, percentile(times, 99), max(2*percentile(alone, 99), time.Millisecond), flood.name)
		}
		require.Positive(t, sent, flood.name)
	}
	require.Eventually(t, func() bool { s := door.Stats(); return s.WebSockets == 0 && s.MemoryBytes == 0 }, time.Minute, 10*time.Millisecond)
}

// produce makes mini-blocks and blocks until the test ends.
func produce(t *testing.T, node *rpctest.Node) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	node.Seal(node.Transfer(0, common.Address{1}, 1))
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if node.Mini(node.Transfer(0, common.Address{1}, 1)); i%20 == 0 {
				node.Seal()
			}
		}
	}()
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

// runFlood floods from a process of its own, as floods come, and returns what it sent.
func runFlood(t *testing.T, name, url, size string) int64 {
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return 0
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "VIVACE_FLOOD="+strings.Join([]string{name, url, size}, ";"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("flood of %s: %v", name, err)
	}
	sent, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Errorf("flood of %s: %v", name, err)
	}
	return sent
}

// TestMain is the other process, if VIVACE_FLOOD says which flood, where to and how
// much.
func TestMain(m *testing.M) {
	order := strings.Split(os.Getenv("VIVACE_FLOOD"), ";")
	if len(order) != 3 {
		os.Exit(runTests(m))
	}
	name, url, size := order[0], order[1], order[2]
	ctx := context.Background()
	period, err := time.ParseDuration(size)
	if err == nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, period)
		defer cancel()
	}
	total, _ := strconv.ParseInt(size, 10, 64)
	switch name {
	case "junk":
		fmt.Println(junkFlood(ctx, url, total))
	case "large batches":
		fmt.Println(batchFlood(ctx, url))
	case "connections":
		fmt.Println(connectionFlood(ctx, url))
	case "slow readers":
		fmt.Println(slowFlood(ctx, url))
	}
}

// runTests runs the tests and looks for goroutines that are left.
func runTests(m *testing.M) int {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// junkFlood sends transactions that will never execute, in batches over several
// WebSockets, as fast as they are answered.
func junkFlood(ctx context.Context, url string, total int64) int64 {
	var left, sent atomic.Int64
	left.Store(total)
	kinds := junk()
	crowd(4, func(i int) {
		conn, _, err := websocket.DefaultDialer.DialContext(ctx, ws(url), nil)
		if err != nil {
			return
		}
		defer conn.Close()
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		for left.Add(-100) > -100 {
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

// junk are ways to make a transaction that is not worth anything.
func junk() []func(*rand.Rand) []byte {
	var (
		valid   = poor(genesis.DevChainID)
		foreign = poor(1)
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

// poor is a transaction of somebody who has nothing.
func poor(chainID int64) []byte {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	id := big.NewInt(chainID)
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Gas: 21000, GasFeeCap: big.NewInt(1e12), To: &common.Address{},
	})
	if err != nil {
		panic(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return raw
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
			sent.Add(1)
			if response, err := client.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
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

// slowFlood opens many WebSockets, asks each for much, now and from now on, and reads
// nothing.
func slowFlood(ctx context.Context, url string) int64 {
	var (
		sent  atomic.Int64
		block = `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x1",true]}`
		batch = []byte("[" + strings.Repeat(block+",", 999) + block + "]")
	)
	crowd(100, func(int) {
		for ctx.Err() == nil {
			conn, _, err := websocket.DefaultDialer.DialContext(ctx, ws(url), nil)
			if err != nil {
				return
			}
			for _, stream := range []string{"newHeads", "logs", "miniBlocks", "stateChanges", "newPendingTransactions"} {
				subscribe := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":[%q]}`, stream)
				_ = conn.WriteMessage(websocket.TextMessage, []byte(subscribe))
			}
			if conn.WriteMessage(websocket.TextMessage, batch) == nil {
				sent.Add(1)
			}
			select {
			case <-ctx.Done():
			case <-time.After(1500 * time.Millisecond):
			}
			_ = conn.Close()
		}
	})
	return sent.Load()
}
