package sequencer

import (
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// DeskStats says what a Desk is doing.
type DeskStats struct {
	DeskCounts
	Leases, LeasesMax int
	Provers           int       // that have a lease
	Unproven          int       // published blocks that are not proven, up to DeskConfig.Blocks
	Failing           []Failing // unproven blocks that a prover failed with, oldest first, at most FailingMax
}

// FailingMax bounds DeskStats.Failing, and FailingProversMax the provers of each.
const (
	FailingMax        = 16
	FailingProversMax = 8
)

// A Failing is an unproven block that provers failed with. One that several failed with
// should be looked at: the chain's proven head does not pass it.
type Failing struct {
	Number  uint64
	Provers []common.Address // in order, the first FailingProversMax
	Why     []string         // of each, the last reason
	Last    string           // the newest reason of all
}

// Stats returns the numbers.
func (d *Desk) Stats() DeskStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	todo := d.board.Unproven(d.cfg.Blocks)
	d.tidy(todo, d.cfg.Now())
	s := DeskStats{
		DeskCounts: d.counts, Leases: len(d.leases), LeasesMax: d.cfg.Leases,
		Provers: len(d.held), Unproven: len(todo),
	}
	for _, number := range slices.Sorted(maps.Keys(d.blocks)) {
		b := d.blocks[number]
		if len(b.failures) == 0 {
			continue
		}
		if len(s.Failing) == FailingMax {
			break
		}
		f := Failing{Number: number, Last: b.last}
		provers := slices.SortedFunc(maps.Keys(b.failures), common.Address.Cmp)
		for _, who := range provers[:min(len(provers), FailingProversMax)] {
			f.Provers, f.Why = append(f.Provers, who), append(f.Why, b.failures[who].why)
		}
		s.Failing = append(s.Failing, f)
	}
	return s
}

// Evidence is the sequencer's: see Sequencer.Evidence.
func (d *Desk) Evidence() []Evidence { return d.board.Evidence() }
