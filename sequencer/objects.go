package sequencer

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// Objects gives the payloads of an unproven block's objects, for provers that cannot reach
// the data-availability layer, or do not find the block there: what the sequencer keeps, and
// else what it reads from the layer. They are not to be altered. The error matches
// chain.ErrNotFound, chain.ErrTooLarge, or is the layer's.
func (d *Desk) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	p, err := d.board.objects(ctx, number)
	if err != nil {
		return nil, nil, nil, err
	}
	if p.size() > d.cfg.ObjectsBytes {
		return nil, nil, nil, fmt.Errorf("%w: objects of block %d have more than %d bytes", chain.ErrTooLarge, number, d.cfg.ObjectsBytes)
	}
	return p.body, p.witness, p.diff, nil
}

// objects implements board. What was not kept and is given by the layer is kept from then on.
func (s *Sequencer) objects(ctx context.Context, number uint64) (payloads, error) {
	at, claim, err := s.collector.awaited(number)
	if err != nil {
		return payloads{}, err
	}
	p, err := s.kept.get(number)
	if err == nil {
		err = checkPayloads(claim, &p)
	}
	switch {
	case err == nil:
		return p, nil
	case !errors.Is(err, chain.ErrNotFound):
		s.cfg.Logger.Error("objects of a block are not as they were kept; they are read from the data-availability layer", "block", number, "error", err)
	}
	if p, err = s.gather(ctx, at); err != nil {
		return payloads{}, err
	}
	if err := checkPayloads(claim, &p); err != nil {
		return payloads{}, err
	}
	return p, s.kept.keep(number, &p)
}

// gather reads the payloads of a published block from the layer.
func (s *Sequencer) gather(ctx context.Context, at *chain.Publication) (out payloads, err error) {
	for _, o := range []struct {
		kind    da.Kind
		id      chain.BlobID
		payload *[]byte
	}{{da.Block, at.Body, &out.body}, {da.Witness, at.Witness, &out.witness}, {da.Diff, at.Diff, &out.diff}} {
		object, err := da.Get(ctx, s.cfg.DA, o.id, da.Want{Kind: o.kind, Block: at.Block})
		if err != nil {
			return out, err
		}
		*o.payload = object.Payload
	}
	return out, nil
}

// awaited is where a block is that is published and not proven, and what provers must say
// of it; chain.ErrNotFound for others.
func (c *collector) awaited(number uint64) (*chain.Publication, *chain.Attestation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.claims[number]
	if cl == nil || cl.publication == nil {
		return nil, nil, fmt.Errorf("objects of block %d, which is not among the unproven ones: %w", number, chain.ErrNotFound)
	}
	return cl.publication, &cl.want, nil // neither is altered
}

// checkPayloads compares payloads with the claim of their block.
func checkPayloads(claim *chain.Attestation, p *payloads) error {
	if chain.Keccak256(p.body) == claim.BlockDigest && chain.Keccak256(p.witness) == claim.WitnessDigest && chain.Keccak256(p.diff) == claim.DiffDigest {
		return nil
	}
	return &chain.MismatchError{Block: claim.Block.Number, Field: "digests of objects", Got: "another's", Want: "the claim's"}
}
