package role

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
)

// accept asks the sequencer at door for its invitation, for as long as it takes, and opens
// the layers of the flag -da.layer, or by default those that the sequencer names. Without
// an invitation there is an error, or ctx has ended.
func accept(ctx context.Context, door, layer string, genesis *chain.Genesis, log *slog.Logger) (*p2p.Invitation, chain.DAClient, error) {
	invitation, err := p2p.Ask(ctx, door, genesis, log)
	if ctx.Err() != nil {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("-sequencer: %w", err)
	}
	if layer != "" {
		client, err := p2p.Layers(layer)
		return invitation, client, err
	}
	client, err := invitation.Client()
	if err != nil {
		return nil, nil, fmt.Errorf("-sequencer: %w; with -da.layer another counts", err)
	}
	return invitation, client, nil
}
