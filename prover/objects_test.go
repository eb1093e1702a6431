package prover

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// A givingSource is a fleetSource that has objects, too.
type givingSource struct {
	*fleetSource
	blocks map[uint64]*sealed
	refuse []error // of the next calls of Objects
	given  int     // calls of Objects
}

func (g *givingSource) Objects(_ context.Context, number uint64) (block, witness, diff []byte, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given++
	if len(g.refuse) > 0 {
		err, g.refuse = g.refuse[0], g.refuse[1:]
		return nil, nil, nil, err
	}
	s := g.blocks[number]
	if s == nil {
		return nil, nil, nil, fmt.Errorf("%w: objects of block %d", chain.ErrNotFound, number)
	}
	block, _ = s.block.AppendBinary(nil)
	witness, _ = s.witness.AppendBinary(nil)
	return block, witness, bytes.Clone(s.diff), nil
}

// startGiving starts a prover that leases the block s, whose Source has the objects of those
// given, and whose layer fails in the given ways, one each time that it is asked, and then for
// ever in the last.
func startGiving(t *testing.T, w *world, s *sealed, has map[uint64]*sealed, faults ...error) (*Prover, *givingSource, *net) {
	n := newNet(t)
	g := &givingSource{fleetSource: newFleetSource(time.Hour), blocks: has}
	p := s.put(t, n.da)
	n.da.fail(faults...)
	for range 1000 {
		n.da.fail(faults[len(faults)-1])
	}
	config := n.fleet(w, g.fleetSource, nil)
	config.Source = g
	g.offer(1, p)
	return start(t, config), g, n
}

// What the layer does not give, whatever it says, the Source is asked for after the usual
// tries, of which there is one when no other can go better.
func TestObjectsFromSource(t *testing.T) {
	w, blocks := deep(t)
	for name, c := range map[string]struct {
		fault error
		gets  int
	}{
		"not found": {chain.ErrNotFound, 3}, "corrupt": {chain.ErrCorrupt, 3}, "refused": {da.ErrRefused, 3},
		"dropped": {&da.DroppedError{Code: da.DropStale}, 1}, "mismatch": {chain.ErrMismatch, 1},
		"transient": {da.ErrTransient, 3}, "down": {da.ErrFailover, 3}, "busy": {&da.BusyError{}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			p, g, n := startGiving(t, w, blocks[1], map[uint64]*sealed{2: blocks[1]}, c.fault)
			wait(t, "it is attested", func() bool { return p.Stats().Attested == 1 })
			require.Equal(t, c.gets, n.da.gets)
			require.Equal(t, 1, g.given)
			require.Equal(t, uint64(1), p.Stats().FromSource)
			require.Empty(t, p.Failures())
			require.Equal(t, chain.Keccak256(blocks[1].diff), g.submitted[0].DiffDigest)
		})
	}
}

// A layer that heals is not left for the Source.
func TestLayerThatHeals(t *testing.T) {
	w, blocks := deep(t)
	p, g, _ := startGiving(t, w, blocks[1], map[uint64]*sealed{2: blocks[1]}, chain.ErrNotFound, da.ErrTransient, nil)
	wait(t, "it is attested", func() bool { return p.Stats().Attested == 1 })
	require.Zero(t, g.given)
	require.Zero(t, p.Stats().FromSource)
}

// A Source that is busy is asked again; one that has nothing either is as if it was not
// there: what is lost is Evidence, what may pass is met by trying on.
func TestSourceWithoutObjects(t *testing.T) {
	w, blocks := deep(t)
	t.Run("busy", func(t *testing.T) {
		n := newNet(t)
		g := &givingSource{fleetSource: newFleetSource(time.Hour), blocks: map[uint64]*sealed{2: blocks[1]}, refuse: []error{chain.ErrBusy, da.ErrTransient}}
		config := n.fleet(w, g.fleetSource, nil)
		config.Source, config.DA = g, nil
		g.offer(1, blocks[1].put(t, n.da))
		p := start(t, config)
		wait(t, "it is attested", func() bool { return p.Stats().Attested == 1 })
		require.Equal(t, 3, g.given)
	})
	t.Run("lost", func(t *testing.T) {
		p, g, _ := startGiving(t, w, blocks[1], nil, chain.ErrNotFound)
		wait(t, "it is Evidence", func() bool { return len(p.Failures()) == 1 })
		require.ErrorIs(t, p.Failures()[0].Err, chain.ErrNotFound)
		wait(t, "it is given back", g.is(func() bool { return g.released[1] != nil }))
		require.Zero(t, p.Stats().FromSource)
	})
	t.Run("passes", func(t *testing.T) {
		down := da.ErrTransient
		p, g, _ := startGiving(t, w, blocks[1], nil, down, down, down, down, down, down, down, nil)
		wait(t, "it is attested", func() bool { return p.Stats().Attested == 1 })
		require.Equal(t, 2, g.given, "after each three tries")
		require.Empty(t, p.Failures())
	})
}

// A Source that lies is believed no more than a layer that does.
func TestLyingSource(t *testing.T) {
	w, blocks := deep(t)
	for name, lie := range map[string]func(s *sealed){
		"another block":   func(s *sealed) { *s = *blocks[2].clone(t) },
		"another state":   func(s *sealed) { s.block.Header.StateRoot[0] ^= 1 },
		"another witness": func(s *sealed) { s.witness = blocks[2].clone(t).witness },
		"half a witness":  func(s *sealed) { s.witness.Nodes = s.witness.Nodes[1:] },
		"another diff":    func(s *sealed) { s.diff = blocks[2].diff },
		"no diff":         func(s *sealed) { s.diff = nil },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := blocks[1].clone(t)
			number := wrong.block.Header.Number
			lie(wrong)
			n := newNet(t)
			g := &givingSource{fleetSource: newFleetSource(time.Hour), blocks: map[uint64]*sealed{number: wrong}}
			config := n.fleet(w, g.fleetSource, nil)
			config.Source, config.DA = g, nil
			g.offer(1, blocks[1].put(t, n.da))
			p := start(t, config)
			wait(t, "it is Evidence", func() bool { return len(p.Failures()) == 1 })
			wait(t, "it is given back", g.is(func() bool { return g.released[1] != nil }))
			require.Empty(t, g.submitted)
			t.Log(p.Failures()[0].Err)
		})
	}
}
