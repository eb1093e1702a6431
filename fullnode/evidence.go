package fullnode

import (
	"fmt"
	"slices"
	"sync"

	"github.com/vivace-chain/vivace/chain"
)

// Evidence is somebody's word that cannot be true, as far as this node can compute.
type Evidence struct {
	Block chain.BlockID // that it is about
	Err   error         // what was said, by whom, and what is true
	// Attestations are the words themselves, if they are those of provers: one that
	// contradicts this node's block, or two of one prover that contradict each other.
	Attestations []chain.Attestation
}

// evidenceMax is how much Evidence is kept; the oldest goes first.
const evidenceMax = 256

// A drawer keeps evidence.
type drawer struct {
	mu    sync.Mutex
	kept  []Evidence
	count uint64
}

// add reports whether it is new: the same words may come any number of times.
func (d *drawer) add(e Evidence) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.ContainsFunc(d.kept, e.same) {
		return false
	}
	d.count++
	if len(d.kept) == evidenceMax {
		d.kept = slices.Delete(d.kept, 0, 1)
	}
	d.kept = append(d.kept, e)
	return true
}

func (e Evidence) same(other Evidence) bool {
	return e.Block == other.Block && slices.Equal(e.Attestations, other.Attestations) && e.Err.Error() == other.Err.Error()
}

func (d *drawer) total() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// charge keeps evidence, once, and tells the operator.
func (f *Follower) charge(e Evidence) {
	if f.evidence.add(e) {
		f.cfg.Logger.Error("somebody said what cannot be true", "block", e.Block, "err", e.Err)
	}
}

// Evidence returns the newest Evidence, oldest first, of which Stats.Evidence has the
// number.
func (f *Follower) Evidence() []Evidence {
	f.evidence.mu.Lock()
	defer f.evidence.mu.Unlock()
	return slices.Clone(f.evidence.kept)
}

// A VerifyError is a sealed block of whose transactions execution does not make what
// the sequencer says. Nothing that follows it can be right: it ends Run. It matches
// what its Err matches.
type VerifyError struct {
	Block chain.BlockID
	Err   error
}

func (e *VerifyError) Error() string {
	return fmt.Sprintf("fullnode: block %s was executed again, and differs: %v", e.Block, e.Err)
}

// Unwrap returns Err.
func (e *VerifyError) Unwrap() error { return e.Err }
