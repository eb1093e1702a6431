package prover

import (
	"context"

	"github.com/vivace-chain/vivace/chain"
)

// A ProofBackend makes the proof of a block: by executing it here, in a virtual
// machine whose execution can be proven, or on somebody else's machine. All methods
// may be called concurrently.
type ProofBackend interface {
	// Program names what checks the blocks, its version and whatever else its verdict
	// depends on, such as the rules of the chain. It is always the same.
	Program() Program
	// Prove checks the block and returns what holds of it. It must not alter what in
	// refers to, nor keep it. An error that ends with ctx is ctx's; one that matches
	// da.ErrTransient may pass, and the same is tried again; any other is a verdict: the
	// block does not hold.
	Prove(ctx context.Context, in *Input) (*Output, error)
}

// An Input is all that a proof is made of. The bytes are as they were published:
// nothing of them has been checked.
type Input struct {
	ChainID uint64
	// Config is the chain's rules: go-ethereum's params.ChainConfig, as JSON. A backend
	// that was made for one chain need not read it; one that reads it binds it into its
	// Program.
	Config  []byte
	Block   []byte // chain.Block
	Witness []byte // chain.Witness
	Diff    []byte // the block's Changes as a stateless chain.DiffEncoder encodes them
}

// An Output is what holds of a block.
type Output struct {
	// Public are the public outputs: an attestation without Program and Signature. A
	// Prover compares all that it knows itself: chain id, block and the digests of
	// what it gave.
	Public chain.Attestation
	// Proof is what convinces somebody who trusts neither prover nor backend, in the
	// backend's own form. It may be empty.
	Proof []byte
}
