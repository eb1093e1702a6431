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
		object, err := p.fetch(ctx, o.id, da.Want{Kind: o.kind, Block: job.Publication.Block}, in)
		switch {
		case err != nil:
			return nil, err
		case object == nil: // the Source had all
			return in, nil
		}
		*o.payload = object.Payload
	}
	return in, nil
}

// fetch gets an object, however often that takes; see Config.Attempts. If the Source has
// what the layer does not give, that is added to in, and there is no object.
func (p *Prover) fetch(ctx context.Context, id chain.BlobID, want da.Want, in *Input) (object *da.Object, err error) {
	err = p.retry(ctx, func(attempt int) (final bool, err error) {
		object, err = p.get(ctx, id, want)
		if err == nil {
			return true, nil
		}
		enough := da.Final(err) || p.config.DA == nil || attempt%p.config.Attempts == 0
		if source, has := p.config.Source.(ObjectSource); enough && has && ctx.Err() == nil {
			asked := p.ask(ctx, source, want.Block.Number, in)
			if asked == nil {
				return true, nil
			}
			err = fmt.Errorf("%w; and from the source: %v", err, asked)
		}
		return enough && isLost(err), err
	})
	return object, err
}

// isLost reports whether an error of the layer is not to be met by trying for ever.
func isLost(err error) bool {
	return da.Final(err) || errors.Is(err, da.ErrNotFound) || errors.Is(err, da.ErrCorrupt) || errors.Is(err, da.ErrRefused)
}

func (p *Prover) get(ctx context.Context, id chain.BlobID, want da.Want) (*da.Object, error) {
	if p.config.DA == nil {
		return nil, fmt.Errorf("%w: object %s of block %d, and there is no Config.DA", chain.ErrNotFound, want.Kind, want.Block.Number)
	}
	return da.Get(ctx, p.config.DA, id, want)
}

// ask asks the Source for what is missing of a block. Whose the bytes are makes no
// difference: they must be the block that was announced, a witness of its parent's state,
// and the diff of what the block does, or nothing is attested.
func (p *Prover) ask(ctx context.Context, source ObjectSource, number uint64, in *Input) error {
	var block, witness, diff []byte
	err := p.retry(ctx, func(attempt int) (_ bool, err error) {
		block, witness, diff, err = source.Objects(ctx, number)
		return !passes(err) || attempt == p.config.Attempts, err
	})
	if err != nil {
		return err
	}
	for _, o := range []struct {
		payload *[]byte
		given   []byte
	}{{&in.Block, block}, {&in.Witness, witness}, {&in.Diff, diff}} {
		if *o.payload == nil {
			*o.payload = o.given
		}
	}
	p.fromSource.Add(1)
	return nil
}
