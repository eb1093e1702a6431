package prover

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/statediff"
)

// A Program names what checked a block: program and version, as a hash.
type Program = attest.Program

// ReexecutionProgram is Verify of this package: execution of the block from its
// witness, and a diff that decodes to the same changes.
var ReexecutionProgram Program = chain.Keccak256([]byte("vivace/prover/reexecution/v1"))

// A Reexecution is the ProofBackend that executes blocks here, from their witnesses.
// The proof is the prover's signature; there is no other.
type Reexecution struct {
	executor chain.Executor
	program  Program
	decoders sync.Pool
}

var _ ProofBackend = (*Reexecution)(nil)

// NewReexecution makes the backend of an executor, which may be called concurrently.
// Who brings one that is not ours has reason to name another program than
// ReexecutionProgram, which stands for the zero value. diff makes decoders for the
// diffs of whole blocks; nil stands for statediff, stateless.
func NewReexecution(executor chain.Executor, program Program, diff func() chain.DiffEncoder) *Reexecution {
	if program == (Program{}) {
		program = ReexecutionProgram
	}
	if diff == nil {
		diff = func() chain.DiffEncoder { return statediff.New(statediff.Config{Stateless: true}) }
	}
	return &Reexecution{executor: executor, program: program, decoders: sync.Pool{New: func() any { return diff() }}}
}

// Program implements ProofBackend.
func (r *Reexecution) Program() Program { return r.program }

// Prove implements ProofBackend. It does not read in.Config: the rules are the
// executor's. Errors are those of Verify, and of the diff: what does not decode, or
// decodes to other changes (ErrMismatch).
func (r *Reexecution) Prove(ctx context.Context, in *Input) (*Output, error) {
	var (
		block   chain.Block
		witness chain.Witness
	)
	if err := block.UnmarshalBinary(in.Block); err != nil {
		return nil, err
	}
	if err := witness.UnmarshalBinary(in.Witness); err != nil {
		return nil, err
	}
	v, err := Verify(ctx, r.executor, &block, &witness)
	if err != nil {
		return nil, err
	}
	changes := v.Changes.Digest()
	if err := r.checkDiff(in.Diff, &block, v, changes); err != nil {
		return nil, err
	}
	return &Output{Public: chain.Attestation{
		ChainID:       in.ChainID,
		Term:          block.Header.Term(),
		Block:         block.Header.ID(),
		ParentHash:    block.Header.ParentHash,
		PreRoot:       v.PreRoot,
		PostRoot:      v.PostRoot,
		ReceiptsRoot:  v.ReceiptsRoot,
		BlockDigest:   chain.Keccak256(in.Block),
		ChangesDigest: changes,
		WitnessDigest: chain.Keccak256(in.Witness),
		DiffDigest:    chain.Keccak256(in.Diff),
	}}, nil
}

// checkDiff decodes the diff against the proven prior state: full nodes that apply
// it must get the proven changes and nothing else.
func (r *Reexecution) checkDiff(payload []byte, b *chain.Block, v *Verified, want common.Hash) error {
	decoder := r.decoders.Get().(chain.DiffEncoder)
	defer r.decoders.Put(decoder)
	var changes chain.Changes
	if err := decoder.Decode(&changes, payload, v.Prior); err != nil {
		return fmt.Errorf("diff of block %d: %w", b.Header.Number, err)
	}
	if got := changes.Digest(); got != want {
		return &chain.MismatchError{Block: b.Header.Number, Field: "changes of diff", Got: got.Hex(), Want: want.Hex()}
	}
	return nil
}
