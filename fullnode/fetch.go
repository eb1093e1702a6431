package fullnode

import (
	"context"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/sched"
)

// A DAError is a block that could not be had from the data-availability layer: its
// objects were not there, or were not what was published, or their changes do not make
// the state that the header names. It matches what its Err matches.
type DAError struct {
	Block    chain.BlockID
	Attempts int   // over all sources
	Err      error // of the last
}

func (e *DAError) Error() string {
	return fmt.Sprintf("block %s cannot be had from the data-availability layer (%d attempts): %v", e.Block, e.Attempts, e.Err)
}

// Unwrap returns Err.
func (e *DAError) Unwrap() error { return e.Err }

// A parcel is a block as it is in the data-availability layer, on its way to be applied.
type parcel struct {
	publication *chain.Publication
	fetched     chan struct{} // closed when the rest is there

	attempts int // made so far, at the layer
	err      error
	block    *chain.Block // whose header is the one that was published
	diff     []byte
}

const (
	// retryMin is the pause before a source is asked for the second time; it doubles up
	// to retryMax.
	retryMin = 20 * time.Millisecond
	retryMax = 2 * time.Second
)

// fetch gets the objects of a block that was not had yet, or was not good, from one
// source after the other.
func (f *Follower) fetch(ctx context.Context, p *parcel) {
	sources := append([]chain.DAClient{f.cfg.DA}, f.cfg.Mirrors...)
	for p.attempts < f.cfg.DAAttempts {
		if round := p.attempts / len(sources); round > 0 {
			wait := min(retryMin<<min(round-1, 10), retryMax)
			_ = sched.Sleep(ctx, max(wait, da.RetryAfter(p.err)))
		}
		if ctx.Err() != nil {
			p.err = ctx.Err()
			return
		}
		source := sources[p.attempts%len(sources)]
		p.attempts++
		if p.err = p.get(ctx, source, f.cfg.DATimeout); p.err == nil {
			return
		}
		if ctx.Err() == nil {
			f.count(func(s *Stats) { s.DARefused++ })
		}
	}
}

// get reads the block and its diff from one source.
func (p *parcel) get(ctx context.Context, source chain.DAClient, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	id := p.publication.Block
	body, err := da.Get(ctx, source, p.publication.Body, da.Want{Kind: da.Block, Block: id})
	if err != nil {
		return err
	}
	block := new(chain.Block)
	if err := block.UnmarshalBinary(body.Payload); err != nil {
		return err
	}
	if got := block.Header.ID(); got != id {
		return &chain.MismatchError{Block: id.Number, Field: "hash", Got: got.String(), Want: id.String()}
	}
	diff, err := da.Get(ctx, source, p.publication.Diff, da.Want{Kind: da.Diff, Block: id})
	if err != nil {
		return err
	}
	p.block, p.diff = block, diff.Payload
	return nil
}

// fail is why the parcel is given up.
func (p *parcel) fail() error {
	if p.publication == nil {
		return p.err
	}
	return &DAError{Block: p.publication.Block, Attempts: p.attempts, Err: p.err}
}
