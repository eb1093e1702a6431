package attest

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Rules say whose words count, and how many it takes. Provers is required.
type Rules struct {
	ChainID uint64
	// Provers are the keys that may attest, each with one voice.
	Provers []common.Address
	// Threshold is how many of them must say the same. Default 1.
	Threshold int
	// Programs are what may have checked. Empty: whatever a prover names.
	Programs []Program
	// Blocks is how many block numbers above Forget's are looked at; it bounds what is
	// kept, to wordsMax words of 445 bytes for each of them and each prover. Default
	// 1024.
	Blocks int
	// Recoverer returns who signed. Default: in pure Go. A binary that has
	// libsecp256k1 gives that: it takes a fifth of the time.
	Recoverer Recoverer
}

// wordsMax is how many different statements of one prover about one number are kept.
// An honest one has one, or as many as there are encodings of the diff. The newest are
// kept: a prover that was repaired must be heard.
const wordsMax = 4

// A word is a statement and who made it.
type word struct {
	signer common.Address
	said   chain.Attestation
}

// A Quorum keeps the words of allowed provers and tells when enough agree. All methods
// may be called concurrently.
type Quorum struct {
	rules   Rules
	allowed map[common.Address]bool

	mu        sync.Mutex
	forgotten uint64 // newest number of which no words are kept any more
	words     map[uint64][]word
}

// NewQuorum makes a Quorum that has heard nothing, and looks at the blocks after 0.
func NewQuorum(r Rules) (*Quorum, error) {
	if r.Threshold == 0 {
		r.Threshold = 1
	}
	if r.Blocks <= 0 {
		r.Blocks = 1024
	}
	q := &Quorum{rules: r, allowed: make(map[common.Address]bool), words: make(map[uint64][]word)}
	for _, p := range r.Provers {
		q.allowed[p] = true
	}
	if r.Threshold < 0 || r.Threshold > len(q.allowed) {
		return nil, fmt.Errorf("attest: %d of %d provers cannot agree", r.Threshold, len(q.allowed))
	}
	return q, nil
}

// Check returns who said it, if that is an allowed prover that speaks of this chain
// and under an allowed program. Else the error matches ErrForeign, ErrProgram,
// chain.ErrCorrupt or ErrStranger; what is cheap is looked at first. In the last case
// the signer is returned, too.
func (q *Quorum) Check(a *chain.Attestation) (common.Address, error) {
	switch {
	case a.ChainID != q.rules.ChainID:
		return common.Address{}, fmt.Errorf("%w: chain %d, want %d", ErrForeign, a.ChainID, q.rules.ChainID)
	case len(q.rules.Programs) > 0 && !slices.Contains(q.rules.Programs, a.Program):
		return common.Address{}, fmt.Errorf("attestation of block %d under %s: %w", a.Block.Number, a.Program, ErrProgram)
	}
	signer, err := RecoverBy(a, q.rules.Recoverer)
	if err != nil {
		return common.Address{}, err
	}
	if !q.allowed[signer] {
		return signer, fmt.Errorf("attestation of block %d by %s: %w", a.Block.Number, signer, ErrStranger)
	}
	return signer, nil
}

// Take checks a word, as Check does, and keeps it. If its signer said something before
// that it contradicts, that is returned as Evidence. A word about a block that is not
// looked at is ErrRange. What was said before is not kept again.
func (q *Quorum) Take(a *chain.Attestation) (signer common.Address, against *Evidence, err error) {
	if err := q.inRange(a.Block.Number); err != nil {
		return common.Address{}, nil, err
	}
	if signer, err = q.Check(a); err != nil {
		return signer, nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.Block.Number <= q.forgotten {
		return signer, nil, nil // while the signature was being looked at
	}
	against = q.keep(word{signer, *a})
	return signer, against, nil
}

func (q *Quorum) inRange(number uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if number <= q.forgotten || number-q.forgotten > uint64(q.rules.Blocks) {
		return fmt.Errorf("attestation of block %d, looking at %d after %d: %w", number, q.rules.Blocks, q.forgotten, ErrRange)
	}
	return nil
}

// keep enters a word that is new, and returns what of the same prover it contradicts.
func (q *Quorum) keep(w word) (against *Evidence) {
	number := w.said.Block.Number
	words := q.words[number]
	oldest, n := -1, 0
	for i := range words {
		if words[i].signer != w.signer {
			continue
		}
		if SameStatement(&words[i].said, &w.said) {
			return nil
		}
		if against == nil && Contradict(&words[i].said, &w.said) {
			against = &Evidence{words[i].said, w.said}
		}
		if n++; oldest < 0 {
			oldest = i
		}
	}
	if n == wordsMax {
		words = slices.Delete(words, oldest, oldest+1)
	}
	q.words[number] = append(words, w)
	return against
}

// Agreed returns what enough provers agree on about the block of a number, among the
// statements that fit, and who they are; nil if there is no such statement. fits is
// called with the Quorum's lock held; what it is given is not its own. The Program and
// Signature of the answer are those of the first of them.
func (q *Quorum) Agreed(number uint64, fits func(*chain.Attestation) bool) (*chain.Attestation, []common.Address) {
	q.mu.Lock()
	defer q.mu.Unlock()
	words := q.words[number]
	for i := range words {
		said := &words[i].said
		if !fits(said) {
			continue
		}
		var signers []common.Address
		for j := range words {
			if SameStatement(said, &words[j].said) {
				signers = append(signers, words[j].signer)
			}
		}
		if len(signers) >= q.rules.Threshold {
			out := *said
			return &out, signers
		}
	}
	return nil, nil
}

// Forget drops the words about all blocks up to number, and looks at those after it
// from now on. It never goes back.
func (q *Quorum) Forget(number uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if number <= q.forgotten {
		return
	}
	q.forgotten = number
	maps.DeleteFunc(q.words, func(n uint64, _ []word) bool { return n <= number })
}
