package role

import (
	"context"
	"crypto/ecdsa"
	"flag"
	"fmt"
	"runtime"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

type proverOptions struct {
	network cli.Network
	key     string
	workers int
}

// Prover is the program prover: it returns the exit code.
func Prover(args []string) int {
	var o proverOptions
	c := cli.New("prover", "Runs a prover of a Vivace chain: it executes blocks from their witnesses and attests to them.")
	c.Group("Chain", o.network.Flags)
	c.Group("Prover", func(f *flag.FlagSet) {
		f.StringVar(&o.key, "key", filepath.Join(cli.Place("prover"), "key"), "`file` with the signing key; made if missing")
		f.IntVar(&o.workers, "workers", runtime.NumCPU(), "how `many` blocks to verify at once")
	})
	return c.Run(args, func(ctx context.Context) error { return o.run(ctx, c) })
}

func (o *proverOptions) run(ctx context.Context, c *cli.Command) error {
	if o.workers < 1 {
		return fmt.Errorf("%w: -workers must be at least 1", cli.ErrUsage)
	}
	spec, err := o.network.Spec()
	if err != nil {
		return err
	}
	key, err := cli.Key(o.key)
	if err != nil {
		return err
	}
	links, store, err := o.network.Open(false)
	if err != nil {
		return err
	}
	defer store.Close()
	p, err := prover.New(prover.Config{
		ChainID: spec.Genesis.ChainID, ChainConfig: spec.Config, DA: store, Key: key, Workers: o.workers,
		Diff:       func() chain.DiffEncoder { return statediff.New(statediff.Config{Stateless: true}) },
		Subscriber: links, Publisher: links, From: link.Oldest, Logger: c.Log,
	})
	if err != nil {
		return err
	}
	fmt.Printf("prover of chain %d attests as %s\n", spec.Genesis.ChainID, crypto.PubkeyToAddress(key.PublicKey))
	return p.Run(ctx)
}
