package prover

import (
	"slices"
	"sync"

	"github.com/vivace-chain/vivace/chain"
)

// Evidence is a block that did not pass: where its objects are, for whoever wants
// to look, and why. Where the publication itself could not be read it is zero.
type Evidence struct {
	chain.Publication
	Err error
}

// failures keeps the newest Evidence.
type failures struct {
	mu   sync.Mutex
	kept []Evidence
	max  int
}

func (f *failures) add(e Evidence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.kept) == f.max {
		f.kept = slices.Delete(f.kept, 0, 1)
	}
	f.kept = append(f.kept, e)
}

func (f *failures) list() []Evidence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kept)
}
