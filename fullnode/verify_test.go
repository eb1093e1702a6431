package fullnode_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// reexecute is what a node verifies with; alter may change what execution makes of a
// block, as if the sequencer had made something else of it.
func reexecute(t *testing.T, spec *genesis.Spec, alter func(*chain.Block, *chain.Result)) func(*fullnode.Config) {
	executor, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	honest := prover.Reexecute(executor)
	return func(c *fullnode.Config) {
		c.Reexecute = func(ctx context.Context, b *chain.Block, a chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
			result, err := honest(ctx, b, a, prior)
			if err == nil && alter != nil {
				alter(b, result)
			}
			return result, err
		}
	}
}

// Each block that is sealed was executed again, on the state before it, and made the
// same.
func TestVerify(t *testing.T) {
	spec, bus, want := recordBodies(t)
	store := newStore(t, spec)
	k := newKeeping(t, spec, bus, store, store, reexecute(t, spec, nil))
	require.NoError(t, k.runTo(k.at(want.head())))
	k.requireWhole(want.head())
	require.Equal(t, want.head(), k.Stats().Verified)
	require.Zero(t, k.Stats().Unverified)
	require.Empty(t, k.Evidence())
}

// A block that execution makes something else of ends the run, is evidence, and is not
// sealed in history.
func TestVerifyFindsOut(t *testing.T) {
	spec, bus, want := recordBodies(t)
	r := recordBlocks(t, 5)
	for name, c := range map[string]struct {
		alter func(*chain.Result)
		field string
	}{
		"changes":  {func(r *chain.Result) { r.Changes.Accounts = r.Changes.Accounts[1:] }, "changes"},
		"receipts": {func(r *chain.Result) { r.Receipts[0].Status ^= 1 }, "receiptsRoot"},
		"gas":      {func(r *chain.Result) { r.GasUsed++ }, "gasUsed"},
	} {
		alter := func(b *chain.Block, r *chain.Result) {
			if len(b.Txs) > 0 {
				c.alter(r)
			}
		}
		check := func(t *testing.T, k *keeping) (found uint64) {
			var wrong *fullnode.VerifyError
			err := k.runTo(func() bool { return false })
			require.ErrorAs(t, err, &wrong)
			require.ErrorAs(t, k.Refused(), &wrong)
			var differs *chain.MismatchError
			require.ErrorAs(t, err, &differs)
			require.Equal(t, c.field, differs.Field)
			require.Len(t, k.Evidence(), 1)
			require.EqualValues(t, 1, k.Stats().Evidence)
			require.Equal(t, wrong.Block, k.Evidence()[0].Block)
			require.Less(t, k.store.Head().Number, wrong.Block.Number)
			return wrong.Block.Number
		}
		t.Run(name, func(t *testing.T) {
			store := newStore(t, spec)
			k := newKeeping(t, spec, bus, store, store, reexecute(t, spec, alter))
			require.LessOrEqual(t, check(t, k), want.head())
		})
		t.Run(name+" from the layer", func(t *testing.T) {
			store := newStore(t, r.spec)
			k := newOutlet(r).node(t, reexecute(t, r.spec, alter), func(c *fullnode.Config) { c.History = store })
			k.store = store
			found := check(t, k)
			require.Equal(t, found-1, k.Heads().RootChecked.Number, "it is not even state")
		})
	}
}

// Where the state before a block is gone by the time its bodies come, it stays
// unverified, and that is counted.
func TestUnverified(t *testing.T) {
	spec, bus, want := recordBodies(t)
	states, err := state.Open(state.Config{Retain: -1})
	require.NoError(t, err)
	store := newStore(t, spec)
	k := newKeeping(t, spec, bus, store, store, reexecute(t, spec, nil), func(c *fullnode.Config) { c.Store = states })
	require.NoError(t, k.runTo(k.at(want.head())))
	k.requireWhole(want.head())
	require.Equal(t, want.head(), k.Stats().Unverified+k.Stats().Verified)
	require.Positive(t, k.Stats().Unverified)
}

// An archive that executes again has no gap where blocks came from the layer: it makes
// the receipts itself.
func TestVerifyFromDA(t *testing.T) {
	r := recordBlocks(t, 8)
	store := newStore(t, r.spec)
	o := newOutlet(r)
	k := o.node(t, reexecute(t, r.spec, nil), func(c *fullnode.Config) { c.History = store })
	k.store = store
	require.NoError(t, k.runTo(k.at(8)))
	k.requireWhole(store.Head().Number)
	require.True(t, store.Complete())
	require.Zero(t, k.Stats().Lost)
	require.GreaterOrEqual(t, k.Stats().Verified, uint64(8))
}

func TestVerifyNeedsBodies(t *testing.T) {
	spec, err := genesis.Dev(genesis.DevOptions{})
	require.NoError(t, err)
	cfg := fullnode.Config{Genesis: spec.Genesis, Subscriber: new(scripted)}
	reexecute(t, spec, nil)(&cfg)
	_, err = fullnode.New(t.Context(), cfg)
	require.ErrorContains(t, err, "Reexecute")
}
