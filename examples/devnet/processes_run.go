package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vivace-chain/vivace/examples/internal/cli"
)

// A processRun is one run whose roles are processes.
type processRun struct {
	*options
	*processes
	driver *driver
	began  time.Time
}

// devnetOfProcesses is one run, in a directory that is removed unless it is the caller's,
// or has logs to be read. The error says all that was not as it should be.
func devnetOfProcesses(ctx context.Context, o *options, stdout io.Writer) (err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "vivace-devnet-"); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				err = os.RemoveAll(dir)
			}
		}()
	}
	if err := cli.DataDir(dir); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "devnet: 1 sequencer, %d full nodes, %d provers, each a process; logs in %s\n", fullNodes, provers, dir)
	p, err := startProcesses(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	r := &processRun{options: o, processes: p, driver: &driver{submit: p.sequencer.submit, rate: o.rate, patience: answerPatience}}
	if err := r.prepare(); err != nil {
		return err
	}
	r.load(ctx, stdout)
	return r.conclude(min(time.Since(r.began), o.duration), stdout)
}

// prepare makes what the clients send, from where the chain is.
func (r *processRun) prepare() error {
	if r.rate == noLoad {
		return nil
	}
	load, err := cli.DevLoad()
	if err != nil {
		return err
	}
	r.driver.lanes = load.Lanes(r.clients)
	for _, lane := range r.driver.lanes {
		if err := lane.Resume(r.sequencer.pendingNonce); err != nil {
			return err
		}
	}
	return nil
}

// load drives the load, with live progress, until its time is over, a process ends by
// itself or ctx ends.
func (r *processRun) load(ctx context.Context, stdout io.Writer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	r.began = time.Now()
	go func() {
		defer close(done)
		r.driver.run(ctx, r.duration)
	}()
	screen, m := newDisplay(stdout), meter{at: r.began}
	ticker := time.NewTicker(screen.period())
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			screen.show(r.progress(&m))
			if len(r.failed()) > 0 {
				cancel()
			}
		case <-done:
			screen.show(r.progress(&m))
			return
		}
	}
}

// progress is the live display: the load, and the heads of all who have a door.
func (r *processRun) progress(m *meter) progress {
	n, latency := r.driver.acknowledged.Load(), &r.driver.latency
	out := progress{
		title: fmt.Sprintf("%.1f s of %.1f s", min(time.Since(r.began), r.duration).Seconds(), r.duration.Seconds()),
		rows: [][]string{{"load", count(n) + " tx", fmt.Sprintf("%.0f tx/s", m.rate(n)),
			"p50 " + milliseconds(latency.percentile(50)), "p99 " + milliseconds(latency.percentile(99))}},
	}
	for _, role := range r.doors() {
		row := []string{role.name}
		for _, tag := range []string{"latest", "safe", "finalized"} {
			if b, err := role.block(tag); err == nil {
				row = append(row, fmt.Sprintf("%s %d", tag, b.Number))
			} else {
				row = append(row, tag+" ?")
			}
		}
		out.rows = append(out.rows, append(row, ""))
	}
	return out
}
