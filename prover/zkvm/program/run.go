package program

import (
	"context"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/prover"
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

// Check is prover.Reexecution by the rules in in.Config, which also have the chain id:
// in.ChainID is not looked at. It executes with the interpreter, which is the same on
// every machine. Errors are those of ParseRules and of prover.Reexecution.
func Check(ctx context.Context, in *prover.Input, precompiles Precompiles) (*Output, error) {
	config, err := ParseRules(in.Config)
	if err != nil {
		return nil, err
	}
	executor, err := execution.New(execution.Config{Chain: config, Precompiles: precompiles})
	if err != nil {
		return nil, err
	}
	given := *in
	given.ChainID = config.ChainID.Uint64()
	out, err := prover.NewReexecution(executor, prover.ReexecutionProgram, nil).Prove(ctx, &given)
	if err != nil {
		return nil, err
	}
	return &Output{Public: out.Public, Rules: chain.Keccak256(in.Config)}, nil
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
