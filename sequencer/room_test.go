package sequencer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
)

// bodies are the messages of the topic, and what they say.
func (w *world) bodies() (messages [][]byte, bodies []*chain.MiniBody) {
	last, _, err := w.bus.Latest(context.Background(), link.TopicBodies)
	if errors.Is(err, chain.ErrNotFound) {
		return nil, nil
	}
	require.NoError(w.t, err)
	next, err := w.bus.Subscribe(context.Background(), link.TopicBodies, 0)
	require.NoError(w.t, err)
	for seq := uint64(0); seq <= last; seq++ {
		_, msg, err := next(context.Background())
		require.NoError(w.t, err)
		body := new(chain.MiniBody)
		require.NoError(w.t, body.UnmarshalBinary(msg))
		messages, bodies = append(messages, msg), append(bodies, body)
	}
	return messages, bodies
}

// burst sends raw transactions before the sequencer runs, whose timers are of no account,
// and returns how many transactions each mini-block has, of those that have some.
func (w *world) burst(txs [][]byte, change func(*sequencer.Config)) (sizes []int) {
	s := w.open(func(c *sequencer.Config) {
		c.MiniBlockInterval, c.BlockInterval = time.Hour, time.Hour
		change(c)
	})
	for _, raw := range txs {
		_, err := s.Send(raw)
		require.NoError(w.t, err)
	}
	stop := running(s.Run)
	w.eventually("all are executed", func() bool { return s.Stats().Transactions == uint64(len(txs)) })
	require.NoError(w.t, s.Drain(w.t.Context()))
	_, bodies := w.bodies()
	for _, b := range bodies {
		if len(b.Txs) > 0 {
			sizes = append(sizes, len(b.Txs))
		}
	}
	require.NoError(w.t, stop())
	require.NoError(w.t, s.Close())
	return sizes
}

// one makes the first transaction of each of count accounts.
func (w *world) one(count int, change func(i int, tx *types.DynamicFeeTx)) (txs [][]byte) {
	for i := range count {
		txs = append(txs, sign(w, i, func(tx *types.DynamicFeeTx) { change(i, tx) }))
	}
	return txs
}

// Mini-blocks end when they are full, of gas or of bytes, and not before; what fits into
// none has one of its own. Order is as it was.
func TestMiniBlocksAreBounded(t *testing.T) {
	defer goleak.VerifyNone(t)
	transfer := func(int, *types.DynamicFeeTx) {}
	for name, test := range map[string]struct {
		txs    func(i int, tx *types.DynamicFeeTx)
		change func(*sequencer.Config)
		want   []int
	}{
		"roomy": {transfer, func(*sequencer.Config) {}, []int{10}},
		"gas":   {transfer, func(c *sequencer.Config) { c.MiniBlockGas = 3*21_000 + 1 }, []int{3, 3, 3, 1}},
		"bytes": {transfer, func(c *sequencer.Config) { c.MiniBlockBytes = 500 }, []int{4, 4, 2}},
		"gas that is allowed and not used": {
			func(_ int, tx *types.DynamicFeeTx) { tx.Gas = 63_000 },
			func(c *sequencer.Config) { c.MiniBlockGas = 3*21_000 + 42_000 }, []int{3, 3, 3, 1},
		},
		"gas that nobody could use here": { // half is used after five
			func(_ int, tx *types.DynamicFeeTx) { tx.Gas = 10_000_000 },
			func(c *sequencer.Config) { c.MiniBlockGas = 10 * 21_000 }, []int{5, 5},
		},
		"one is too large": {
			func(i int, tx *types.DynamicFeeTx) {
				if i == 4 {
					tx.Gas, tx.Data = 100_000, make([]byte, 600)
				}
			},
			func(c *sequencer.Config) { c.MiniBlockBytes = 500 }, []int{4, 1, 4, 1},
		},
		"all are too large": {transfer, func(c *sequencer.Config) { c.MiniBlockBytes = 1 }, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 10)
			txs := w.one(10, test.txs)
			require.Equal(t, test.want, w.burst(txs, test.change))
			_, bodies := w.bodies()
			var order []common.Hash
			for _, b := range bodies {
				for _, tx := range b.Txs {
					order = append(order, tx.Hash())
				}
			}
			for i, raw := range txs {
				require.Equal(t, chain.NewTx(raw).Hash(), order[i])
			}
		})
	}
}

// logBomb is code that fills the receipt with as much log as the gas is good for:
//
//	for GAS > 655,360 { LOG0(memory[0:65536]) }
var logBomb = common.FromHex("0x5b620100006000a05a620a000010600057")

// However much contracts log, no message is larger than the network takes.
func TestMessagesFitTheNetwork(t *testing.T) {
	defer goleak.VerifyNone(t)
	const senders = 40
	w := newWorld(t, senders)
	sizes := w.burst(w.one(senders, func(_ int, tx *types.DynamicFeeTx) {
		tx.To, tx.Data, tx.Gas = nil, logBomb, 16_000_000
		tx.Value.SetUint64(0)
	}), func(*sequencer.Config) {})
	require.Greater(t, len(sizes), 1)
	limits := envelope.DefaultLimits()
	messages, bodies := w.bodies()
	logs := 0
	for i, msg := range messages {
		require.LessOrEqual(t, len(msg), int(limits[envelope.KindBodies].Sent), "though it is not packed")
		for _, r := range bodies[i].Receipts {
			for _, l := range r.Logs {
				logs += len(l.Data)
			}
		}
	}
	require.Greater(t, logs, 60<<20, "it is no bomb")
}
