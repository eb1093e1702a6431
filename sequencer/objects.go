package sequencer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// Objects gives the payloads of an unproven block's objects, for provers that cannot reach
// the data-availability layer, or do not find the block there: what the sequencer keeps, and
// else what it reads from the layer. They are not to be altered. The error matches
// chain.ErrNotFound, chain.ErrTooLarge, or is the layer's.
func (d *Desk) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	todo := d.board.Unproven(d.cfg.Blocks)
	i, found := slices.BinarySearchFunc(todo, number, func(u Unproven, number uint64) int {
		return cmp.Compare(u.Publication.Block.Number, number)
	})
	if !found {
		return nil, nil, nil, fmt.Errorf("objects of block %d, which is not among the unproven ones: %w", number, chain.ErrNotFound)
	}
	o, ok := d.board.keptObjects(number)
	if !ok {
		if o, err = d.read(ctx, &todo[i].Publication); err != nil {
			return nil, nil, nil, err
		}
	}
	if len(o.body)+len(o.witness)+len(o.diff) > d.cfg.ObjectsBytes {
		return nil, nil, nil, d.tooLarge(number)
	}
	return o.body, o.witness, o.diff, nil
}

func (d *Desk) tooLarge(number uint64) error {
	return fmt.Errorf("%w: objects of block %d have more than %d bytes", chain.ErrTooLarge, number, d.cfg.ObjectsBytes)
}

// read reads the payloads from the layer, up to the first that is too much.
func (d *Desk) read(ctx context.Context, p *chain.Publication) (payloads, error) {
	left := d.cfg.ObjectsBytes
	return gather(p, func(id chain.BlobID, want da.Want) (*da.Object, error) {
		object, err := da.Get(ctx, d.da, id, want)
		if err != nil {
			return nil, err
		}
		if left -= len(object.Payload); left < 0 {
			return nil, d.tooLarge(p.Block.Number)
		}
		return object, nil
	})
}

// gather gets the payloads of a published block.
func gather(p *chain.Publication, get func(chain.BlobID, da.Want) (*da.Object, error)) (out payloads, err error) {
	for _, o := range []struct {
		kind    da.Kind
		id      chain.BlobID
		payload *[]byte
	}{{da.Block, p.Body, &out.body}, {da.Witness, p.Witness, &out.witness}, {da.Diff, p.Diff, &out.diff}} {
		object, err := get(o.id, da.Want{Kind: o.kind, Block: p.Block})
		if err != nil {
			return out, err
		}
		*o.payload = object.Payload
	}
	return out, nil
}

// keptObjects implements board.
func (s *Sequencer) keptObjects(number uint64) (payloads, bool) { return s.kept.get(number) }
