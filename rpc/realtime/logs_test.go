package realtime

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

const cursorMethod = "eth_getLogsWithCursor"

// makeLogs makes 12 sealed blocks with up to 5 logs each, and mini-blocks after
// them.
func (d *door) makeLogs(r *rand.Rand) {
	for range 12 {
		for range r.IntN(6) {
			d.node.Mini(d.emit(0, 1+r.Uint64N(3), 1+r.Uint64N(3), 0))
		}
		d.node.Seal()
	}
	for range 4 {
		d.node.Mini(d.emit(0, 1+r.Uint64N(3), 1+r.Uint64N(3), 0))
	}
}

// everything is what eth_getLogs has to answer, found the slow way.
func (d *door) everything(t *testing.T, filter *wire.LogFilter, first, last uint64, unsealed bool) []string {
	var (
		blocks []*history.Block
		out    = []string{}
	)
	for n := first; n <= min(last, d.node.History().Head().Number); n++ {
		b, err := d.node.History().Block(n)
		require.NoError(t, err)
		blocks = append(blocks, b)
	}
	if unsealed {
		for _, b := range d.node.History().Unsealed() {
			if b.Number() >= first {
				blocks = append(blocks, b)
			}
		}
	}
	for _, b := range blocks {
		index := uint32(0)
		for i, r := range b.Receipts {
			for l := range r.Logs {
				if filter.Matches(&r.Logs[l]) {
					hash := &b.Hash
					if !b.Sealed() {
						hash = nil
					}
					log := wire.NewLog(&r.Logs[l], b.Number(), b.Env.Timestamp, hash, b.Txs[i].Hash(), uint32(i), index)
					out = append(out, string(log.AppendJSON(nil)))
				}
				index++
			}
		}
	}
	return out
}

type textPage struct {
	Logs   []json.RawMessage
	Cursor *string
}

// pages asks for all pages and returns their logs, and how many pages there were.
func pages(t *testing.T, client *rpc.Client, filter map[string]any, limit any) (logs []string, count int) {
	t.Helper()
	logs = []string{}
	asked := map[string]any{}
	for k, v := range filter {
		asked[k] = v
	}
	for {
		var page textPage
		require.NoError(t, client.Call(&page, cursorMethod, asked, limit))
		count++
		require.NotNil(t, page.Logs)
		for _, text := range page.Logs {
			logs = append(logs, string(text))
		}
		if page.Cursor == nil {
			return logs, count
		}
		require.NotEqual(t, asked["cursor"], *page.Cursor, "no progress")
		asked["cursor"] = *page.Cursor
	}
}

// TestPagesAreTheWhole: whatever the filter, the limit and how much a call may
// search, the pages one after the other are what eth_getLogs answers.
func TestPagesAreTheWhole(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, realtime := range []bool{false, true} {
			d := open(t, rpctest.Options{}, Config{LogPage: 1 + r.IntN(8), LogBlocks: 1 + r.Uint64N(14)}, realtime)
			d.makeLogs(r)
			client := d.dial()
			for range 60 {
				first, last := r.Uint64N(15), r.Uint64N(15)
				if first > last {
					first, last = last, first
				}
				filter := map[string]any{"fromBlock": fmt.Sprintf("%#x", first), "toBlock": fmt.Sprintf("%#x", last)}
				unsealed := false
				switch r.IntN(4) {
				case 0:
					filter["toBlock"], last, unsealed = "pending", beyond, true
				case 1:
					filter["toBlock"], last, unsealed = "latest", beyond, realtime
				}
				if r.IntN(2) == 0 {
					filter["address"] = []common.Address{emitter, {1}}
				}
				if r.IntN(2) == 0 {
					filter["topics"] = []any{[]any{word(1), word(2)}, nil}
				}
				var decoded wire.LogFilter
				text, err := json.Marshal(filter)
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(text, &decoded))
				want := d.everything(t, &decoded, first, last, unsealed)
				for _, limit := range []any{nil, 1, "0x2", 1_000_000} {
					got, count := pages(t, client, filter, limit)
					require.Equal(t, want, got, "%s limit %v", text, limit)
					if limit == 1 {
						require.GreaterOrEqual(t, count, len(want))
					}
				}
			}
		}
	}
}

func TestPageLimits(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{LogPage: 3, LogBlocks: 4}, false)
	for range 10 {
		d.node.Seal(d.emit(0, 1, 1, 0), d.emit(0, 1, 1, 0))
	}
	client := d.dial()
	ask := func(filter map[string]any, limit any) (page textPage) {
		require.NoError(t, client.Call(&page, cursorMethod, filter, limit))
		return page
	}
	all := map[string]any{"fromBlock": "earliest"}
	require.Len(t, ask(all, nil).Logs, 3)
	require.Len(t, ask(all, 2).Logs, 2)
	require.Len(t, ask(all, 1_000_000).Logs, 3)
	// Nothing found in as many blocks as one call searches: no logs, and a cursor.
	nothing := ask(map[string]any{"fromBlock": "0x1", "address": common.Address{1}}, nil)
	require.Empty(t, nothing.Logs)
	require.Equal(t, "0x0000000000000004ffffffff", *nothing.Cursor)
	// Defaults: the newest block.
	newest := ask(map[string]any{}, nil)
	require.Len(t, newest.Logs, 2)
	require.Nil(t, newest.Cursor)
	block, err := d.node.History().Block(5)
	require.NoError(t, err)
	byHash := ask(map[string]any{"blockHash": block.Hash}, nil)
	require.Len(t, byHash.Logs, 2)
	require.Nil(t, byHash.Cursor)
}

func TestPageRefusals(t *testing.T) {
	d := open(t, rpctest.Options{History: func(c *history.Config) { c.KeepBlocks = 2 }}, Config{}, false)
	for range 200 {
		d.node.Seal()
	}
	client := d.dial()
	for _, test := range []struct {
		filter map[string]any
		code   int
		text   string
	}{
		{map[string]any{"fromBlock": "0x9", "toBlock": "0x8"}, wire.CodeInvalidParams, "invalid block range"},
		{map[string]any{"fromBlock": "latest", "toBlock": "0x8"}, wire.CodeInvalidParams, "invalid block range"},
		{map[string]any{"fromBlock": "pending", "toBlock": "0x8"}, wire.CodeInvalidParams, "invalid block range"},
		{map[string]any{"blockHash": common.Hash{1}}, wire.CodeServer, "unknown block"},
		{map[string]any{"blockHash": common.Hash{1}, "fromBlock": "0x1"}, wire.CodeInvalidParams, "BlockHash"},
		{map[string]any{"cursor": "0x01"}, wire.CodeInvalidParams, "cursor"},
		{map[string]any{"cursor": "0xg000000000000004ffffffff"}, wire.CodeInvalidParams, "cursor"},
		{map[string]any{"cursor": 4}, wire.CodeInvalidParams, "cursor"},
		{map[string]any{"topics": make([]any, 5)}, wire.CodeInvalidParams, "exceed max topics"},
	} {
		_, err := call(client, cursorMethod, test.filter)
		requireError(t, err, test.code, test.text, nil)
	}
	require.NoError(t, d.node.History().Persist(t.Context(), 200))
	require.Eventually(t, func() bool {
		_, err := call(client, cursorMethod, map[string]any{"fromBlock": "0x1"})
		return err != nil && err.Error() == "pruned history unavailable"
	}, 10*time.Second, time.Millisecond)
	// earliest is the first block there is, not the first that is kept.
	_, err := call(client, cursorMethod, map[string]any{"fromBlock": "earliest"})
	requireError(t, err, wire.CodePruned, "pruned history unavailable", nil)
}

func TestCursorTextIsAPosition(t *testing.T) {
	for _, p := range []history.LogPosition{{}, {Block: 1, Index: 2}, {Block: 1<<64 - 1, Index: 1<<32 - 1}} {
		got, err := parseCursor(string(appendCursor(nil, p)))
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
}
