package attest

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/signature"
)

// A Program names what checked a block: program and version, as a hash.
type Program = common.Hash

// A Signer has a prover's key. The key may be elsewhere: to sign may take its time,
// and fail.
type Signer = signature.Signer

// A Recoverer returns who signed a hash; see Rules.Recoverer.
type Recoverer = signature.Recover

// A Key is a Signer whose key is in memory.
type Key = signature.Key

// NewKey makes a Key of a secret, 32 bytes between 0 and the order of secp256k1.
func NewKey(secret []byte) (*Key, error) { return signature.NewKey(secret) }

// Sign sets the signature of an attestation whose other fields are final. An error is
// the Signer's, or matches chain.ErrCorrupt when it made a signature that everybody
// would refuse.
func Sign(a *chain.Attestation, s Signer) error {
	sig, err := s.Sign(a.SigningHash())
	if err != nil {
		return fmt.Errorf("sign attestation of block %d: %w", a.Block.Number, err)
	}
	if err := signature.CheckForm(&sig); err != nil {
		return notSigned(err)
	}
	a.Signature = sig
	return nil
}

// Recover returns who signed the attestation. There is one signature per key and
// attestation that it accepts: V is 0 or 1, and S in the lower half of the curve's
// order (EIP-2). The error matches chain.ErrCorrupt. Whether the signer may sign is
// another matter: see Quorum.
func Recover(a *chain.Attestation) (common.Address, error) { return RecoverBy(a, nil) }

// RecoverBy is Recover with r, or in pure Go if that is nil. What r is given has the
// right form.
func RecoverBy(a *chain.Attestation, r Recoverer) (common.Address, error) {
	who, err := signature.RecoverOnly(r, a.SigningHash(), &a.Signature)
	if err != nil {
		return common.Address{}, notSigned(err)
	}
	return who, nil
}

func notSigned(err error) error {
	return &chain.CorruptError{What: "attestation", Offset: -1, Err: err}
}

// Why a word does not count, beside chain.ErrCorrupt.
var (
	// ErrStranger: the signature is good, but not of a prover of ours.
	ErrStranger = errors.New("not a prover of ours")
	// ErrProgram: what checked the block is not what we let count.
	ErrProgram = errors.New("program is not allowed")
	// ErrForeign: the word is about another chain. It matches chain.ErrMismatch.
	ErrForeign = fmt.Errorf("attestation of another chain: %w", chain.ErrMismatch)
	// ErrRange: the word is about a block of which no words are kept, any more or
	// yet. It matches chain.ErrOutOfStep.
	ErrRange = fmt.Errorf("no words are kept of that block: %w", chain.ErrOutOfStep)
)
