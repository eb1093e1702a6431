package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/state"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the flags.
type options struct {
	duration time.Duration
	seed     uint64
	accounts int
	rate     int
	clients  int

	miniBlock  time.Duration
	block      time.Duration
	durability state.Durability
	dir        string

	replay  string
	compare bool

	json    bool
	verbose bool
	inject  injection

	serving  bool
	door     serve.Options // of the sequencer
	nodePort int           // of the first full node's
	kept     uint64
	logLevel *slog.LevelVar
}

func (o *options) define(c *cli.Command) {
	c.Group("Load", func(f *flag.FlagSet) {
		f.DurationVar(&o.duration, "duration", 10*time.Second, "for how long to send")
		f.Uint64Var(&o.seed, "seed", 1, "`seed` of accounts and transactions")
		f.IntVar(&o.accounts, "accounts", 2000, "`number` of accounts")
		f.IntVar(&o.rate, "rate", 1000, "transactions per second, `tx/s`; 0 is as fast as it goes")
		f.IntVar(&o.clients, "clients", 256, "most transactions in flight, each from another `number` of accounts")
	})
	c.Group("Chain", func(f *flag.FlagSet) {
		f.DurationVar(&o.miniBlock, "mini-block", 10*time.Millisecond, "interval of mini-blocks")
		f.DurationVar(&o.block, "block", time.Second, "interval of blocks")
		f.TextVar(&o.durability, "durability", state.DurabilityFsync, "`what` an acknowledgement survives: fsync (power loss) or none (kill -9)")
		f.StringVar(&o.dir, "datadir", "", "`directory` to make the chain's temporary one in (default the system's)")
		f.TextVar(&o.inject, "inject", injectNothing, "`fault` to commit, so that the run fails: diff-bit, witness-drop or wrong-root")
	})
	c.Group("Door", func(f *flag.FlagSet) {
		f.BoolVar(&o.serving, "serve", false, "serve JSON-RPC, and send until Ctrl-C instead of for -duration")
		o.door.Flags(f, 8545)
		f.IntVar(&o.nodePort, "fullnode.http.port", 8547, "`port` of the first full node's door; 0 is any free one")
		f.Uint64Var(&o.kept, "history-blocks", 100_000, "`blocks` whose transactions and receipts are kept; 0 keeps all")
	})
	c.Group("Replay", func(f *flag.FlagSet) {
		f.StringVar(&o.replay, "replay", "", "replay the mainnet blocks in `directory` instead")
		f.BoolVar(&o.compare, "compare", false, "time go-ethereum on the same blocks too")
		f.BoolVar(&o.verbose, "v", false, "print a table of the blocks")
	})
	c.Group("Output", func(f *flag.FlagSet) {
		f.BoolVar(&o.json, "json", false, "end with the summary as one line of JSON")
	})
}

// check finds flags that make no sense.
func (o *options) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", cli.ErrUsage, fmt.Sprintf(format, args...))
	}
	switch {
	case o.replay == "" && (o.compare || o.verbose):
		return bad("-compare and -v go with -replay")
	case o.replay != "" && (o.inject != injectNothing || o.serving):
		return bad("-inject and -serve do not go with -replay")
	case o.duration <= 0 || o.miniBlock <= 0 || o.block < o.miniBlock:
		return bad("-duration, -mini-block and -block must be positive, and a block no shorter than a mini-block")
	case o.accounts < 2 || o.accounts > datagen.MaxAccounts:
		return bad("-accounts must be from 2 to %d", datagen.MaxAccounts)
	case o.rate < 0 || o.rate > 10_000_000:
		return bad("-rate must be from 0 to 10,000,000")
	case o.clients < 1 || o.clients > 100_000:
		return bad("-clients must be from 1 to 100,000")
	}
	return nil
}

// forever is how long -serve sends.
const forever = 10 * 365 * 24 * time.Hour

// run is the program, from arguments to exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var o options
	c := cli.New("devnet", "Runs a chain with all its roles in one process, under load, and compares what they have.")
	c.Stdout, c.Stderr = stdout, stderr
	o.define(c)
	return c.Run(args, func(ctx context.Context) error {
		if err := o.check(); err != nil {
			return err
		}
		if o.serving {
			o.duration = forever
		}
		o.logLevel = &c.LogLevel
		if o.replay != "" {
			return replay(ctx, &o, stdout)
		}
		return devnet(ctx, &o, stdout, c.Log)
	})
}
