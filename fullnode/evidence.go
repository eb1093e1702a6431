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

// evidenceMax is how much Evidence is kept, in equal shares for each whose word it is
// against: a prover, the sequencer, the layer. Who lies about everything hides nobody else's
// lies.
const evidenceMax = 256

// evidenceShare is each one's share, at least one.
func (c *Config) evidenceShare() int { return max(1, evidenceMax/(len(c.Provers)+2)) }

// Whom Evidence is against, but for a prover, who is his address.
const (
	theSequencer = "the sequencer"
	theLayer     = "the data-availability layer"
)

// A charge is Evidence, and whom it is against.
type charge struct {
	against string
	Evidence
}

// A drawer keeps evidence.
type drawer struct {
	mu    sync.Mutex
	kept  []charge // in the order in which they came
	count uint64
}

// add reports whether it is new. The same words may come any number of times, also after
// they had to go: so of a full share those about the oldest block go, and what is about no
// later block than these is not new.
func (d *drawer) add(c charge, share int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	own, oldest := 0, -1
	for i := range d.kept {
		k := &d.kept[i]
		if k.against != c.against {
			continue
		}
		if k.same(c.Evidence) {
			return false
		}
		if own++; oldest < 0 || k.Block.Number < d.kept[oldest].Block.Number {
			oldest = i
		}
	}
	if own >= share {
		if c.Block.Number <= d.kept[oldest].Block.Number {
			return false
		}
		d.kept = slices.Delete(d.kept, oldest, oldest+1)
	}
	d.count++
	d.kept = append(d.kept, c)
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
func (f *Follower) charge(against string, e Evidence) {
	if f.evidence.add(charge{against, e}, f.cfg.evidenceShare()) {
		f.cfg.Logger.Error("somebody said what cannot be true", "block", e.Block, "err", e.Err)
	}
}

// Evidence returns the Evidence that is kept, in the order in which it came: 256 in equal
// shares of each prover, the sequencer and the layer, that about the newest blocks.
// Stats.Evidence counts what went, too.
func (f *Follower) Evidence() (out []Evidence) {
	f.evidence.mu.Lock()
	defer f.evidence.mu.Unlock()
	for i := range f.evidence.kept {
		out = append(out, f.evidence.kept[i].Evidence)
	}
	return out
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
