package sequencer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// Objects reads the payloads of an unproven block's objects from the data-availability
// layer, for provers that cannot reach it. The error matches chain.ErrNotFound,
// chain.ErrTooLarge, or is the layer's.
func (d *Desk) Objects(ctx context.Context, number uint64) (block, witness, diff []byte, err error) {
	todo := d.board.Unproven(d.cfg.Blocks)
	i, found := slices.BinarySearchFunc(todo, number, func(u Unproven, number uint64) int {
		return cmp.Compare(u.Publication.Block.Number, number)
	})
	if !found {
		return nil, nil, nil, fmt.Errorf("objects of block %d, which is not among the unproven ones: %w", number, chain.ErrNotFound)
	}
	p, left := &todo[i].Publication, d.cfg.ObjectsBytes
	for _, o := range []struct {
		kind    da.Kind
		id      chain.BlobID
		payload *[]byte
	}{{da.Block, p.Body, &block}, {da.Witness, p.Witness, &witness}, {da.Diff, p.Diff, &diff}} {
		object, err := da.Get(ctx, d.da, o.id, da.Want{Kind: o.kind, Block: p.Block})
		if err != nil {
			return nil, nil, nil, err
		}
		if left -= len(object.Payload); left < 0 {
			return nil, nil, nil, fmt.Errorf("%w: objects of block %d have more than %d bytes", chain.ErrTooLarge, number, d.cfg.ObjectsBytes)
		}
		*o.payload = object.Payload
	}
	return block, witness, diff, nil
}
