package sequencer

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// A Page is a part of the payloads of a block's objects, which may be larger than an answer
// can be.
type Page struct {
	// Sizes of block, witness and diff, in bytes.
	Sizes [3]uint64
	// Bytes of the three, which follow each other, from where was asked.
	Bytes []byte
}

// Objects gives up to most bytes, from the one of number from, of the payloads of an unproven
// block's objects, for provers that cannot reach the data-availability layer, or do not find
// the block there: what the sequencer keeps, and else what it reads from the layer. The page is
// the caller's. The error matches chain.ErrNotFound, or is the layer's.
func (d *Desk) Objects(ctx context.Context, number, from uint64, most int) (*Page, error) {
	return d.board.objects(ctx, number, from, most)
}

// objects implements board. Who asks for the first page is about to ask for the others, so
// with that, and no other, all that is kept of the block is compared with its claim.
func (s *Sequencer) objects(ctx context.Context, number, from uint64, most int) (*Page, error) {
	at, claim, err := s.collector.awaited(number)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		if page, err := s.kept.page(number, from, most); err == nil {
			return page, nil
		}
	}
	p, err := s.allObjects(ctx, at, claim)
	if err != nil {
		return nil, err
	}
	return p.page(from, most), nil
}

// allObjects are the payloads of a published block that its claim is about. What was not kept,
// and is given by the layer, is kept from then on.
func (s *Sequencer) allObjects(ctx context.Context, at *chain.Publication, claim *chain.Attestation) (payloads, error) {
	number := at.Block.Number
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
