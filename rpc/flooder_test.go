package rpc_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
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
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// runFlood floods from a process of its own, as floods come, and returns what it sent.
func runFlood(t *testing.T, name, url, size string) int64 {
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return 0
	}
	cmd := exec.CommandContext(t.Context(), self)
	// It stands for many other machines: it is not to take the processors of this one
	// from the door and the honest, so it runs while they are idle.
	// On a machine that does other things, it would not run at all then.
	if nice, err := exec.LookPath("nice"); err == nil {
		cmd = exec.CommandContext(t.Context(), nice, "-n", "19", self)
	}
	if chrt, err := exec.LookPath("chrt"); err == nil && os.Getenv("VIVACE_QUIET") == "1" {
		cmd = exec.CommandContext(t.Context(), chrt, "--idle", "0", self)
	}
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
	case "half messages":
		fmt.Println(halfFlood(ctx, url))
	case "sleeping batches":
		fmt.Println(sleepingFlood(ctx, url))
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
// WebSockets, as fast as they are answered. They are made beforehand, but for their
// signatures, as the flood comes from machines that have time for it.
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
		batches := make([]junkBatch, 50)
		for k := range batches {
			batches[k].fill(kinds, rng)
		}
		for left.Add(-100) > -100 {
			batch := &batches[rng.IntN(len(batches))]
			batch.sign(rng)
			if conn.WriteMessage(websocket.TextMessage, batch.text) != nil {
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

// A junkBatch is a hundred junk transactions in a request.
type junkBatch struct {
	text  []byte
	signs []int // where in text a signature ends that is to be another each time
}

func (b *junkBatch) fill(kinds []func(*rand.Rand) []byte, rng *rand.Rand) {
	for j := range 100 {
		kind := rng.IntN(len(kinds) + 2)
		raw := kinds[min(kind, len(kinds)-1)](rng)
		b.text = fmt.Appendf(b.text, `%c{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%x`, "[,"[min(j, 1)], raw)
		if kind >= len(kinds)-1 {
			b.signs = append(b.signs, len(b.text))
		}
		b.text = append(b.text, `"]}`...)
	}
	b.text = append(b.text, ']')
}

// sign gives transactions another signature, and so another sender.
func (b *junkBatch) sign(rng *rand.Rand) {
	for _, end := range b.signs {
		binary.LittleEndian.PutUint64(b.text[end-8:], 0x3030303030303030|rng.Uint64()&0x0707070707070707)
	}
}

// junk are ways to make a transaction that is not worth anything.
func junk() []func(*rand.Rand) []byte {
	var (
		valid   = poor(genesis.DevChainID)
		foreign = poor(1)
		early   = early(450)
	)
	return []func(*rand.Rand) []byte{
		func(rng *rand.Rand) []byte { return []byte(fmt.Sprint(rng.Uint64())) },
		func(*rand.Rand) []byte { return foreign },
		func(rng *rand.Rand) []byte { return early[rng.IntN(len(early))] },
		func(*rand.Rand) []byte { return valid },
	}
}

// poor is a transaction of somebody who has nothing.
func poor(chainID int64) []byte {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	return transfer(key, chainID, 0)
}

// early are transactions of those who have something, with nonces that are far ahead:
// the pool keeps them for a while.
func early(n int) (raws [][]byte) {
	for i := range n {
		account := rpctest.AccountAt(1 + i%(rpctest.Accounts-1))
		raws = append(raws, transfer(account.Key, genesis.DevChainID, uint64(1+20*(i/(rpctest.Accounts-1)))))
	}
	return raws
}

func transfer(key *ecdsa.PrivateKey, chainID int64, nonce uint64) []byte {
	id := big.NewInt(chainID)
	raw, err := types.MustSignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(1e12), To: &common.Address{},
	}).MarshalBinary()
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

// halfFlood begins large messages over many WebSockets, and never ends them.
func halfFlood(ctx context.Context, url string) int64 {
	var (
		sent atomic.Int64
		part = bytes.Repeat([]byte(" "), 64<<10)
	)
	crowd(40, func(int) {
		for ctx.Err() == nil {
			conn, _, err := websocket.DefaultDialer.DialContext(ctx, ws(url), nil)
			if err != nil {
				return
			}
			sent.Add(1)
			w, err := conn.NextWriter(websocket.TextMessage)
			for size := 0; err == nil && size < 16<<20 && ctx.Err() == nil; size += len(part) {
				_, err = w.Write(part)
			}
			if err == nil {
				<-ctx.Done()
			}
			_ = conn.Close()
		}
	})
	return sent.Load()
}

// sleepingFlood sends batches of transactions that wait for others, and of searches.
func sleepingFlood(ctx context.Context, url string) int64 {
	var (
		sent  atomic.Int64
		batch bytes.Buffer
	)
	for i, raw := range early(20) {
		fmt.Fprintf(&batch, `%c{"jsonrpc":"2.0","id":1,"method":"realtime_sendRawTransaction","params":["0x%x",100]}`, "[,"[min(i, 1)], raw)
		fmt.Fprint(&batch, `,{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{"fromBlock":"0x0"}]}`)
	}
	batch.WriteByte(']')
	crowd(40, func(int) {
		conn, _, err := websocket.DefaultDialer.DialContext(ctx, ws(url), nil)
		if err != nil {
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })()
		for ctx.Err() == nil && conn.WriteMessage(websocket.TextMessage, batch.Bytes()) == nil {
			sent.Add(1)
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
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
