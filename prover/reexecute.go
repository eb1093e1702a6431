package prover

import (
	"context"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// Reexecute makes of an executor what a full node executes blocks with that it has the
// state before of: its fullnode.Config.Reexecute. The body must be what the header
// commits to, which is looked at first; what execution makes of it the caller compares.
// Errors match chain.ErrMismatch for another body, and are the executor's.
func Reexecute(executor chain.Executor) func(context.Context, *chain.Block, chain.Ancestors, chain.StateView) (*chain.Result, error) {
	return func(ctx context.Context, b *chain.Block, ancestors chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
		if err := trie.CheckBody(b); err != nil {
			return nil, err
		}
		return executor.Execute(ctx, b, ancestors, prior)
	}
}
