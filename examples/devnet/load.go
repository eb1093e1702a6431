package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen"
)

// The driver is an open loop: transactions are due at fixed times, whether or not
// the chain keeps up, and the latency of each counts from when it was due. A chain
// that stalls for a second so shows a second, and not one slow transaction.
//
// Each client has a lane of accounts and one submission in flight, so the number
// of clients bounds what is outstanding. When all are waiting, what is due waits
// too; what no client has taken when the time is over was not sent at all, and is
// missing from the rate.

// submitFunc is the front door: it waits until the transaction is acknowledged.
type submitFunc func(ctx context.Context, raw []byte) (*chain.Receipt, error)

// A driver sends the load and counts the answers.
type driver struct {
	submit submitFunc
	lanes  []*datagen.Lane // one for each client
	rate   rate
	// patience is how long after the end answers are waited for.
	patience time.Duration

	tally
}

// tally is what became of the load. It may be read while the driver runs.
type tally struct {
	offered      atomic.Int64 // taken by a client
	acknowledged atomic.Int64
	refused      atomic.Int64 // answered with an error
	failed       atomic.Int64 // acknowledged with a failure receipt
	unanswered   atomic.Int64
	kinds        [3]atomic.Int64 // acknowledged, by datagen.Kind
	latency      histogram

	mu    sync.Mutex
	first error // of those refused
}

// run drives the load for the duration, or until ctx ends, and then waits for the
// answers that are due.
func (d *driver) run(ctx context.Context, duration time.Duration) {
	answers, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	sending, stop := context.WithTimeout(ctx, duration)
	defer stop()

	due := make(chan time.Time)
	var clients sync.WaitGroup
	for _, lane := range d.lanes {
		clients.Go(func() { d.client(answers, lane, due) })
	}
	d.pace(sending, duration, due)
	defer time.AfterFunc(d.patience, giveUp).Stop()
	clients.Wait()
}

// pace puts the times at which transactions are due into the channel, and closes
// it at the end.
func (d *driver) pace(ctx context.Context, duration time.Duration, due chan<- time.Time) {
	defer close(due)
	switch d.rate {
	case noLoad:
		<-ctx.Done()
		return
	case fastest:
		for d.offer(ctx, due, time.Time{}) {
		}
		return
	}
	var (
		start = time.Now()
		timer = time.NewTimer(0)
		total = int(d.wanted(duration))
	)
	defer timer.Stop()
	for i := range total {
		at := start.Add(time.Duration(float64(i) / float64(d.rate) * float64(time.Second)))
		// Timers are late by up to a millisecond, so at high rates several
		// transactions are due at once.
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		if !d.offer(ctx, due, at) {
			return
		}
	}
}

// wanted is the number of transactions of the rate, if it is a number.
func (d *driver) wanted(duration time.Duration) float64 {
	return float64(max(0, d.rate)) * duration.Seconds()
}

func (d *driver) offer(ctx context.Context, due chan<- time.Time, at time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case due <- at:
		d.offered.Add(1)
		return true
	case <-ctx.Done():
		return false
	}
}

// client submits the transactions of a lane, each signed before it is due. It ends
// when nothing is due any more, or when a transaction was not taken: those after
// it in the lane may need it.
func (d *driver) client(ctx context.Context, lane *datagen.Lane, due <-chan time.Time) {
	for {
		tx := lane.Next()
		at, ok := <-due
		if !ok {
			return
		}
		if at.IsZero() {
			at = time.Now()
		}
		receipt, err := d.send(ctx, tx.Raw)
		switch {
		case err != nil && ctx.Err() != nil:
			d.unanswered.Add(1)
			return
		case err != nil:
			d.refuse(tx, err)
			return
		case receipt.Status != 1:
			d.failed.Add(1)
		}
		d.latency.add(time.Since(at))
		d.kinds[tx.Kind].Add(1)
		d.acknowledged.Add(1)
	}
}

// send submits until the answer is other than "busy".
func (d *driver) send(ctx context.Context, raw []byte) (*chain.Receipt, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		receipt, err := d.submit(ctx, raw)
		if !errors.Is(err, chain.ErrBusy) {
			return receipt, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *driver) refuse(tx datagen.Tx, err error) {
	d.refused.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first == nil {
		d.first = fmt.Errorf("%s of %s, nonce %d: %w", tx.Kind, tx.From, tx.Nonce, err)
	}
}

// problems says what is wrong with the outcome, given for how long the load was to keep
// its rate; 0 asks for none.
func (d *driver) problems(duration time.Duration) []string {
	var out []string
	if n := d.refused.Load(); n > 0 {
		d.mu.Lock()
		out = append(out, fmt.Sprintf("%d transactions refused, the first: %v", n, d.first))
		d.mu.Unlock()
	}
	if n := d.failed.Load(); n > 0 {
		out = append(out, fmt.Sprintf("%d transactions failed", n))
	}
	if n := d.unanswered.Load(); n > 0 {
		out = append(out, fmt.Sprintf("%d submissions unanswered after %s", n, d.patience))
	}
	wanted := d.wanted(duration)
	if got := float64(d.acknowledged.Load()); got < 0.95*wanted {
		out = append(out, fmt.Sprintf("%.0f transactions acknowledged, %.1f %% of %.0f", got, 100*got/wanted, wanted))
	}
	if duration > 0 && d.rate != noLoad && d.acknowledged.Load() == 0 {
		out = append(out, "no transaction was acknowledged")
	}
	return out
}
