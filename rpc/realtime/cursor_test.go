package realtime

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func page(t *testing.T, client *rpc.Client, filter map[string]any, limit any) (p textPage) {
	t.Helper()
	require.NoError(t, client.Call(&p, cursorMethod, filter, limit))
	return p
}

func cursor(block uint64, index uint32) string {
	return string(appendCursor(nil, history.LogPosition{Block: block, Index: index}))
}

// TestPagesOfPending: what is acknowledged and not sealed is what pending begins with,
// whatever the path.
func TestPagesOfPending(t *testing.T) {
	for _, realtime := range []bool{false, true} {
		d := open(t, rpctest.Options{}, Config{}, realtime)
		client := d.dial()
		d.node.Seal(d.emit(0, 1, 1, 0))
		for _, filter := range []map[string]any{
			{"fromBlock": "pending"},
			{"fromBlock": "pending", "toBlock": "latest"},
			{"fromBlock": "pending", "toBlock": "pending"},
		} {
			require.Empty(t, page(t, client, filter, nil).Logs, "nothing waits for its seal")
		}
		d.node.Mini(d.emit(0, 1, 2, 0))
		d.node.Mini(d.emit(0, 1, 3, 0))
		want := d.everything(t, new(wire.LogFilter), 2, 2, true)
		require.Len(t, want, 2)
		require.Contains(t, want[0], `"blockHash":null`)
		for _, to := range []any{nil, "latest", "pending"} {
			filter := map[string]any{"fromBlock": "pending"}
			if to != nil {
				filter["toBlock"] = to
			}
			got, _ := pages(t, client, filter, 1)
			require.Equal(t, want, got, "to %v, realtime %v", to, realtime)
		}
		// latest is sealed, but on the path for what is not.
		got, _ := pages(t, client, map[string]any{"fromBlock": "0x2"}, nil)
		if !realtime {
			want = []string{}
		}
		require.Equal(t, want, got)
	}
}

// TestPagesAcrossSeals: blocks are sealed and others begin while somebody reads page
// after page. Every log comes once, in order.
func TestPagesAcrossSeals(t *testing.T) {
	for _, from := range []string{"pending", "latest", "0x2"} {
		for sealEvery := range 4 {
			t.Run(fmt.Sprintf("from %s, a seal after %d pages", from, sealEvery+1), func(t *testing.T) {
				d := open(t, rpctest.Options{}, Config{}, sealEvery%2 == 0)
				client := d.dial()
				d.node.Seal()
				d.node.Mini(d.emit(0, 1, 1, 0), d.emit(0, 1, 2, 0))
				var (
					filter = map[string]any{"fromBlock": from, "toBlock": "pending"}
					made   = []string{"0x2/0x0", "0x2/0x1"}
					got    []string
				)
				for n := 0; ; n++ {
					p := page(t, client, filter, 1)
					for _, text := range p.Logs {
						var place struct{ BlockNumber, LogIndex string }
						require.NoError(t, json.Unmarshal(text, &place))
						got = append(got, place.BlockNumber+"/"+place.LogIndex)
					}
					if p.Cursor == nil {
						break
					}
					filter["cursor"] = *p.Cursor
					if n%4 == sealEvery {
						d.node.Seal()
					}
					if n < 12 {
						d.node.Mini(d.emit(0, 1, 9, 0))
						made = append(made, d.newest(t))
					}
				}
				require.Greater(t, d.node.Head().Number, uint64(3))
				require.Equal(t, made, got)
			})
		}
	}
}

// newest is the place of the newest log.
func (d *door) newest(t *testing.T) string {
	t.Helper()
	blocks := d.node.History().Unsealed()
	require.NotEmpty(t, blocks)
	b := blocks[len(blocks)-1]
	r := b.Receipts[len(b.Receipts)-1]
	return fmt.Sprintf("%#x/%#x", b.Number(), r.FirstLogIndex)
}

// TestCursorAhead: a cursor from a node that is ahead is good here when its place has
// come, and until then it is the answer.
func TestCursorAhead(t *testing.T) {
	for _, to := range []string{"latest", "pending", "0x9"} {
		t.Run(to, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{}, false)
			client := d.dial()
			d.node.Seal(d.emit(0, 1, 1, 0))
			ask := func(cursor string) textPage {
				return page(t, client, map[string]any{"fromBlock": "0x1", "toBlock": to, "cursor": cursor}, nil)
			}
			waits := func(cursor string) {
				t.Helper()
				p := ask(cursor)
				require.NotNil(t, p.Logs)
				require.Empty(t, p.Logs)
				require.NotNil(t, p.Cursor)
				require.Equal(t, cursor, *p.Cursor)
			}
			ahead := []string{cursor(3, 0), cursor(3, 1), cursor(3, wholeBlock), cursor(7, 5)}
			for _, c := range ahead {
				waits(c)
			}
			d.node.Seal()
			d.node.Mini(d.emit(0, 1, 2, 0)) // 3, 0
			if to == "pending" {
				p := ask(ahead[0])
				require.Empty(t, p.Logs)
				require.Nil(t, p.Cursor, "everything there is was read")
				ahead = ahead[1:]
			}
			for _, c := range ahead {
				waits(c)
			}
			d.node.Mini(d.emit(0, 1, 3, 0), d.emit(0, 1, 4, 0)) // 3, 1 and 2
			d.node.Seal()
			for index, left := range map[uint32]int{0: 2, 1: 1, 2: 0, wholeBlock: 0} {
				p := ask(cursor(3, index))
				require.Len(t, p.Logs, left, "after %d", index)
				require.Nil(t, p.Cursor)
			}
			waits(cursor(7, 5))
		})
	}
}

// TestCursorBehindTag: so is one of a block that is not safe or finalized here yet.
func TestCursorBehindTag(t *testing.T) {
	for _, tag := range []string{"safe", "finalized"} {
		d := open(t, rpctest.Options{}, Config{}, false)
		client := d.dial()
		for range 4 {
			d.node.Seal(d.emit(0, 1, 1, 0), d.emit(0, 1, 2, 0))
		}
		reaches := func(number uint64) {
			b, err := d.node.History().Block(number)
			require.NoError(t, err)
			id := b.Header.ID()
			d.node.Pin(&backend.Heads{Sealed: d.node.Head().ID(), Published: id, Proven: id})
		}
		reaches(2)
		ask := func(cursor string) textPage {
			return page(t, client, map[string]any{"fromBlock": "0x1", "toBlock": tag, "cursor": cursor}, nil)
		}
		for _, c := range []string{cursor(3, 0), cursor(4, wholeBlock), cursor(9, 0)} {
			p := ask(c)
			require.Empty(t, p.Logs)
			require.NotNil(t, p.Cursor)
			require.Equal(t, c, *p.Cursor)
		}
		for _, c := range []string{cursor(2, 1), cursor(2, wholeBlock)} {
			p := ask(c)
			require.Empty(t, p.Logs)
			require.Nil(t, p.Cursor, "everything there is was read")
		}
		reaches(3)
		p := ask(cursor(3, 0))
		require.Len(t, p.Logs, 1)
		require.Nil(t, p.Cursor)
		_, err := call(client, cursorMethod, map[string]any{"fromBlock": "0x4", "toBlock": tag, "cursor": cursor(3, 0)})
		requireError(t, err, wire.CodeInvalidParams, "cursor is not of this range", nil)
	}
}

func TestCursorRefused(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	for range 5 {
		d.node.Seal(d.emit(0, 1, 1, 0))
	}
	client := d.dial()
	block, err := d.node.History().Block(4)
	require.NoError(t, err)
	for _, test := range []struct {
		filter map[string]any
		text   string
	}{
		{map[string]any{"fromBlock": "0x3", "cursor": cursor(2, 0)}, "cursor is not of this range"},
		{map[string]any{"fromBlock": "0x1", "toBlock": "0x3", "cursor": cursor(4, 0)}, "cursor is not of this range"},
		{map[string]any{"fromBlock": "earliest", "toBlock": "earliest", "cursor": cursor(4, 0)}, "cursor is not of this range"},
		{map[string]any{"blockHash": block.Hash, "cursor": cursor(3, 0)}, "cursor is not of this range"},
		{map[string]any{"blockHash": block.Hash, "cursor": cursor(5, 0)}, "cursor is not of this range"},
		{map[string]any{"cursor": cursor(6+aheadMax+1, 0)}, "too far ahead"},
		{map[string]any{"cursor": cursor(1<<64-1, wholeBlock)}, "too far ahead"},
	} {
		_, err := call(client, cursorMethod, test.filter)
		requireError(t, err, wire.CodeInvalidParams, test.text, nil)
	}
	// latest and pending have gone on since the cursor was given.
	for _, from := range []string{"latest", "pending"} {
		p := page(t, client, map[string]any{"fromBlock": from, "cursor": cursor(3, 0)}, nil)
		require.Len(t, p.Logs, 2)
	}
	require.Len(t, page(t, client, map[string]any{"cursor": cursor(3, 0)}, nil).Logs, 2)
	p := page(t, client, map[string]any{"cursor": cursor(6+aheadMax, 0)}, nil)
	require.Equal(t, cursor(6+aheadMax, 0), *p.Cursor)
}

// TestEarliestOverGap: blocks that never came are not passed over.
func TestEarliestOverGap(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	d.node.Seal(d.emit(0, 1, 1, 0))
	store := d.node.History()
	env := &chain.Env{Number: 9, Timestamp: 1_800_000_000, GasLimit: 1}
	require.NoError(t, store.OpenBlock(env))
	require.Empty(t, page(t, d.dial(), map[string]any{"fromBlock": "pending"}, nil).Logs, "the block after the gap is open")
	require.NoError(t, store.Seal(&chain.Header{
		Number: 9, ParentHash: common.Hash{1}, Timestamp: env.Timestamp, GasLimit: 1,
	}))
	for _, from := range []string{"earliest", "0x0", "0x1", "0x8"} {
		_, err := call(d.dial(), cursorMethod, map[string]any{"fromBlock": from})
		requireError(t, err, wire.CodePruned, "pruned history unavailable", nil)
	}
	_, err := call(d.dial(), cursorMethod, map[string]any{"blockHash": common.Hash{1}})
	requireError(t, err, wire.CodePruned, "pruned history unavailable", nil)
	require.Empty(t, page(t, d.dial(), map[string]any{"fromBlock": "0x9"}, nil).Logs)
	require.Len(t, page(t, d.dial(), map[string]any{"fromBlock": "earliest", "toBlock": "0x1"}, nil).Logs, 1)
}

// TestPageBytes: a page is bounded by the bytes of its logs, but has one at least. What
// it is collected in, step by step, does not show.
func TestPageBytes(t *testing.T) {
	for most, want := range map[int]int{1: 1, 10_000: 4, 1 << 30: 600} {
		d := open(t, rpctest.Options{}, Config{LogPageBytes: most}, false)
		for range 12 { // more than a step has, and from blocks in between
			var txs []*chain.Tx
			for range 50 {
				txs = append(txs, d.emit(0, 1, 1, 28)) // a log of 960 bytes
			}
			d.node.Seal(txs...)
		}
		client := d.dial()
		p := page(t, client, map[string]any{"fromBlock": "earliest"}, nil)
		require.Len(t, p.Logs, want)
		require.Equal(t, want < 600, p.Cursor != nil)
		if most == 1 {
			continue
		}
		filter := &wire.LogFilter{}
		got, _ := pages(t, client, map[string]any{"fromBlock": "earliest"}, nil)
		require.Equal(t, d.everything(t, filter, 0, 12, false), got)
	}
}
