package fullnode

import (
	"context"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// indexBatch is how many publications Config.Index is asked for at a time.
const indexBatch = 64

// published reads publications block by block: from Config.Index until that has no more,
// and then from the topic. If there is a gap between the two, whoever begins anew asks the
// index again.
type published struct {
	cfg     *Config
	said    func(number uint64) (chain.BlockID, bool) // by the topic, of blocks that the node does not have
	want    uint64                                    // the block whose publication is next
	batch   []chain.Publication
	indexed bool // the index has been read
	next    func(context.Context) (uint64, []byte, error)
}

// take is the publication of the next block. It waits for it. A block of which there is
// none any more is chain.ErrOutOfStep.
func (p *published) take(ctx context.Context) (*chain.Publication, error) {
	found, err := p.fromIndex(ctx)
	if found == nil && err == nil {
		found, err = p.fromTopic(ctx)
	}
	if err == nil {
		p.want++
	}
	return found, err
}

// fromIndex is nil without an error if the index has nothing to give.
func (p *published) fromIndex(ctx context.Context) (*chain.Publication, error) {
	if p.cfg.Index == nil || p.indexed {
		return nil, nil
	}
	if len(p.batch) == 0 {
		batch, err := p.cfg.Index(ctx, p.want, indexBatch)
		if err != nil {
			return nil, fmt.Errorf("publications from block %d: %w", p.want, err)
		}
		p.batch = batch
	}
	for len(p.batch) > 0 {
		found := &p.batch[0]
		switch p.batch = p.batch[1:]; {
		case found.Block.Number < p.want:
		case found.Block.Number == p.want:
			if id, ok := p.said(p.want); ok && id != found.Block {
				return nil, &chain.MismatchError{Block: p.want, Field: "hash in the index of publications", Got: found.Block.Hash.Hex(), Want: id.Hash.Hex()}
			}
			return found, nil
		default:
			p.batch = nil // it has a gap
		}
	}
	p.indexed = true
	return nil, nil
}

func (p *published) fromTopic(ctx context.Context) (*chain.Publication, error) {
	if p.next == nil {
		next, err := p.cfg.Subscriber.Subscribe(ctx, link.TopicPublications, link.Oldest)
		if err != nil {
			return nil, err
		}
		p.next = next
	}
	for {
		_, msg, err := p.next(ctx)
		if err != nil {
			return nil, err
		}
		found := new(chain.Publication)
		switch err := found.UnmarshalBinary(msg); {
		case err != nil || found.Block.Number < p.want:
			// What cannot be read is counted where it is heard of the head.
		case found.Block.Number > p.want:
			return nil, fmt.Errorf("%w: publications of blocks %d to %d are not kept", chain.ErrOutOfStep, p.want, found.Block.Number-1)
		default:
			return found, nil
		}
	}
}
