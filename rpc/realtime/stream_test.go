package realtime

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func from(seq history.Seq) map[string]any {
	return map[string]any{"from": hexutil.Uint64(seq)}
}

// resumable are the arguments of the streams that can be resumed.
func resumable() map[string][]any {
	return map[string][]any{
		"miniBlocks":   {"miniBlocks"},
		"stateChanges": {"stateChanges", []any{emitter}},
		"logs":         {"logs", map[string]any{"fromBlock": "pending", "toBlock": "pending"}},
	}
}

func TestResume(t *testing.T) {
	for name, args := range resumable() {
		t.Run(name, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{}, false)
			client := d.dial()
			live := d.subscribe(client, args...)
			for i := range uint64(10) {
				d.node.Mini(d.emit(0, 1, 1+i, 0))
				if i%4 == 3 {
					d.node.Seal()
				}
			}
			// The stream from its beginning. Empty mini-blocks, which end blocks,
			// are in one kind of stream only.
			var (
				want []string
				seqs []history.Seq
			)
			for n := 0; n < 10 || name == "miniBlocks" && n < 12; n++ {
				text := live.raw()
				var got struct{ Sequence hexutil.Uint64 }
				require.NoError(t, json.Unmarshal(text, &got))
				want = append(want, string(text))
				seqs = append(seqs, history.Seq(got.Sequence))
			}
			live.silent()

			for i, seq := range seqs {
				again := d.subscribe(d.dial(), append(args, from(seq))...)
				for _, text := range want[i:] {
					require.Equal(t, text, string(again.raw()), "resumed streams have the same bytes")
				}
				again.silent()
			}

			// From the next one, which has not come yet, with a number for a change.
			next := d.subscribe(d.dial(), append(args, map[string]any{"from": uint64(seqs[len(seqs)-1]) + 1})...)
			next.silent()
			d.node.Mini(d.emit(0, 1, 99, 0))
			require.Equal(t, string(live.raw()), string(next.raw()))
		})
	}
}

func TestResumeTooLate(t *testing.T) {
	d := open(t, rpctest.Options{History: func(c *history.Config) { c.FeedBytes = 64 << 10 }}, Config{}, false)
	for i := range uint64(40) {
		d.node.Mini(d.emit(0, 1, 1+i, 200))
	}
	for name, args := range resumable() {
		t.Run(name, func(t *testing.T) {
			client := d.dial()
			_, err := d.trySubscribe(client, append(args, from(history.SeqOf(1, 0)))...)
			require.ErrorContains(t, err, "mini-block 0x1000000 is not kept any more")
			data := lagOf(t, err)
			oldest := history.Seq(number(t, data["oldest"]))
			require.Greater(t, oldest, history.SeqOf(1, 0))
			require.Less(t, oldest, history.SeqOf(1, 40))

			// What the error says works; the one before does not.
			tap := d.subscribe(client, append(args, from(oldest))...)
			require.Equal(t, uint64(oldest), number(t, tap.next()["sequence"]))
			_, err = d.trySubscribe(client, append(args, from(oldest-1))...)
			require.Error(t, err)

			for _, bad := range []any{map[string]any{}, map[string]any{"from": "1"}, map[string]any{"from": -1}, "0x1"} {
				_, err := d.trySubscribe(client, append(args, bad)...)
				requireError(t, err, wire.CodeInvalidParams, "invalid argument", nil)
			}
		})
	}
	require.Eventually(t, func() bool { return d.service.Subscriptions() == 3 }, 5*time.Second, time.Millisecond,
		"who was refused has no slot")
}

func lagOf(t *testing.T, err error) map[string]any {
	t.Helper()
	var withData interface {
		ErrorCode() int
		ErrorData() any
	}
	require.ErrorAs(t, err, &withData)
	require.Equal(t, codeLagged, withData.ErrorCode())
	return withData.ErrorData().(map[string]any)
}

// A reader is a client that reads when the test wants it to.
type reader struct {
	t    *testing.T
	conn *websocket.Conn
}

func (d *door) slow(t *testing.T, args ...any) *reader {
	d.narrow.Store(true)
	defer d.narrow.Store(false)
	dialer := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(4096)
		}
		return conn, err
	}}
	conn, _, err := dialer.Dial("ws://"+d.address, nil)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": args}))
	r := &reader{t, conn}
	require.Contains(t, r.read(), "result")
	return r
}

func (r *reader) read() map[string]any {
	r.t.Helper()
	var message map[string]any
	require.NoError(r.t, r.conn.SetReadDeadline(time.Now().Add(8*time.Second)))
	require.NoError(r.t, r.conn.ReadJSON(&message))
	return message
}

func (r *reader) next() map[string]any {
	r.t.Helper()
	return r.read()["params"].(map[string]any)["result"].(map[string]any)
}

// TestLag: who does not read gets what was on its way, then the error, then nothing;
// who reads gets everything.
func TestLag(t *testing.T) {
	for name, args := range resumable() {
		t.Run(name, func(t *testing.T) {
			d := open(t, rpctest.Options{History: func(c *history.Config) { c.FeedBytes = 30 << 10 }}, Config{}, false)
			lazy := d.slow(t, args...)
			eager := d.subscribe(d.dial(), args...)
			var newest uint64
			for i := range uint64(150) {
				// Whatever the kernel buffers is exceeded by what comes in any stream.
				txs := []*chain.Tx{d.emit(0, i, 1, 20)}
				if name == "stateChanges" {
					for j := range uint64(5) {
						txs = append(txs, d.emit(0, 1000*i+j, 1, 0))
					}
				}
				d.node.Mini(txs...)
				seen := number(t, eager.next()["sequence"])
				require.Greater(t, seen, newest)
				newest = seen
			}

			var (
				got  map[string]any
				last uint64
			)
			for {
				if got = lazy.next(); got["error"] != nil {
					break
				}
				last = number(t, got["sequence"])
			}
			failure := got["error"].(map[string]any)
			require.Equal(t, float64(codeLagged), failure["code"])
			require.Contains(t, failure["message"], "subscriber lags")
			data := failure["data"].(map[string]any)
			oldest := number(t, data["oldest"])
			require.Positive(t, number(t, data["missed"]))
			require.Greater(t, oldest, last)
			require.Less(t, last, newest)
			eventually(t, "only the eager one is left", func() bool { return d.service.Subscriptions() == 1 })

			// The connection lives, and one can go on from the oldest; from what is the
			// oldest now, if more came since.
			resume := func(from any) (map[string]any, uint64) {
				require.NoError(t, lazy.conn.WriteJSON(map[string]any{
					"jsonrpc": "2.0", "id": 2, "method": "eth_subscribe", "params": append(args, map[string]any{"from": from}),
				}))
				answer := lazy.read()
				require.Equal(t, float64(2), answer["id"])
				return answer, number(t, from)
			}
			answer, oldest := resume(data["oldest"])
			if failure, ok := answer["error"].(map[string]any); ok {
				answer, oldest = resume(failure["data"].(map[string]any)["oldest"])
			}
			require.Contains(t, answer, "result")
			require.Equal(t, oldest, number(t, lazy.next()["sequence"]))
		})
	}
}

func TestDropped(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	taps := map[string]*tap{"hashes": d.subscribe(client, "newPendingTransactions")}
	for name, args := range resumable() {
		taps[name] = d.subscribe(client, args...)
	}
	heads := d.subscribe(client, "newHeads")
	sealed := d.subscribe(client, "logs", map[string]any{})
	d.node.Seal(d.emit(0, 1, 1, 0))
	d.node.Mini(d.emit(0, 1, 2, 0))
	d.node.Mini(d.emit(0, 1, 3, 0))
	d.node.History().Drop()
	late := d.subscribe(client, "miniBlocks", from(history.SeqOf(2, 1)))

	taps["late"] = late
	for name, tap := range taps {
		count := map[string]int{"late": 1}[name]
		if count == 0 {
			count = 3
		}
		for range count {
			require.NotContains(t, string(tap.raw()), "dropped")
		}
		require.JSONEq(t, fmt.Sprintf(`{"dropped":{"sequence":"%#x"}}`, uint64(history.SeqOf(2, 0))), string(tap.raw()), name)
		tap.silent()
	}
	// What is sealed stays.
	heads.next()
	sealed.next()
	heads.silent()
	sealed.silent()

	// Others come with the same sequence, and are not mistaken for those before.
	require.NoError(t, other(d.node.History()))
	got := taps["miniBlocks"].next()
	require.Equal(t, uint64(history.SeqOf(2, 0)), number(t, got["sequence"]))
	require.Equal(t, otherParent.Hex(), got["parent_hash"])
	require.Empty(t, got["transactions"])
}

// TestDroppedLate: of several blocks that were dropped, who hears of it late is told the
// first, whatever was sealed since and wherever he was.
func TestDroppedLate(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	store := d.node.History()
	mini := func(number uint64, last bool, gasUsed uint64) *chain.Frame {
		env := &chain.Env{Number: number, Timestamp: 1_800_000_000, GasLimit: 1}
		frame := &chain.Frame{Number: number, Env: env, Last: last, Parent: common.Hash{byte(gasUsed)}}
		require.NoError(t, store.OpenBlock(env))
		require.NoError(t, store.SealMini(frame, frame.Digest(), new(chain.Changes)))
		return frame
	}
	d.node.Seal()
	mini(2, true, 1)
	mini(3, false, 1)
	store.Drop()
	mini(2, true, 2)
	require.NoError(t, store.Seal(&chain.Header{Number: 2, ParentHash: d.node.Head().Hash(), Timestamp: 1_800_000_000, GasLimit: 1}))
	late := d.subscribe(d.dial(), "miniBlocks", from(history.SeqOf(3, 1)))
	require.JSONEq(t, `{"dropped":{"sequence":"0x2000000"}}`, string(late.raw()))
	require.Equal(t, uint64(history.SeqOf(2, 0)), number(t, late.next()["sequence"]), "and it comes again")
}

// TestRewound: what was sealed is dropped, too.
func TestRewound(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	minis := d.subscribe(d.dial(), "miniBlocks")
	for range 3 {
		d.node.Seal(d.emit(0, 1, 1, 0))
		minis.next()
	}
	require.NoError(t, d.node.History().Rewind(1))
	for {
		if text := string(minis.raw()); strings.Contains(text, "dropped") {
			require.JSONEq(t, fmt.Sprintf(`{"dropped":{"sequence":"%#x"}}`, uint64(history.SeqOf(2, 0))), text)
			return
		}
	}
}

var otherParent = common.Hash{0xab}

// other gives history a first mini-block of block 2, which is empty.
func other(store *history.Store) error {
	env := &chain.Env{Number: 2, Timestamp: 1_800_000_000, GasLimit: 1}
	frame := &chain.Frame{Number: 2, Parent: otherParent, Env: env}
	if err := store.OpenBlock(env); err != nil {
		return err
	}
	return store.SealMini(frame, frame.Digest(), new(chain.Changes))
}

func TestConnectionLost(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client, other := d.dial(), d.dial()
	stays := d.subscribe(other, "miniBlocks")
	for range 3 {
		for _, args := range resumable() {
			d.subscribe(client, args...)
		}
		d.subscribe(client, "newHeads")
		d.subscribe(client, "newPendingTransactions", true)
		d.subscribe(client, "syncing")
	}
	require.Equal(t, 19, d.service.Subscriptions())
	client.Close() // nothing happens on the chain, and they end all the same
	eventually(t, "ended with the connection", func() bool { return d.service.Subscriptions() == 1 })
	d.node.Mini()
	stays.next()
	stays.sub.Unsubscribe()
	eventually(t, "ended by the client", func() bool { return d.service.Subscriptions() == 0 })
	d.node.Mini()
	stays.silent()
}

// TestConnectionCut: the client vanishes while the server is writing to it.
func TestConnectionCut(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	lazy := d.slow(t, "miniBlocks")
	for range 100 {
		d.node.Mini(d.emit(0, 1, 1, 500))
	}
	require.Equal(t, 1, d.service.Subscriptions())
	require.NoError(t, lazy.conn.Close())
	eventually(t, "ended with the connection", func() bool { return d.service.Subscriptions() == 0 })
}

func TestStoreClosed(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	minis := d.subscribe(d.dial(), "miniBlocks")
	require.NoError(t, d.node.History().Close())
	failure := minis.next()["error"].(map[string]any)
	require.Equal(t, float64(wire.CodeInternal), failure["code"])
	require.Contains(t, failure["message"], "subscription ended")
}
