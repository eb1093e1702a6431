package program

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/statediff"
)

// ExitRefused is the status of a guest that refused: its input is no frame, or the
// block does not hold.
const ExitRefused = 3

// Precompiles are a rollup's own, as in execution.Config: they are compiled into the
// guest, and so in its name.
type Precompiles = map[common.Address]execution.Precompile

// Run is a guest: it reads a frame from in, checks it, and returns the bytes of the
// output. An error is a refusal.
func Run(ctx context.Context, in io.Reader, precompiles Precompiles) ([]byte, error) {
	input, err := ReadInput(in)
	if err != nil {
		return nil, err
	}
	output, err := Check(ctx, input, precompiles)
	if err != nil {
		return nil, err
	}
	return output.AppendBinary(nil)
}

// Check verifies the block from its witness alone, and that the diff decodes to the
// proven changes. It executes with the interpreter, which is the same on every
// machine. ChainID is not looked at: the rules decide. Errors are those of
// ParseRules, of prover.Verify and of the decoders.
func Check(ctx context.Context, in *prover.Input, precompiles Precompiles) (*Output, error) {
	config, err := ParseRules(in.Config)
	if err != nil {
		return nil, err
	}
	executor, err := execution.New(execution.Config{Chain: config, Precompiles: precompiles})
	if err != nil {
		return nil, err
	}
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
	verified, err := prover.Verify(ctx, executor, &block, &witness)
	if err != nil {
		return nil, err
	}
	changes := verified.Changes.Digest()
	if err := checkDiff(in.Diff, &block, verified, changes); err != nil {
		return nil, err
	}
	return &Output{
		Public: chain.Attestation{
			ChainID:       config.ChainID.Uint64(),
			Term:          block.Header.Term(),
			Block:         block.Header.ID(),
			ParentHash:    block.Header.ParentHash,
			PreRoot:       verified.PreRoot,
			PostRoot:      verified.PostRoot,
			ReceiptsRoot:  verified.ReceiptsRoot,
			BlockDigest:   chain.Keccak256(in.Block),
			ChangesDigest: changes,
			WitnessDigest: chain.Keccak256(in.Witness),
			DiffDigest:    chain.Keccak256(in.Diff),
		},
		Rules: chain.Keccak256(in.Config),
	}, nil
}

// checkDiff decodes the diff against the proven state before: who applies it must get
// the proven changes and nothing else.
func checkDiff(diff []byte, b *chain.Block, v *prover.Verified, want common.Hash) error {
	var changes chain.Changes
	decoder := statediff.New(statediff.Config{Stateless: true})
	if err := decoder.Decode(&changes, diff, v.Prior); err != nil {
		return fmt.Errorf("diff of block %d: %w", b.Header.Number, err)
	}
	if got := changes.Digest(); got != want {
		return &chain.MismatchError{Block: b.Header.Number, Field: "changes of diff", Got: got.Hex(), Want: want.Hex()}
	}
	return nil
}

// lineMax is the most bytes of a Line.
const lineMax = 1000

// Line is text as one line without its end: printable and short.
func Line(text string) string {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ToValidUTF8(line[:min(len(line), lineMax)], "")
}
