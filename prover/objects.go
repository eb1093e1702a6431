package prover

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// input gathers what the proof of a job is made of.
func (p *Prover) input(ctx context.Context, job *Job) (*Input, error) {
	in := &Input{ChainID: p.config.ChainID, Config: p.rules, Block: job.Block, Witness: job.Witness, Diff: job.Diff}
	for _, o := range []struct {
		kind    da.Kind
		id      chain.BlobID
		payload *[]byte
	}{
		{da.Block, job.Publication.Body, &in.Block},
		{da.Witness, job.Publication.Witness, &in.Witness},
		{da.Diff, job.Publication.Diff, &in.Diff},
	} {
		if *o.payload != nil {
			continue
		}
		object, err := p.fetch(ctx, o.id, da.Want{Kind: o.kind, Block: job.Publication.Block})
		if err != nil {
			return nil, err
		}
		*o.payload = object.Payload
	}
	return in, nil
}

// fetch gets an object, however often that takes; see Config.Attempts.
func (p *Prover) fetch(ctx context.Context, id chain.BlobID, want da.Want) (*da.Object, error) {
	if p.config.DA == nil {
		return nil, fmt.Errorf("%w: object %s of block %d, and there is no Config.DA", chain.ErrNotFound, want.Kind, want.Block.Number)
	}
	var object *da.Object
	err := p.retry(ctx, func(attempt int) (final bool, err error) {
		object, err = da.Get(ctx, p.config.DA, id, want)
		switch {
		case da.Final(err):
			return true, err
		case errors.Is(err, da.ErrNotFound), errors.Is(err, da.ErrCorrupt), errors.Is(err, da.ErrRefused):
			return attempt == p.config.Attempts, err
		}
		return false, err
	})
	return object, err
}
