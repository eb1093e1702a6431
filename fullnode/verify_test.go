package fullnode_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
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

// A sequencer that leaves out bodies, all or some, or sends wrong ones, is verified all the
// same: the blocks are in the layer. History has no gap.
func TestVerifyWithoutBodies(t *testing.T) {
	r := recordBlocks(t, 8)
	spoil := &spoiled{Bus: r.bus, spoil: func(b *chain.MiniBody) { b.Receipts[0].Status ^= 1 }}
	trickle := &trickling{Bus: r.bus, every: 100 * time.Millisecond}
	for name, sub := range map[string]fullnode.Subscriber{
		"all":     &missing{r.bus, func(*chain.MiniBody) bool { return true }},
		"block":   &missing{r.bus, func(b *chain.MiniBody) bool { return b.Number == 3 }},
		"halves":  &missing{r.bus, func(b *chain.MiniBody) bool { return b.Index > 0 }},
		"lie":     spoil,
		"ahead":   &spoiled{Bus: r.bus, spoil: func(b *chain.MiniBody) { b.Number += 1000 }},
		"trickle": trickle,
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, r.spec)
			change := func(c *fullnode.Config) { c.DA, c.BacklogPatience = r.layer, 20*time.Millisecond }
			if name == "trickle" {
				change = func(c *fullnode.Config) { c.DA, c.BacklogPatience = r.layer, 150*time.Millisecond }
			}
			k := newKeeping(t, r.spec, sub, store, store, reexecute(t, r.spec, nil), change)
			require.NoError(t, k.runTo(k.at(8)))
			k.requireWhole(store.Head().Number)
			require.True(t, store.Complete())
			require.Zero(t, k.Stats().Lost)
			require.Zero(t, k.Stats().Unverified)
			require.GreaterOrEqual(t, k.Stats().Verified, uint64(8))
			require.Equal(t, name == "lie", k.RefusedBody() != nil)
			if name == "trickle" && r.bodies > 24 { // of a block come some, on a machine that is not too busy
				require.Less(t, trickle.brought.Load(), int64(r.bodies/2), "it does not wait for all bodies")
			}

			lie := reexecute(t, r.spec, func(b *chain.Block, r *chain.Result) {
				if b.Header.Number == 3 {
					r.GasUsed++
				}
			})
			store = newStore(t, r.spec)
			k = newKeeping(t, r.spec, sub, store, store, lie, change)
			var wrong *fullnode.VerifyError
			require.ErrorAs(t, k.runTo(func() bool { return false }), &wrong)
			require.EqualValues(t, 3, wrong.Block.Number)
		})
	}
}

// trickling brings each body late, so that there is never silence.
type trickling struct {
	*link.Bus
	every   time.Duration
	brought atomic.Int64
}

func (s *trickling) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	next, err := s.Bus.Subscribe(ctx, topic, from)
	if err != nil || topic != link.TopicBodies {
		return next, err
	}
	return func(ctx context.Context) (uint64, []byte, error) {
		select {
		case <-time.After(s.every):
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
		s.brought.Add(1)
		return next(ctx)
	}, nil
}

// Where neither bodies nor layer have a block, that is counted, and the state goes on.
func TestUnverifiedWithoutLayer(t *testing.T) {
	r := recordBlocks(t, 8)
	lying := &liar{DAClient: r.layer, lie: func([]byte) ([]byte, error) { return nil, chain.ErrNotFound }}
	for _, p := range r.publications {
		lying.about = append(lying.about, p.Body)
	}
	for name, change := range map[string]func(*fullnode.Config){
		"no layer":      func(*fullnode.Config) {},
		"not published": func(c *fullnode.Config) { c.DA, c.DATimeout = r.layer, 10*time.Millisecond },
		"state gone": func(c *fullnode.Config) {
			states, err := state.Open(state.Config{Retain: -1})
			require.NoError(t, err)
			c.DA, c.DATimeout, c.Store = r.layer, time.Hour, states
		},
		"not there": func(c *fullnode.Config) { c.DA, c.DAAttempts, c.DATimeout = lying, 2, 10*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutlet(r)
			o.until = uint64(len(r.feed))
			if name != "not there" {
				o.known = 0
			}
			store := newStore(t, r.spec)
			k := newKeeping(t, r.spec, o, store, store, reexecute(t, r.spec, nil), change, func(c *fullnode.Config) { c.BacklogPatience = 20 * time.Millisecond })
			began := time.Now()
			require.NoError(t, k.runTo(func() bool { return k.Stats().Unverified == r.last() }))
			require.Equal(t, r.last(), k.Heads().RootChecked.Number)
			require.WithinRange(t, k.Stats().LastUnverified, began, time.Now())
			require.Equal(t, r.last(), k.Stats().Lost)
			require.Zero(t, k.Stats().Verified)
			require.Zero(t, store.Head().Number)
		})
	}
}

// While the layer is waited for, the feed need not wait: it goes on when the backlog is full.
func TestUnverifiedForTheFeed(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	o.until, o.known = uint64(len(r.feed)), 0
	store := newStore(t, r.spec)
	k := newKeeping(t, r.spec, o, store, store, reexecute(t, r.spec, nil), func(c *fullnode.Config) {
		c.DA, c.DATimeout, c.BacklogBytes, c.BacklogPatience = r.layer, time.Hour, 10<<10, 20*time.Millisecond
	})
	require.NoError(t, k.runTo(k.stands(r, r.last())))
	require.Positive(t, k.Stats().Unverified)
}

// Blocks from the layer come faster than a slow history takes them, and wait there.
func TestLayerWaitsForHistory(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	store := newStore(t, r.spec)
	stuck := &waiting{Store: store, answers: make(chan struct{})}
	k := o.node(t, reexecute(t, r.spec, nil), func(c *fullnode.Config) {
		c.History, c.BacklogBytes, c.FeedPatience = stuck, 3000, time.Millisecond
	})
	k.store = store
	most, released := 0, false
	began := time.Now()
	require.NoError(t, k.runTo(func() bool {
		if most = max(most, k.Stats().BacklogBytes); !released && time.Since(began) > 500*time.Millisecond {
			require.Less(t, k.Stats().BlocksFromDA, uint64(8))
			require.Greater(t, k.Stats().BacklogBytes, k.Stats().BacklogMax)
			close(stuck.answers)
			released = true
		}
		return k.at(r.published())() && k.Stats().BacklogBytes == 0
	}))
	k.requireWhole(r.published())
	require.Less(t, most, 100<<10)
}

// waiting is a history whose disk does not answer for a while.
type waiting struct {
	*history.Store
	answers chan struct{}
}

func (w *waiting) Persist(ctx context.Context, number uint64) error {
	select {
	case <-w.answers:
		return w.Store.Persist(ctx, number)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// While the feed waits for history nobody is silent: no block is taken from the layer.
func TestWaitingIsNoSilence(t *testing.T) {
	r := recordBlocks(t, 8)
	store := newStore(t, r.spec)
	stuck := &waiting{Store: store, answers: make(chan struct{})}
	k := newKeeping(t, r.spec, r.bus, store, stuck, func(c *fullnode.Config) {
		c.DA, c.FromDA, c.FeedPatience, c.RejoinDelay = r.layer, true, 300*time.Millisecond, time.Millisecond
		c.BacklogBytes, c.BacklogPatience = 3000, time.Hour
	})
	began := time.Now()
	require.NoError(t, k.runTo(func() bool {
		if time.Since(began) < time.Second {
			require.Zero(t, k.Stats().BlocksFromDA)
			require.NoError(t, k.Refused())
			return false
		}
		select {
		case <-stuck.answers:
		default:
			require.Greater(t, k.Stats().BacklogBytes, k.Stats().BacklogMax, "it did wait")
			close(stuck.answers)
		}
		return k.at(8)()
	}))
	require.Zero(t, k.Stats().BlocksFromDA)
	k.requireWhole(store.Head().Number)
}

func TestVerifyNeedsBodies(t *testing.T) {
	spec, err := genesis.Dev(genesis.DevOptions{})
	require.NoError(t, err)
	cfg := fullnode.Config{Genesis: spec.Genesis, Subscriber: new(scripted)}
	reexecute(t, spec, nil)(&cfg)
	_, err = fullnode.New(t.Context(), cfg)
	require.ErrorContains(t, err, "Reexecute")
}
