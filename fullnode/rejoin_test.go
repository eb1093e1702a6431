package fullnode_test

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/trie"
)

// A node that restarts begins at the newest snapshot that leaves no gap in its history,
// genesis if need be, and at the newest of all only when the feed does not go back so far.
func TestRestartLeavesNoGap(t *testing.T) {
	spec, r, last := recordSnapshots(t)
	offers := r.offers(t)
	at := 2 // of an offer after which there is a block without one: a late one can be next to another
	for ; offers[at+1].Block.Number == offers[at].Block.Number+1; at++ {
		require.Less(t, at+2, len(offers))
	}
	second, third := offers[at-1], offers[at]
	for name, c := range map[string]struct {
		known  uint64 // the history's head
		oldest uint64 // message of the feed
		begin  uint64
	}{
		"fresh":                   {0, 0, offers[len(offers)-1].Block.Number},
		"before the first":        {1, 0, 0},
		"the same block":          {third.Block.Number, third.Feed, third.Block.Number},
		"one after":               {third.Block.Number + 1, third.Feed, third.Block.Number},
		"one before":              {third.Block.Number - 1, second.Feed, second.Block.Number},
		"feed begins later":       {third.Block.Number + 1, third.Feed + 1, offers[len(offers)-1].Block.Number},
		"before the first, later": {1, 1, offers[len(offers)-1].Block.Number},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, spec)
			plain := &recorded{Bus: r.Bus, layer: r.layer}
			if c.known > 0 {
				before := newKeeping(t, spec, plain, store, &upTo{Store: store, last: c.known})
				require.NoError(t, before.runTo(before.at(c.known)))
				require.Equal(t, c.known, store.Head().Number)
			}
			plain.oldest, plain.bodies = c.oldest, c.known
			k := newKeeping(t, spec, plain, store, store, plain.snapshots)
			require.Equal(t, c.begin, k.Heads().RootChecked.Number)
			require.NoError(t, k.runTo(k.at(last)))
			var lost []uint64
			for n := c.known + 1; n <= c.begin; n++ {
				lost = append(lost, n)
			}
			k.requireWhole(last, lost...)
			require.Equal(t, len(lost) == 0, store.Complete())
			require.Zero(t, k.Stats().Lost)
		})
	}
}

// upTo is a history whose node stops after a block: it waits.
type upTo struct {
	*history.Store
	last uint64
}

func (u *upTo) Persist(ctx context.Context, number uint64) error {
	if err := u.Store.Persist(ctx, number); err != nil || number < u.last {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// A node that the feed has left behind goes on from a snapshot, in the same run: its
// history has a gap, those who hold a view keep it, and state and root are right.
func TestRejoin(t *testing.T) {
	spec, r, last := recordSnapshots(t)
	offers := r.offers(t)
	second := offers[1]
	r.until, _ = r.after(t, second.Block.Number)
	r.until++ // with a part of the next block
	r.hidden = func(uint64) bool { return true }
	store := newStore(t, spec)
	k := newKeeping(t, spec, r, store, store, r.snapshots)
	view, _ := k.Latest()
	old := k.Store()
	before := time.Now()
	behind, middle := uint64(0), offers[3]
	require.NoError(t, k.runTo(func() bool {
		if behind == 0 && k.at(second.Block.Number)() && k.Heads().Preconfirmed.Number > second.Block.Number {
			behind = k.Heads().RootChecked.Number
			r.set(func() {
				r.oldest, r.until = middle.Feed, 0
				r.hidden = func(n uint64) bool { return n > middle.Block.Number }
			})
		}
		return k.at(last)()
	}))
	require.Equal(t, second.Block.Number, behind)
	var lost []uint64
	for n := behind + 1; n <= middle.Block.Number; n++ {
		lost = append(lost, n)
	}
	k.requireWhole(last, lost...)
	require.False(t, store.Complete())
	s := k.Stats()
	require.Equal(t, uint64(1), s.Rejoins)
	require.Equal(t, uint64(len(lost)), s.Skipped)
	require.Zero(t, s.Lost)
	require.Zero(t, s.BodiesRefused)
	require.True(t, s.LastMessage.After(before))
	require.NoError(t, k.Refused())
	require.NotSame(t, old, k.Store())
	_, _, err := view.Account(common.Address{1})
	require.NoError(t, err, "a view from before")
}

// While there is no snapshot to go on from, the node stands where it stood and says why;
// it does not ask without pause, and gives up at last.
func TestRejoinWaits(t *testing.T) {
	spec, r, _ := recordSnapshots(t)
	offers := r.offers(t)
	second, newest := offers[1], offers[len(offers)-1]
	for name, oldest := range map[string]uint64{"feed": newest.Feed + 1, "offers": newest.Feed} {
		t.Run(name, func(t *testing.T) {
			r := &recorded{Bus: r.Bus, layer: r.layer, hidden: func(uint64) bool { return true }}
			r.until, _ = r.after(t, second.Block.Number)
			store := newStore(t, spec)
			k := newKeeping(t, spec, r, store, store, r.snapshots)
			require.NoError(t, k.runTo(func() bool { return k.Heads().RootChecked == second.Block }))
			r.oldest, r.until = oldest, 0
			if name == "feed" {
				r.hidden = nil
			}
			before, asked := k.Heads(), r.asked
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			err := k.Run(ctx)
			require.ErrorIs(t, err, chain.ErrOutOfStep)
			require.ErrorIs(t, err, chain.ErrNotFound)
			require.Equal(t, 16, r.asked-asked)
			after := k.Heads()
			require.Equal(t, before.Preconfirmed, after.Preconfirmed)
			require.Equal(t, before.RootChecked, after.RootChecked)
			require.ErrorIs(t, k.Refused(), chain.ErrOutOfStep)
			require.Zero(t, k.Stats().Rejoins)
		})
	}
}

// A context ends the wait for a snapshot, and that is no error.
func TestRejoinEndsWithContext(t *testing.T) {
	spec, r, _ := recordSnapshots(t)
	r.hidden = func(uint64) bool { return true }
	r.oldest = 1
	store := newStore(t, spec)
	k := newKeeping(t, spec, r, store, store, r.snapshots, func(c *fullnode.Config) { c.RejoinDelay = time.Hour })
	asked := r.asked
	require.NoError(t, k.runTo(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.asked > asked && k.Refused() != nil
	}))
	require.Equal(t, 1, r.asked-asked)
}

func newState(t *testing.T) *state.Store {
	store, err := state.Open(state.Config{Retain: 3})
	require.NoError(t, err)
	return store
}

// A node whose caller says how a state is made can begin anew in another.
func TestRejoinOpens(t *testing.T) {
	spec, r, last := recordSnapshots(t)
	r.hidden = func(uint64) bool { return true }
	opened := 0
	store := newStore(t, spec)
	k := newKeeping(t, spec, r, store, store, r.snapshots, func(c *fullnode.Config) {
		c.Open = func() (chain.StateStore, chain.Committer, error) {
			opened++
			return newState(t), trie.New(trie.Config{}), nil
		}
	})
	old := k.Store()
	r.hidden, r.oldest = nil, 1
	require.NoError(t, k.runTo(k.at(last)))
	require.Equal(t, 2, opened)
	require.NotSame(t, old, k.Store())
	require.EqualValues(t, 1, k.Stats().Rejoins)
	require.NoError(t, old.Close())

	_, err := fullnode.New(t.Context(), fullnode.Config{
		Genesis: spec.Genesis, Subscriber: r, Store: newState(t), Open: func() (chain.StateStore, chain.Committer, error) { return nil, nil, nil },
	})
	require.ErrorContains(t, err, "Open")
}

// What the node cannot make anew, or must not, ends Run as ever.
func TestNoRejoin(t *testing.T) {
	spec, r, _ := recordSnapshots(t)
	r.oldest = 1
	for name, change := range map[string]func(*fullnode.Config){
		"from genesis": func(c *fullnode.Config) { c.FromSnapshot = false },
		"own trie":     func(c *fullnode.Config) { c.Committer = trie.New(trie.Config{}) },
		"own store":    func(c *fullnode.Config) { c.Store = newState(t) },
	} {
		r.hidden = func(uint64) bool { return true }
		store := newStore(t, spec)
		k := newKeeping(t, spec, r, store, store, r.snapshots, change)
		r.hidden = nil
		require.ErrorIs(t, k.runTo(func() bool { return false }), chain.ErrOutOfStep, name)
		require.Zero(t, k.Stats().Rejoins)
		require.Zero(t, k.Heads().RootChecked.Number)
	}
}
