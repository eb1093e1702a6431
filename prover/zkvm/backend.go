package zkvm

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/zkvm/program"
)

// ErrRefused: the guest ran, and says that the block does not hold. Its line
// follows.
var ErrRefused = errors.New("guest refuses the block")

// A Backend runs a command for each block. It may be used concurrently; each use is
// a process of its own.
type Backend struct {
	config Config
	rules  []byte
	hash   common.Hash // of rules
	id     prover.Program
	guest  os.FileInfo
}

var _ prover.ProofBackend = (*Backend)(nil)

// New reads the guest and finds the command.
func New(config Config) (*Backend, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	rules, err := program.MarshalRules(config.Chain)
	if err != nil {
		return nil, fmt.Errorf("zkvm: Config.Chain: %w", err)
	}
	guest, err := readGuest(config.Guest)
	if err != nil {
		return nil, err
	}
	return &Backend{
		config: config, rules: rules, hash: chain.Keccak256(rules),
		id: program.ID(guest.bytes, rules), guest: guest.info,
	}, nil
}

// Program implements prover.ProofBackend: see program.ID.
func (b *Backend) Program() prover.Program { return b.id }

// Prove implements prover.ProofBackend. The rules are the Backend's; an input that
// has other ones, or another chain id, is a mismatch.
func (b *Backend) Prove(ctx context.Context, in *prover.Input) (*prover.Output, error) {
	output, err := b.prove(ctx, in)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("zkvm: %w", err)
	}
	return output, nil
}

func (b *Backend) prove(ctx context.Context, in *prover.Input) (*prover.Output, error) {
	given := *in
	given.Config = b.rules
	if hash := chain.Keccak256(in.Config); len(in.Config) > 0 && hash != b.hash {
		return nil, fmt.Errorf("%w: rules are %s, the backend's %s", chain.ErrMismatch, hash, b.hash)
	}
	if id := b.config.Chain.ChainID.Uint64(); in.ChainID != id {
		return nil, fmt.Errorf("%w: chain id is %d, the backend's %d", chain.ErrMismatch, in.ChainID, id)
	}
	stdin, err := program.InputReader(&given)
	if err != nil {
		return nil, err
	}
	stdout, err := run(ctx, &b.config, stdin)
	if changed := b.checkGuest(); changed != nil {
		return nil, trouble(changed)
	}
	if err != nil {
		return nil, err
	}
	output, err := b.judge(&given, stdout)
	if err != nil {
		return nil, trouble(err)
	}
	return output, nil
}

// judge reads what the command said, and whether it is about this input.
func (b *Backend) judge(in *prover.Input, stdout []byte) (*prover.Output, error) {
	var out program.Output
	if err := out.UnmarshalBinary(stdout); err != nil {
		return nil, err
	}
	if len(out.Proof) > b.config.ProofMax {
		return nil, fmt.Errorf("%w: proof has more than %d bytes", chain.ErrTooLarge, b.config.ProofMax)
	}
	if got := out.Public.ChainID; got != in.ChainID {
		return nil, fmt.Errorf("%w: output for chain %d", chain.ErrMismatch, got)
	}
	for _, c := range []struct {
		what      string
		got, want common.Hash
	}{
		{"rules", out.Rules, b.hash},
		{"block", out.Public.BlockDigest, chain.Keccak256(in.Block)},
		{"witness", out.Public.WitnessDigest, chain.Keccak256(in.Witness)},
		{"diff", out.Public.DiffDigest, chain.Keccak256(in.Diff)},
	} {
		if c.got != c.want {
			return nil, fmt.Errorf("%w: output for %s %s, want %s", chain.ErrMismatch, c.what, c.got, c.want)
		}
	}
	return &prover.Output{Public: out.Public, Proof: out.Proof}, nil
}

// checkGuest notices an executable that was built again: what ran may have another
// name. It is for accidents; who can write there can do worse.
func (b *Backend) checkGuest() error {
	info, err := os.Stat(b.config.Guest)
	if err != nil {
		return err
	}
	if !os.SameFile(info, b.guest) || info.Size() != b.guest.Size() || !info.ModTime().Equal(b.guest.ModTime()) {
		return fmt.Errorf("guest %s is not the one that was read: start again", b.config.Guest)
	}
	return nil
}

// trouble makes err one that is no verdict. What err matches is hidden: a mismatch in
// what the command says is none of the block.
func trouble(err error) error { return fmt.Errorf("%w: %v", da.ErrTransient, err) }
