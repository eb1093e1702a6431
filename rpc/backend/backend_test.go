package backend_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// moving is a node where a transaction leaves the pool just before the pool is asked.
type moving struct {
	*rpctest.Node
	move func()
}

func (m *moving) PoolTx(ctx context.Context, hash common.Hash) (*chain.Tx, error) {
	m.move()
	return m.Node.PoolTx(ctx, hash)
}

func TestFindTxThatMoves(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{Hold: true})
	tx := n.Transfer(0, common.Address{1}, 1)
	_, err := n.Send(t.Context(), tx.Raw())
	require.NoError(t, err)

	found, block, _, err := backend.FindTx(t.Context(), n, tx.Hash())
	require.NoError(t, err)
	require.NotNil(t, found, "it is in the pool")
	require.Nil(t, block)

	m := &moving{n, func() { n.Mini() }}
	found, block, index, err := backend.FindTx(t.Context(), m, tx.Hash())
	require.NoError(t, err)
	require.NotNil(t, found, "it went to history in between")
	require.EqualValues(t, 1, block.Number())
	require.Zero(t, index)

	found, block, _, err = backend.FindTx(t.Context(), n, common.Hash{1})
	require.NoError(t, err)
	require.Nil(t, found)
	require.Nil(t, block)
}

func latestSlot(ctx context.Context, t *testing.T, b backend.Backend, number uint64) (uint256.Int, error) {
	t.Helper()
	state, err := backend.StateOf(ctx, b, backend.OrLatest(nil))
	require.NoError(t, err)
	return state.View.Slot(chain.HistoryStorageAddress, chain.HistorySlot(number))
}

// The newest state has the hash of the parent of its block, which is in none of the
// block's mini-blocks.
func TestParentHashAtLatest(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	var heads []*chain.Header
	holds := func(when string) {
		t.Helper()
		for _, h := range heads {
			hash := h.Hash()
			got, err := latestSlot(t.Context(), t, n, h.Number)
			require.NoError(t, err)
			require.Equal(t, common.Hash(got.Bytes32()), hash, "block %d %s", h.Number, when)
		}
		free, err := latestSlot(t.Context(), t, n, 100)
		require.NoError(t, err)
		require.True(t, free.IsZero())
	}
	heads = append(heads, n.Head())
	for range 3 {
		n.Push(n.Transfer(0, common.Address{1}, 1))
		holds("when a transaction is acknowledged")
		n.Mini(n.Transfer(0, common.Address{1}, 1))
		holds("in a mini-block")
		sealed := n.Seal()
		holds("when its child is sealed")
		heads = append(heads, sealed)
	}
	own, err := latestSlot(t.Context(), t, n, n.Head().Number)
	require.NoError(t, err)
	require.True(t, own.IsZero(), "a sealed block's own hash is in no state of it")
}

// late is a node that shows the state and block of another while its own history has
// no header for the parent yet.
type late struct {
	*rpctest.Node
	store *history.Store
	view  chain.StateView
	env   *chain.Env
}

func (l *late) History() *history.Store               { return l.store }
func (l *late) Latest() (chain.StateView, *chain.Env) { return l.view, l.env }
func (l *late) header(t *testing.T, n uint64) *chain.Header {
	h, err := l.Node.History().Header(n)
	require.NoError(t, err)
	return h
}

func newLate(t *testing.T) *late {
	n := rpctest.Dev(t, rpctest.Options{})
	store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: n.Head()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	view, _ := n.Latest() // in which no block has written
	n.Seal()
	n.Seal()
	n.Mini()
	_, env := n.Latest()
	l := &late{Node: n, store: store, view: view, env: env}
	for number := uint64(1); number <= 2; number++ {
		require.NoError(t, store.OpenBlock((&chain.Block{Header: l.header(t, number), Withdrawals: []chain.Withdrawal{}}).Env()))
	}
	return l
}

// A hash that does not exist yet is waited for, and by nobody who reads other slots.
func TestParentHashIsWaitedFor(t *testing.T) {
	l := newLate(t)
	_, err := latestSlot(t.Context(), t, l, 0)
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = latestSlot(short, t, l, 2)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	got := make(chan uint256.Int, 1)
	go func() {
		slot, err := latestSlot(t.Context(), t, l, 1)
		if err != nil {
			t.Error(err)
		}
		got <- slot
	}()
	select {
	case <-got:
		t.Fatal("a hash that there is not")
	case <-time.After(10 * time.Millisecond):
	}
	first := l.header(t, 1)
	require.NoError(t, l.store.Seal(first))
	slot := <-got
	require.Equal(t, first.Hash(), common.Hash(slot.Bytes32()), "of the block before the parent, whose write is not shown either")
}

// A forwarding node has a sequencer elsewhere.
type forwarding struct {
	*rpctest.Node
	answer string
	asked  int
}

func (f *forwarding) Forward(_ context.Context, method string, _ ...any) (json.RawMessage, error) {
	f.asked++
	if method != "eth_baseFee" || f.answer == "" {
		return nil, errors.New("sequencer is away")
	}
	return json.RawMessage(f.answer), nil
}

func TestOpenBaseFee(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	fee := func(b backend.Backend) uint64 {
		t.Helper()
		fee, err := backend.OpenBaseFee(t.Context(), b)
		require.NoError(t, err)
		return fee.Uint64()
	}
	next := n.Head().BaseFee.Uint64() * 7 / 8
	require.Equal(t, next, fee(n), "an empty block went before")
	f := &forwarding{Node: n, answer: `"0x1234"`}
	require.EqualValues(t, 0x1234, fee(f), "as the sequencer says")
	f.answer = ""
	require.Equal(t, next, fee(f), "without a sequencer")
	for _, f.answer = range []string{"null", "7", `"0x"`, "{}"} {
		require.Equal(t, next, fee(f), f.answer)
	}
	f.answer, f.asked = `"0x1234"`, 0
	n.Mini()
	require.Equal(t, next, fee(f), "of the block that is open")
	require.Zero(t, f.asked)
}

func TestOrLatest(t *testing.T) {
	safe := rpc.BlockNumberOrHashWithNumber(rpc.SafeBlockNumber)
	require.Equal(t, safe, backend.OrLatest(&safe))
	number, ok := func() (rpc.BlockNumber, bool) { at := backend.OrLatest(nil); return at.Number() }()
	require.True(t, ok)
	require.Equal(t, rpc.LatestBlockNumber, number)
}
