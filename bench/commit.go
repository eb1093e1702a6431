package bench

import (
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Roots are the state roots of a history, as far as somebody computed them: the
// first to reach a block says what its root is, all others must agree. It may be
// used concurrently.
type Roots struct {
	mu    sync.Mutex
	known []common.Hash
}

// agree reports whether root may be that of block i, and what it should be.
func (r *Roots) agree(i int, root common.Hash) (want common.Hash, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i == len(r.known) {
		r.known = append(r.known, root)
	}
	return r.known[i], r.known[i] == root
}

// A committing is one committer on its way through a history.
type committing struct {
	tb        testing.TB
	committer chain.Committer
	history   *History
	roots     *Roots
	blocks    int
	root      common.Hash
}

// newCommitting commits the state before the first block.
func newCommitting(tb testing.TB, u Updates, roots *Roots, open func(testing.TB) chain.Committer) *committing {
	tb.Helper()
	c := &committing{tb: tb, committer: open(tb), history: u.History(), roots: roots, root: chain.EmptyRoot}
	c.commit(c.history.Genesis())
	c.check()
	return c
}

// commit is what is timed: from the changes of a block to its root, kept so that
// the next block can begin on it.
func (c *committing) commit(changes *chain.Changes) {
	ctx := c.tb.Context()
	commitment, err := c.committer.Begin(ctx, c.root)
	if err != nil {
		c.tb.Fatal(err)
	}
	if err := commitment.Apply(changes); err != nil {
		c.tb.Fatal(err)
	}
	if c.root, err = commitment.Root(ctx); err != nil {
		c.tb.Fatal(err)
	}
	if err := commitment.Commit(ctx); err != nil {
		c.tb.Fatal(err)
	}
}

// check compares the root with what others computed.
func (c *committing) check() {
	if want, ok := c.roots.agree(c.blocks, c.root); !ok {
		c.tb.Fatalf("block %d of %s: state root %s, want %s", c.blocks, c.history.updates, c.root, want)
	}
	c.blocks++
}

// CheckCommit commits a state and so many blocks on it, compares the roots with
// those that others given the same Roots computed, and returns the last.
func CheckCommit(tb testing.TB, u Updates, blocks int, roots *Roots, open func(testing.TB) chain.Committer) common.Hash {
	tb.Helper()
	c := newCommitting(tb, u, roots, open)
	for range blocks {
		c.commit(c.history.Next())
		c.check()
	}
	return c.root
}

// Commit times a committer. One operation is one block on a state that it has
// already: Begin, Apply, Root, Commit. Every root is compared with that of others
// given the same Roots. Metrics: ns/update, of an account or slot; cpu-ns/op.
func Commit(b *testing.B, u Updates, roots *Roots, open func(testing.TB) chain.Committer) {
	var (
		c       = newCommitting(b, u, roots, open)
		updates = 0
	)
	b.ReportAllocs()
	watch := newStopwatch(b)
	for b.Loop() {
		watch.stop()
		changes := c.history.Next()
		updates += changes.Len()
		watch.start()
		c.commit(changes)
		watch.stop()
		c.check()
		watch.start()
	}
	watch.stop()
	watch.cost("ns/update", float64(updates)/float64(b.N))
	watch.processor()
}
