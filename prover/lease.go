package prover

import (
	"context"
	"errors"
	"time"

	"github.com/vivace-chain/vivace/internal/sched"
)

// A task is a job that this prover has, from when it was leased until it is done.
type task struct {
	Job
	done context.CancelFunc // ends the renewing of its lease
}

// begin makes a task of a job, and renews its lease while it lasts. The goroutine for
// that is started by start, and ends without an error.
func (p *Prover) begin(ctx context.Context, job Job, start func(func() error)) *task {
	if job.Lease == 0 {
		return &task{job, func() {}}
	}
	ctx, cancel := context.WithCancel(ctx)
	start(func() error {
		p.renew(ctx, &job)
		return nil
	})
	return &task{job, cancel}
}

// renew renews a lease whenever a third of its time has passed, until ctx ends or the
// lease does. A lost lease stops nothing: see Source.
func (p *Prover) renew(ctx context.Context, job *Job) {
	deadline := job.Deadline
	for sched.Sleep(ctx, max(time.Until(deadline)/3, p.config.RetryMin)) == nil {
		later, err := p.config.Source.Renew(ctx, job.Lease)
		switch {
		case err == nil:
			deadline = later
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLeaseLost) || time.Now().After(deadline):
			p.lost.Add(1)
			p.config.Logger.Warn("lease is lost, going on without", "block", job.Publication.Block, "error", err)
			return
		}
	}
}

// releaseTime is how long the end of a prover may wait for a source that does not
// answer: its leases run out then.
const releaseTime = 2 * time.Second

// release ends the lease of a task, if it has one. What it cannot end runs out.
func (p *Prover) release(ctx context.Context, t *task, why error) {
	t.done()
	if t.Lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := p.config.Source.Release(ctx, t.Lease, why); err != nil && !errors.Is(err, ErrLeaseLost) {
		p.config.Logger.Warn("lease is not released, it will run out", "block", t.Publication.Block, "error", err)
	}
}

// leave releases what waits in the queue. It ends with the first that takes too long.
func (p *Prover) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	for {
		select {
		case t := <-p.queue:
			if ctx.Err() == nil {
				p.release(ctx, t, nil)
			}
			t.done()
		default:
			return
		}
	}
}
