package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

const (
	// answerPatience is how long after the load answers are waited for.
	answerPatience = 5 * time.Second
	// settlePatience is how long, beside some blocks, the roles may take to come
	// to where the load ended. Then the lag of the proven head is what it is.
	settlePatience = 10 * time.Second
	// provenLag is how many blocks the proven head may be behind.
	provenLag = 3
)

// devnet is one run. The error says all that was not as it should be.
func devnet(ctx context.Context, o *options, stdout io.Writer, log *slog.Logger) (err error) {
	load, spec, err := o.spec()
	if err != nil {
		return err
	}
	entrance, err := o.openDoors()
	if err != nil {
		return err
	}
	defer entrance.close()
	net, err := startNetwork(o, spec, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.stop()) }()
	lanes, err := o.lanes(load, net)
	if err != nil {
		return err
	}
	ctx, drain := context.WithCancel(ctx)
	defer drain()
	r := &devnetRun{
		options: o,
		net:     net,
		audit:   newAudit(net),
		driver:  &driver{submit: net.sequencer.Submit, lanes: lanes, rate: o.rate, patience: answerPatience},
	}
	fmt.Fprintf(stdout, "devnet: 1 sequencer, %d full nodes, %d provers; %s\n", fullNodes, provers, o.chain())
	stop := r.audit.start()
	defer stop()
	if o.serving {
		if err := r.serve(ctx, entrance, spec, drain, stdout, log); err != nil {
			return err
		}
	}
	r.load(ctx, stdout)
	// An interrupted run ends like any other; who interrupts twice kills it.
	return r.conclude(stdout, r.settle())
}

// spec is the chain's beginning, and what sends to it; nothing does if the genesis is
// somebody's own.
func (o *options) spec() (*datagen.Load, *genesis.Spec, error) {
	if o.genesis != "" {
		spec, err := cli.ReadGenesis(o.genesis)
		return nil, spec, err
	}
	load, err := datagen.New(datagen.Config{Seed: o.seed, Accounts: o.accounts, ChainID: genesis.DevChainID})
	if err != nil {
		return nil, nil, err
	}
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(load.State())})
	return load, spec, err
}

// chain says which one runs.
func (o *options) chain() string {
	if o.genesis != "" {
		return o.genesis
	}
	return fmt.Sprintf("%s accounts, seed %d", count(o.accounts), o.seed)
}

// lanes are what the clients send, from where the chain is.
func (o *options) lanes(load *datagen.Load, n *network) ([]*datagen.Lane, error) {
	if o.rate == noLoad {
		return nil, nil
	}
	lanes := load.Lanes(o.clients)
	for _, lane := range lanes {
		if err := lane.Resume(n.sequencer.PendingNonce); err != nil {
			return nil, err
		}
	}
	return lanes, nil
}

// A devnetRun is one run.
type devnetRun struct {
	*options
	net     *network
	audit   *audit
	driver  *driver
	began   time.Time
	elapsed time.Duration // of the load
}

// load drives the load, with live progress, until its time is over, a role fails or
// ctx ends.
func (r *devnetRun) load(ctx context.Context, stdout io.Writer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	r.began = time.Now()
	go func() {
		defer close(done)
		r.driver.run(ctx, r.duration)
		r.elapsed = min(time.Since(r.began), r.duration)
	}()
	var (
		screen = newDisplay(r.screen(stdout))
		ticker = time.NewTicker(screen.period())
		meter  = meter{at: r.began}
		failed = r.net.failed
	)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			screen.show(r.progress(&meter))
		case <-failed:
			cancel()
			failed = nil
		case <-done:
			screen.show(r.progress(&meter))
			return
		}
	}
}

// screen is where progress is shown: while it serves, to people only.
func (r *devnetRun) screen(stdout io.Writer) io.Writer {
	if r.serving && !isTerminal(stdout) {
		return io.Discard
	}
	return stdout
}

// A meter turns a count into a rate.
type meter struct {
	at    time.Time
	count int64
}

func (m *meter) rate(count int64) float64 {
	now := time.Now()
	rate := float64(count-m.count) / now.Sub(m.at).Seconds()
	m.at, m.count = now, count
	return rate
}

// progress is the live display.
func (r *devnetRun) progress(m *meter) progress {
	var (
		acknowledged = r.driver.acknowledged.Load()
		latency      = &r.driver.latency
		heads        = r.net.sequencer.Heads()
		stats        = r.net.sequencer.Stats()
	)
	p := progress{
		title: r.title(),
		rows: [][]string{
			{"load", count(acknowledged) + " tx", fmt.Sprintf("%.0f tx/s", m.rate(acknowledged)),
				"p50 " + milliseconds(latency.percentile(50)), "p99 " + milliseconds(latency.percentile(99))},
			{"sequencer", fmt.Sprintf("mini-block %d/%d", heads.Preconfirmed.Number, heads.Preconfirmed.Index),
				fmt.Sprintf("sealed %d", heads.RootChecked.Number), fmt.Sprintf("published %d", heads.Published.Number),
				fmt.Sprintf("proven %d", heads.Proven.Number)},
			{"queues", fmt.Sprintf("pool %d", stats.Pool), fmt.Sprintf("log %d", stats.Journal),
				fmt.Sprintf("roots %d", stats.Unrooted), fmt.Sprintf("da %d", stats.Unpublished)},
		},
	}
	for i, f := range r.net.nodes {
		h, s := f.Heads(), f.Stats()
		p.rows = append(p.rows, []string{fmt.Sprintf("full node %d", i+1),
			fmt.Sprintf("mini-block %d/%d", h.Preconfirmed.Number, h.Preconfirmed.Index),
			fmt.Sprintf("root checked %d", h.RootChecked.Number), fmt.Sprintf("%.1f B/tx", perTx(s.DiffBytes, int64(s.Transactions))), ""})
	}
	for i, q := range r.net.provers {
		s := q.Stats()
		p.rows = append(p.rows, []string{fmt.Sprintf("prover %d", i+1),
			fmt.Sprintf("attested %d", s.Attested), fmt.Sprintf("waiting %d", s.Queued+s.Working), fmt.Sprintf("refused %d", s.Failed), ""})
	}
	return p
}

func (r *devnetRun) title() string {
	if r.serving {
		return fmt.Sprintf("%.0f s, until Ctrl-C", time.Since(r.began).Seconds())
	}
	return fmt.Sprintf("%.1f s of %.1f s", min(time.Since(r.began), r.duration).Seconds(), r.duration.Seconds())
}

// settle waits until all stand where the load ended: the block that was open then
// is sealed, its root checked by the full nodes, and the provers have had their
// say. It returns that block.
func (r *devnetRun) settle() (target uint64) {
	target = r.net.sequencer.Heads().Preconfirmed.Number
	deadline := time.After(settlePatience + 3*r.block)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !r.settled(target) {
		select {
		case <-ticker.C:
		case <-r.net.failed:
			return target
		case <-deadline:
			return target
		}
	}
	return target
}

func (r *devnetRun) settled(target uint64) bool {
	for _, f := range r.net.nodes {
		if f.Heads().RootChecked.Number < target {
			return false
		}
	}
	heads := r.net.sequencer.Heads()
	if heads.RootChecked.Number < target {
		return false
	}
	if r.serving {
		return true // who stops a chain that serves does not wait for proofs
	}
	for _, p := range r.net.provers {
		if p.Stats().Failed > 0 {
			return true // the proven head will not come to target
		}
	}
	return heads.Proven.Number >= target
}

// conclude prints the summary and returns what is wrong.
func (r *devnetRun) conclude(stdout io.Writer, target uint64) error {
	var (
		difference = r.audit.compare(target)
		s          = r.summary(difference == nil)
		problems   = r.net.problems()
	)
	problems = append(problems, r.driver.problems(r.measured())...)
	if !r.serving && s.Head > s.ProvenHead+provenLag {
		problems = append(problems, fmt.Sprintf("the proven head is %d blocks behind, more than %d", s.Head-s.ProvenHead, provenLag))
	}
	if difference != nil {
		problems = append(problems, strings.Split(difference.Error(), "\n")...)
	}
	return conclude(stdout, s, r.json, problems)
}

// measured is the time in which the load was to keep its rate: with -serve others send
// too, and slow it down.
func (r *devnetRun) measured() time.Duration {
	if r.serving {
		return 0
	}
	return r.elapsed
}

func (r *devnetRun) summary(equal bool) *summary {
	var (
		heads = r.net.sequencer.Heads()
		stats = r.net.sequencer.Stats()
		node  = r.net.nodes[0].Stats()
		txs   = r.driver.acknowledged.Load()
	)
	return &summary{
		Transactions:      txs,
		TPS:               float64(txs) / r.elapsed.Seconds(),
		ReceiptP50:        r.driver.latency.percentile(50).Microseconds(),
		ReceiptP99:        r.driver.latency.percentile(99).Microseconds(),
		MiniBlocks:        stats.MiniBlocks,
		Blocks:            stats.Blocks,
		DiffBytesPerTx:    perTx(stats.DiffBytes, int64(stats.Transactions)),
		BodyBytesPerTx:    perTx(node.BodyBytes, int64(node.Transactions)),
		ReceiptBytesPerTx: perTx(node.ReceiptBytes, int64(node.Transactions)),
		WitnessBytesPerTx: perTx(stats.WitnessBytes, int64(stats.WitnessTxs)),
		ProvenHead:        heads.Proven.Number,
		Head:              heads.RootChecked.Number,
		RootsEqual:        equal,
	}
}
