package backend_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func requireNotKept(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, history.ErrNotKept)
	coded := rpc.Error(nil)
	require.True(t, errors.As(err, &coded), err)
	require.Equal(t, 4444, coded.ErrorCode())
}

// newGap is a node that shows the state and block of another, and whose history begins
// at block 3, not sealed.
func newGap(t *testing.T) *late {
	l := newLate(t)
	require.NoError(t, l.store.Close())
	genesis := l.header(t, 0)
	var err error
	l.store, err = history.Open(history.Config{Dir: t.TempDir(), Genesis: genesis})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.store.Close()) })
	require.NoError(t, l.store.OpenBlock(l.env))
	return l
}

// A hash in a gap of history is unknown, not absent: whoever asks for a state, a block or
// a transaction by it.
func TestGapIsNotKept(t *testing.T) {
	l := newGap(t)
	for name, at := range map[string]rpc.BlockNumberOrHash{
		"hash":   rpc.BlockNumberOrHashWithHash(l.header(t, 2).Hash(), false),
		"number": rpc.BlockNumberOrHashWithNumber(2),
	} {
		if name == "number" {
			l.Seal()
			require.NoError(t, l.store.Seal(l.header(t, 3)))
		}
		_, err := backend.StateOf(t.Context(), l, at)
		requireNotKept(t, err)
		_, err = backend.SealedBlock(l, at)
		requireNotKept(t, err)
		_, err = backend.SealedHeader(l, at)
		requireNotKept(t, err)
	}
	tx, _, _, err := backend.FindTx(t.Context(), l, common.Hash{1})
	require.Nil(t, tx)
	requireNotKept(t, err)
	_, _, err = backend.FindExecuted(t.Context(), l, common.Hash{1})
	requireNotKept(t, err)
}

// A pruned node still knows what waits, and says of what it does not know that it may
// have been pruned.
func TestPrunedTransactions(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{Hold: true, History: func(c *history.Config) { c.KeepBlocks = 2 }})
	old := n.Transfer(0, common.Address{1}, 1)
	_, err := backend.SealedHeader(n, rpc.BlockNumberOrHashWithHash(common.Hash{1}, false))
	require.NoError(t, err, "headers are all kept: there is none")
	n.Seal(old)
	tx, _, _, err := backend.FindTx(t.Context(), n, common.Hash{1})
	require.NoError(t, err)
	require.Nil(t, tx, "nothing is pruned")
	for range 40 {
		n.Seal(n.Transfer(0, common.Address{1}, 1))
		require.NoError(t, n.History().Persist(t.Context(), n.Head().Number))
	}
	_, _, _, err = backend.FindTx(t.Context(), n, old.Hash())
	requireNotKept(t, err)
	waiting := n.Transfer(0, common.Address{1}, 1)
	_, err = n.Send(t.Context(), waiting.Raw())
	require.NoError(t, err)
	block, _, err := backend.FindExecuted(t.Context(), n, waiting.Hash())
	require.NoError(t, err)
	require.Nil(t, block, "it waits: there is no receipt yet")
	header, err := backend.SealedHeader(n, rpc.BlockNumberOrHashWithNumber(1))
	require.NoError(t, err)
	require.EqualValues(t, 1, header.Number)
	_, err = backend.SealedBlock(n, rpc.BlockNumberOrHashWithNumber(1))
	requireNotKept(t, err)
	none, err := backend.SealedHeader(n, rpc.BlockNumberOrHashWithHash(common.Hash{1}, false))
	require.NoError(t, err)
	require.Nil(t, none)
}

// A node that began at a snapshot has the parent's hash from the child's header; before
// that is there it waits, and reads no older hash from the slot below.
func TestParentHashBesideGap(t *testing.T) {
	l := newGap(t) // block 3 is open, its parent is in the gap
	parent := l.header(t, 2)
	got := make(chan common.Hash, 2)
	for _, read := range []func() (common.Hash, error){
		func() (common.Hash, error) {
			slot, err := latestSlot(t.Context(), t, l, 2)
			return slot.Bytes32(), err
		},
		func() (common.Hash, error) {
			state, err := backend.StateOf(t.Context(), l, backend.OrLatest(nil))
			if err != nil {
				return common.Hash{}, err
			}
			return state.Ancestors.BlockHash(t.Context(), 2)
		},
	} {
		go func() {
			hash, err := read()
			if err != nil {
				t.Error(err)
			}
			got <- hash
		}()
	}
	select {
	case hash := <-got:
		t.Fatal("a hash that there is not:", hash)
	default:
	}
	l.Seal()
	require.NoError(t, l.store.Seal(l.header(t, 3)))
	require.Equal(t, parent.Hash(), <-got)
	require.Equal(t, parent.Hash(), <-got)

	state, err := backend.StateOf(t.Context(), l, backend.OrLatest(nil))
	require.NoError(t, err)
	_, err = state.Ancestors.BlockHash(t.Context(), 1)
	require.ErrorIs(t, err, chain.ErrUnknown, "its child is in the gap too")
}

// ahead has a state whose newest sealed block its history lacks.
type ahead struct {
	*late
	newest *chain.Header
}

func (a *ahead) Header() *chain.Header { return a.newest }

// A node that gets no bodies knows the hashes of the newest blocks all the same.
func TestParentHashWithoutBodies(t *testing.T) {
	l := newLate(t)
	require.NoError(t, l.store.Close())
	var err error
	l.store, err = history.Open(history.Config{Dir: t.TempDir(), Genesis: l.header(t, 0)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.store.Close()) })
	a := &ahead{l, l.header(t, 2)} // block 3 is open
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	slot, err := latestSlot(ctx, t, a, 2)
	require.NoError(t, err)
	require.Equal(t, a.newest.Hash(), common.Hash(slot.Bytes32()))
	state, err := backend.StateOf(ctx, a, backend.OrLatest(nil))
	require.NoError(t, err)
	for number := range uint64(3) {
		hash, err := state.Ancestors.BlockHash(ctx, number)
		require.NoError(t, err)
		require.Equal(t, l.header(t, number).Hash(), hash)
	}
	a.newest = nil // not known, as in a node that has just begun
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = latestSlot(short, t, a, 2)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
