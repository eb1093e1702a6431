package state

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/vivace-chain/vivace/chain"
)

var errStageClosed = fmt.Errorf("stage: %w", chain.ErrClosed)

// A stage is changes on top of the newest block or of another stage. Stages form
// a tree; every one carries the layers from the newest block up to itself, so
// that a read does not walk the tree.
type stage struct {
	store   *Store
	parent  *stage // nil: on the newest block
	above   []*stage
	changes *chain.Changes
	view    atomic.Pointer[stageView]
	closed  bool // committed or discarded
}

// stage puts c on top of parent.
func (s *Store) stage(ctx context.Context, parent *stage, c *chain.Changes) (chain.Staged, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if parent != nil && parent.closed {
		return nil, errStageClosed
	}
	prior := s.top(parent)
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := fits(c, prior); err != nil {
		return nil, err
	}
	g := &stage{store: s, parent: parent, changes: c}
	g.put(prior)
	siblings := s.siblings(parent)
	*siblings = append(*siblings, g)
	return g, nil
}

// top is the state that a child of parent lies on.
func (s *Store) top(parent *stage) *stageView {
	if parent == nil {
		return &stageView{base: s.headView()}
	}
	return parent.view.Load()
}

// siblings is the list of the children of parent.
func (s *Store) siblings(parent *stage) *[]*stage {
	if parent == nil {
		return &s.stages
	}
	return &parent.above
}

// put makes the view of the stage, on top of below.
func (g *stage) put(below *stageView) {
	g.view.Store(&stageView{below.base, push(below.layers, g.changes)})
}

// fits compares the values before, in c, with the state that it is put on. The
// error matches ErrOutOfStep.
func fits(c *chain.Changes, prior chain.StateView) error {
	for i := range c.Accounts {
		a := &c.Accounts[i]
		got, ok, err := prior.Account(a.Address)
		if err != nil {
			return err
		}
		if ok != a.Existed || got != a.Before {
			return fmt.Errorf("%w: account %s is not what the changes say was before", chain.ErrOutOfStep, a.Address)
		}
		if a.Cleared || !a.Existed {
			continue // slots start from zero, as the changes are valid
		}
		for j := range a.Slots {
			got, err := prior.Slot(a.Address, a.Slots[j].Key)
			if err != nil {
				return err
			}
			if got != a.Slots[j].Before {
				return fmt.Errorf("%w: slot %s of %s is not what the changes say was before", chain.ErrOutOfStep, a.Slots[j].Key, a.Address)
			}
		}
	}
	return nil
}

// View implements chain.Staged.
func (g *stage) View() chain.StateView { return g.view.Load() }

// Stage implements chain.Staged.
func (g *stage) Stage(ctx context.Context, c *chain.Changes) (chain.Staged, error) {
	return g.store.stage(ctx, g, c)
}

// Commit implements chain.Staged.
func (g *stage) Commit(ctx context.Context, id chain.BlockID) error {
	if err := g.store.ready(ctx); err != nil {
		return err
	}
	if g.closed {
		return errStageClosed
	}
	if err := g.store.commit(id, net(g.view.Load().layers)); err != nil {
		return err
	}
	g.store.rebase(g)
	return nil
}

// rebase puts what stood on g on the newest block, which g became, and ends all
// other stages.
func (s *Store) rebase(g *stage) {
	above := g.above
	g.above = nil
	closeAll(s.stages)
	s.stages = above
	for _, child := range above {
		child.parent = nil
		child.rebase(&stageView{base: s.headView()})
	}
}

func (g *stage) rebase(below *stageView) {
	g.put(below)
	for _, child := range g.above {
		child.rebase(g.view.Load())
	}
}

// Discard implements chain.Staged.
func (g *stage) Discard() {
	if g.closed {
		return
	}
	siblings := g.store.siblings(g.parent)
	*siblings = slices.DeleteFunc(*siblings, func(x *stage) bool { return x == g })
	closeAll([]*stage{g})
}

// closeAll ends stages and all on top of them.
func closeAll(stages []*stage) {
	for _, g := range stages {
		g.closed = true
		closeAll(g.above)
	}
}
