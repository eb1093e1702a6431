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

func main() {
	becomeRole()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	duration time.Duration
	seed     uint64
	accounts int
	rate     rate
	clients  int

	miniBlock  time.Duration
	block      time.Duration
	durability state.Durability
	genesis    string // a file; by default the development chain
	dir        string // by default a temporary one

	replay  string
	compare bool

	json    bool
	verbose bool
	inject  injection

	processes bool
	serving   bool
	door      serve.Options // of the sequencer
	nodePort  int           // of the first full node's
	kept      cli.Kept
	daBytes   int64
	logLevel  *slog.LevelVar
}

func (o *options) define(c *cli.Command) {
	c.Group("Load", func(f *flag.FlagSet) {
		f.DurationVar(&o.duration, "duration", 10*time.Second, "for how long to send")
		f.Uint64Var(&o.seed, "seed", 1, "`seed` of accounts and transactions")
		f.IntVar(&o.accounts, "accounts", 2000, "`number` of accounts")
		f.TextVar(&o.rate, "rate", rate(1000), "transactions per second, `tx/s`; 0 is no load, max is as fast as it goes")
		f.IntVar(&o.clients, "clients", 256, "most transactions in flight, each from another `number` of accounts")
	})
	c.Group("Chain", func(f *flag.FlagSet) {
		f.DurationVar(&o.miniBlock, "mini-block", 10*time.Millisecond, "interval of mini-blocks")
		f.DurationVar(&o.block, "block", time.Second, "interval of blocks")
		f.TextVar(&o.durability, "durability", state.DurabilityFsync, "`what` an acknowledgement survives: fsync (power loss) or none (kill -9)")
		f.BoolVar(&o.processes, "processes", false, "run each role as a process of its own, which meets the others over sockets alone")
		f.StringVar(&o.genesis, "genesis", "", "geth's genesis.json, a `file`, with -rate 0; by default a development chain with funded accounts")
		f.StringVar(&o.dir, "datadir", "", "`directory` of the chain, made if it is missing; who starts again goes on (default a temporary one, removed at the end)")
		f.TextVar(&o.inject, "inject", injectNothing, "`fault` to commit, so that the run fails: diff-bit, witness-drop or wrong-root")
	})
	c.Group("Door", func(f *flag.FlagSet) {
		f.BoolVar(&o.serving, "serve", false, "serve JSON-RPC, and run until Ctrl-C instead of for -duration")
		o.door.Flags(f, 8545)
		f.IntVar(&o.nodePort, "fullnode.http.port", 8547, "`port` of the first full node's door; 0 is any free one")
	})
	c.Group("Kept", func(f *flag.FlagSet) {
		o.kept.Flags(f, 10_000)
		f.Int64Var(&o.daBytes, "da-bytes", 4<<30, "`bytes` of the data-availability layer that are kept, beside those of the last ten minutes; 0 keeps all")
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
	case o.processes && (o.serving || o.replay != "" || o.inject != injectNothing || o.genesis != "" || o.seed != 1 || o.accounts != cli.DevAccounts):
		return bad("-processes does not go with -serve, -replay, -inject, -genesis, -seed and -accounts")
	case o.replay == "" && (o.compare || o.verbose):
		return bad("-compare and -v go with -replay")
	case o.replay != "" && (o.inject != injectNothing || o.serving):
		return bad("-inject and -serve do not go with -replay")
	case o.inject != injectNothing && o.dir != "":
		return bad("-inject spoils the chain, and does not go with -datadir")
	case o.genesis != "" && o.rate != noLoad:
		return bad("-genesis funds no accounts for the load: it goes with -rate 0")
	case o.serving && o.door.Admin && o.door.Secret == "" && o.dir == "":
		return bad("-admin.enable needs -admin.jwtsecret or -datadir")
	case o.nodePort < 0 || o.nodePort > 65535:
		return bad("-fullnode.http.port: %d is no port", o.nodePort)
	case o.daBytes < 0:
		return bad("-da-bytes must not be negative")
	case o.duration <= 0 || o.miniBlock <= 0 || o.block < o.miniBlock:
		return bad("-duration, -mini-block and -block must be positive, and a block no shorter than a mini-block")
	case o.accounts < 2 || o.accounts > datagen.MaxAccounts:
		return bad("-accounts must be from 2 to %d", datagen.MaxAccounts)
	case o.clients < 1 || o.clients > 100_000:
		return bad("-clients must be from 1 to 100,000")
	}
	return o.kept.Check()
}

// forever is how long -serve runs.
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
		if o.processes {
			return devnetOfProcesses(ctx, &o, stdout)
		}
		return devnet(ctx, &o, stdout, c.Log)
	})
}
