package role

import (
	"context"
	"crypto/ecdsa"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc/work"
)

type proverOptions struct {
	chain     cli.Chain
	watch     serve.WatchOptions
	sequencer string
	layer     string
	key       string
	workers   int
	objects   bool
}

// Prover is the program prover: it returns the exit code.
func Prover(args []string) int {
	var o proverOptions
	c := cli.New("prover", "Runs a prover of a Vivace chain: it executes blocks from their witnesses and attests to them.")
	c.Group("Chain", o.chain.Flags)
	c.Group("Prover", func(f *flag.FlagSet) {
		f.StringVar(&o.sequencer, "sequencer", "http://127.0.0.1:8545", "`address` of the sequencer's door, which has the work")
		f.StringVar(&o.layer, "da.layer", "", layersUsage+"; by default what the sequencer names")
		f.BoolVar(&o.objects, "objects", false, "ask the sequencer for blocks and witnesses, before the layer")
		f.StringVar(&o.key, "key", "", "`file` with the signing key, made if missing; by default the development chain's prover, whom everybody knows")
		f.IntVar(&o.workers, "workers", runtime.NumCPU(), "how `many` blocks to verify at once")
	})
	c.Group("Watching", func(f *flag.FlagSet) { o.watch.Flags(f, 8549) })
	return c.Run(args, func(ctx context.Context) error { return o.run(ctx, c) })
}

func (o *proverOptions) run(ctx context.Context, c *cli.Command) error {
	if o.workers < 1 {
		return fmt.Errorf("%w: -workers must be at least 1", cli.ErrUsage)
	}
	spec, err := o.chain.Spec()
	if err != nil {
		return err
	}
	key, err := o.signingKey()
	if err != nil {
		return err
	}
	signer, err := attest.NewKey(crypto.FromECDSA(key))
	if err != nil {
		return err
	}
	if err := checkLayers(o.layer); err != nil {
		return err
	}
	var doorPulse, layerPulse serve.Pulse
	source, err := work.NewClient(work.ClientConfig{
		URL: o.sequencer, ChainID: spec.Genesis.ChainID, Signer: signer, Objects: o.objects, HTTP: httpClient(&doorPulse),
	})
	if err != nil {
		return fmt.Errorf("%w: -sequencer: %w", cli.ErrUsage, err)
	}
	defer source.Close()
	listener, err := o.watch.Open()
	if err != nil {
		return err
	}
	defer listener.Close()
	invitation, layer, err := accept(ctx, o.sequencer, o.layer, spec.Genesis, c.Log)
	if invitation == nil {
		return err
	}
	if programs := invitation.Programs; len(programs) > 0 && !slices.Contains(programs, prover.ReexecutionProgram) {
		c.Log.Warn("the sequencer will refuse the attestations of this program", "program", prover.ReexecutionProgram, "allowed", programs)
	}
	p, err := prover.New(prover.Config{
		ChainID: spec.Genesis.ChainID, ChainConfig: spec.Config, DA: layerPulse.Layer(layer), Signer: signer, Source: source,
		Workers: o.workers, Logger: c.Log,
	})
	if err != nil {
		return err
	}
	watch := &serve.Watch{
		Listener: listener, Metrics: []prometheus.Collector{serve.OfProver(p, &doorPulse, &layerPulse)},
		Ready: serve.ProverReady(&doorPulse, &layerPulse),
	}
	fmt.Printf("prover of chain %d attests as %s, watched at http://%s\n", spec.Genesis.ChainID, signer.Address(), listener.Addr())
	fmt.Printf("under program %s\n", prover.ReexecutionProgram)
	return serve.Under(p.Run, watch.Run)(ctx)
}

// httpClient asks the sequencer, as the one that work.Client has by default.
func httpClient(pulse *serve.Pulse) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxResponseHeaderBytes = 16, 64<<10
	return &http.Client{
		Transport:     pulse.Transport(transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (o *proverOptions) signingKey() (*ecdsa.PrivateKey, error) {
	switch {
	case o.key != "":
		return cli.Key(o.key)
	case o.chain.Genesis != "":
		return nil, fmt.Errorf("%w: -key is required: only the development chain has a prover whom everybody knows", cli.ErrUsage)
	}
	return cli.DevProver()
}
