package prover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A Prover verifies published blocks and attests to them. Run does the work; the
// other methods may be called concurrently with it and each other.
type Prover struct {
	config   Config
	rules    []byte // ChainConfig as JSON
	failures failures
	slots    chan struct{} // one for each task, waiting or worked on
	queue    chan *task    // never full: it has room for all slots

	working                                    atomic.Int64
	leased, lost, attested, failed, fromSource atomic.Uint64
}

// New checks the Config and returns a Prover that does nothing until Run.
func New(config Config) (*Prover, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Prover{
		config:   config,
		failures: failures{max: config.FailuresMax},
		slots:    make(chan struct{}, config.Workers+config.QueueMax),
		queue:    make(chan *task, config.Workers+config.QueueMax),
	}
	if config.ChainConfig != nil {
		if p.rules, err = json.Marshal(config.ChainConfig); err != nil {
			return nil, fmt.Errorf("prover: %w", err)
		}
	}
	return p, nil
}

// Stats says what a Prover is doing and has done.
type Stats struct {
	Queued   int    // jobs that wait for a worker
	Working  int    // blocks that workers are on
	Leased   uint64 // jobs that came with a lease
	Lost     uint64 // leases that were lost before the work was done
	Attested uint64 // attestations that were taken
	Failed   uint64 // blocks that became Evidence
	// FromSource is how many blocks the Source gave objects of that the layer did not.
	FromSource uint64
}

// Stats returns the current numbers.
func (p *Prover) Stats() Stats {
	return Stats{
		Queued: len(p.queue), Working: int(p.working.Load()),
		Leased: p.leased.Load(), Lost: p.lost.Load(), Attested: p.attested.Load(), Failed: p.failed.Load(),
		FromSource: p.fromSource.Load(),
	}
}

// Address is who the attestations are signed by.
func (p *Prover) Address() common.Address { return p.config.Signer.Address() }

// Failures returns the newest Evidence, oldest first.
func (p *Prover) Failures() []Evidence { return p.failures.list() }

// Run works until ctx ends, and then returns nil, or until its Source has no work any
// more. What it has leased then, it gives back. It is called once.
func (p *Prover) Run(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.read(groupCtx, group.Go) })
	for range p.config.Workers {
		group.Go(func() error { return p.work(groupCtx) })
	}
	err := group.Wait()
	p.leave(ctx)
	if ctx.Err() == nil {
		return fmt.Errorf("prover: %w", err)
	}
	return nil
}

// read fills the queue. It ends with an error only.
func (p *Prover) read(ctx context.Context, start func(func() error)) error {
	for {
		n, err := p.room(ctx)
		if err != nil {
			return err
		}
		jobs, err := p.lease(ctx, n)
		if err != nil {
			return err
		}
		for _, job := range jobs {
			if job.Lease != 0 {
				p.leased.Add(1)
			}
			p.queue <- p.begin(ctx, job, start)
		}
		for range n - len(jobs) {
			<-p.slots
		}
	}
}

// room waits for a free slot and takes all that are.
func (p *Prover) room(ctx context.Context) (n int, err error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n = 1; ; n++ {
		select {
		case p.slots <- struct{}{}:
		default:
			return n, nil
		}
	}
}

// lease gets up to n jobs. What is wrong with a single one is Evidence.
func (p *Prover) lease(ctx context.Context, n int) (jobs []Job, err error) {
	err = p.retry(ctx, func(int) (bool, error) {
		jobs, err = p.config.Source.Lease(ctx, n)
		if errors.Is(err, chain.ErrCorrupt) {
			p.refuse(chain.Publication{}, err)
			jobs, err = nil, nil
		}
		if len(jobs) > n {
			return true, fmt.Errorf("prover: %d jobs from a Source that was asked for %d", len(jobs), n)
		}
		return !passes(err), err
	})
	return jobs, err
}

// passes reports whether an error of a Source or a ProofBackend is to be met by doing
// the same again.
func passes(err error) bool {
	return errors.Is(err, da.ErrTransient) || errors.Is(err, chain.ErrBusy)
}

// work takes blocks from the queue. It ends with ctx only.
func (p *Prover) work(ctx context.Context) error {
	for {
		select {
		case t := <-p.queue:
			p.working.Add(1)
			err := p.handle(ctx, t)
			p.working.Add(-1)
			<-p.slots
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handle ends in an attestation, in Evidence, or with ctx.
func (p *Prover) handle(ctx context.Context, t *task) error {
	start := time.Now()
	err := p.prove(ctx, &t.Job)
	switch {
	case ctx.Err() != nil && err != nil:
		p.release(ctx, t, nil)
		return ctx.Err()
	case err != nil:
		p.refuse(t.Publication, err)
		p.release(ctx, t, err)
		return nil
	}
	t.done()
	p.attested.Add(1)
	p.config.Logger.Info("attested", "block", t.Publication.Block, "took", time.Since(start))
	return nil
}

func (p *Prover) refuse(publication chain.Publication, err error) {
	p.failed.Add(1)
	p.failures.add(Evidence{publication, err})
	p.config.Logger.Error("block is not proven", "block", publication.Block, "error", err)
}

// prove proves a block and hands in what it found.
func (p *Prover) prove(ctx context.Context, job *Job) error {
	in, err := p.input(ctx, job)
	if err != nil {
		return err
	}
	var out *Output
	if err := p.retry(ctx, func(attempt int) (final bool, err error) {
		out, err = p.config.Backend.Prove(ctx, in)
		return !passes(err) || attempt == p.config.Attempts, err
	}); err != nil {
		return err
	}
	if err := checkOutput(out, in, job.Publication.Block); err != nil {
		return err
	}
	a := out.Public
	a.Program = p.config.Backend.Program()
	if err := p.retry(ctx, func(attempt int) (bool, error) { // the key may be elsewhere
		err := attest.Sign(&a, p.config.Signer)
		return attempt == p.config.Attempts, err
	}); err != nil {
		return err
	}
	if p.config.Proven != nil {
		if err := p.config.Proven(ctx, &a, out.Proof); err != nil {
			return fmt.Errorf("keep the proof of block %d: %w", a.Block.Number, err)
		}
	}
	return p.retry(ctx, func(int) (bool, error) {
		err := p.config.Source.Submit(ctx, &a)
		return !passes(err), err
	})
}

// checkOutput compares what a backend says with what is known here. The error, which
// matches ErrMismatch, is about the backend, or about a block that was announced as
// another.
func checkOutput(out *Output, in *Input, want chain.BlockID) error {
	for _, c := range []struct {
		field     string
		got, want any
	}{
		{"hash", out.Public.Block, want},
		{"chain id of proof", out.Public.ChainID, in.ChainID},
		{"digest of block", out.Public.BlockDigest, chain.Keccak256(in.Block)},
		{"digest of witness", out.Public.WitnessDigest, chain.Keccak256(in.Witness)},
		{"digest of diff", out.Public.DiffDigest, chain.Keccak256(in.Diff)},
	} {
		if c.got != c.want {
			return &chain.MismatchError{Block: want.Number, Field: c.field, Got: fmt.Sprint(c.got), Want: fmt.Sprint(c.want)}
		}
	}
	return nil
}

// retry calls try, with growing pauses, until it succeeds, its error is final or
// ctx ends. Attempts count from 1. Who was asked to come back later does.
func (p *Prover) retry(ctx context.Context, try func(attempt int) (final bool, err error)) error {
	pause := p.config.RetryMin
	for attempt := 1; ; attempt++ {
		final, err := try(attempt)
		if err == nil || final || ctx.Err() != nil {
			return err
		}
		wait := max(pause, da.RetryAfter(err))
		p.config.Logger.Warn("trying again", "attempt", attempt, "pause", wait, "error", err)
		if err := sched.Sleep(ctx, wait); err != nil {
			return err
		}
		pause = min(2*pause, p.config.RetryMax)
	}
}
