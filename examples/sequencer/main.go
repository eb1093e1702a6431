// Command sequencer runs a chain's sequencer as a process of its own. Full nodes
// and provers on the same machine follow it through a directory that they share.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

type options struct {
	network    cli.Network
	dir        string
	listen     string
	durability string
	provers    string
	threshold  int
	cfg        sequencer.Config
	baseFee    uint64
}

func main() {
	var o options
	c := cli.New("sequencer", "Runs the sequencer of a Vivace chain.")
	c.Group("Chain", o.network.Flags)
	c.Group("Sequencer", func(f *flag.FlagSet) {
		f.StringVar(&o.dir, "datadir", filepath.Join(os.TempDir(), "vivace-sequencer"), "`directory` of the log and the snapshots")
		f.StringVar(&o.listen, "listen", "127.0.0.1:8645", "`address` that takes raw transactions by HTTP POST")
		f.StringVar(&o.durability, "durability", "fsync", "what an acknowledgement survives: `fsync` (power loss) or none (kill -9)")
		f.DurationVar(&o.cfg.MiniBlockInterval, "mini-block-interval", 10*time.Millisecond, "how long a mini-block is open")
		f.DurationVar(&o.cfg.BlockInterval, "block-interval", time.Second, "how long a block is open")
		f.Uint64Var(&o.baseFee, "base-fee", 0, "constant base fee in `wei`; 0 computes it by EIP-1559")
		// The streams keep about a minute: who joins later needs a younger snapshot.
		f.IntVar(&o.cfg.SnapshotBlocks, "snapshot-blocks", 32, "`blocks` from one snapshot to the next")
	})
	c.Group("Proofs", func(f *flag.FlagSet) {
		f.StringVar(&o.provers, "provers", "", "comma-separated `addresses` of provers whose attestations count")
		f.IntVar(&o.threshold, "prover-threshold", 1, "how `many` provers must agree on a block")
	})
	os.Exit(c.Run(os.Args[1:], func(ctx context.Context) error { return run(ctx, c, &o) }))
}

func run(ctx context.Context, c *cli.Command, o *options) error {
	cfg, err := o.config(c)
	if err != nil {
		return err
	}
	spec, err := o.network.Spec()
	if err != nil {
		return err
	}
	links, store, err := o.network.Open(true)
	if err != nil {
		return err
	}
	defer store.Close()
	cfg.Genesis, cfg.ChainConfig = spec.Genesis, spec.Config
	cfg.DA, cfg.Publisher, cfg.Subscriber = store, links, links

	s, err := sequencer.New(ctx, *cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	heads := s.Heads()
	fmt.Printf("sequencer of chain %d at http://%s, block %d sealed, %d proven\n",
		spec.Genesis.ChainID, listener.Addr(), heads.RootChecked.Number, heads.Proven.Number)
	stopDoor := serveDoor(listener, s)
	err = s.Run(ctx)
	return errors.Join(err, stopDoor())
}

func (o *options) config(c *cli.Command) (*sequencer.Config, error) {
	cfg := o.cfg
	cfg.Dir, cfg.Logger, cfg.ProverThreshold = o.dir, c.Log, o.threshold
	if o.baseFee > 0 {
		cfg.BaseFee = uint256.NewInt(o.baseFee)
	}
	switch o.durability {
	case "fsync":
		cfg.Durability = state.DurabilityFsync
	case "none":
		cfg.Durability = state.DurabilityNone
	default:
		return nil, fmt.Errorf("%w: -durability %q is neither fsync nor none", cli.ErrUsage, o.durability)
	}
	for a := range strings.SplitSeq(o.provers, ",") {
		if a == "" {
			continue
		}
		if !common.IsHexAddress(a) {
			return nil, fmt.Errorf("%w: -provers: %q is not an address", cli.ErrUsage, a)
		}
		cfg.Provers = append(cfg.Provers, common.HexToAddress(a))
	}
	return &cfg, nil
}
