package attest

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// SameStatement reports whether two words say the same of one block, whoever says it
// and whatever checked.
func SameStatement(a, b *chain.Attestation) bool {
	x := *b
	x.Program, x.Signature = a.Program, a.Signature
	return x == *a
}

// Contradict reports whether not both of two words can be true: they are of one chain
// and one block, by number and hash, and say different things. The diff's digest is
// the exception: changes can be encoded in more than one way, and an honest prover
// says of each encoding that it is good. Two blocks of one number are no
// contradiction of the prover's: both may be valid, and the fault that of who made
// both.
func Contradict(a, b *chain.Attestation) bool {
	if a.ChainID != b.ChainID || a.Block != b.Block {
		return false
	}
	x := *b
	x.DiffDigest = a.DiffDigest
	return !SameStatement(a, &x)
}

// Evidence is two words of one prover that contradict each other. It convinces who
// has seen nothing else.
type Evidence struct{ First, Second chain.Attestation }

// Check returns who signed both. The error, which matches chain.ErrCorrupt or
// chain.ErrMismatch, says why it is no evidence. r may be nil, and is pure
// Go then.
func (e *Evidence) Check(r Recoverer) (common.Address, error) {
	if !Contradict(&e.First, &e.Second) {
		return common.Address{}, fmt.Errorf("%w: words about block %d and block %d do not contradict each other", chain.ErrMismatch, e.First.Block.Number, e.Second.Block.Number)
	}
	first, err := RecoverBy(&e.First, r)
	if err != nil {
		return common.Address{}, err
	}
	second, err := RecoverBy(&e.Second, r)
	if err != nil {
		return common.Address{}, err
	}
	if first != second {
		return common.Address{}, fmt.Errorf("%w: signed by %s and by %s", chain.ErrMismatch, first, second)
	}
	return first, nil
}
