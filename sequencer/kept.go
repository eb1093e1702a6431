package sequencer

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// kept are the payloads of blocks that are not proven, in memory, for provers that do not
// find them in the data-availability layer: what that loses after it was read back, nobody
// else could give them.
//
// They take up to max bytes. Of those that do not fit, the newest are given up: the proven
// head waits for the oldest, and can pass none. After a restart they are read from the layer,
// as far as that still has them.
//
// Rejected: to give up the oldest, as caches do. With provers that are away for longer than
// the bytes last, the head would stand at a block of which nothing is kept, while what is
// kept is of no use before that.
type kept struct {
	max int

	mu     sync.Mutex
	bytes  int
	proven uint64 // nothing up to here is kept
	blocks map[uint64]payloads
}

// payloads are those of a block's objects.
type payloads struct{ body, witness, diff []byte }

func (p *payloads) size() int { return cap(p.body) + cap(p.witness) + cap(p.diff) }

// keep keeps the payloads of a block, which nobody may alter from then on, if they fit.
func (k *kept) keep(number uint64, p payloads) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number <= k.proven || k.max <= 0 {
		return
	}
	if k.blocks == nil {
		k.blocks = make(map[uint64]payloads)
	}
	k.blocks[number] = p
	k.bytes += p.size()
	for k.bytes > k.max {
		k.drop(k.newest())
	}
}

func (k *kept) newest() (number uint64) {
	for n := range k.blocks {
		number = max(number, n)
	}
	return number
}

func (k *kept) drop(number uint64) {
	p := k.blocks[number]
	k.bytes -= p.size()
	delete(k.blocks, number)
}

// prove gives up the blocks up to number, which are proven.
func (k *kept) prove(number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.proven = max(k.proven, number)
	for n := range k.blocks {
		if n <= k.proven {
			k.drop(n)
		}
	}
}

// room is how many bytes a block may have to be kept; 0 if it is, or is proven.
func (k *kept) room(number uint64) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.blocks[number]; known || number <= k.proven {
		return 0
	}
	return max(0, k.max-k.bytes)
}

func (k *kept) get(number uint64) (payloads, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.blocks[number]
	return p, ok
}

// report is what Stats says of them.
func (k *kept) report(s *Stats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.UnprovenBytes, s.UnprovenBytesMax = k.bytes, k.max
}

// refill reads what an earlier run has published and nobody has proven, oldest first, so that
// it is kept again. What the layer does not give is left out: provers say whether they miss it.
func (s *Sequencer) refill(ctx context.Context) error {
	if s.cfg.ReadBackTime < 0 {
		return nil
	}
	for _, u := range s.Unproven(math.MaxInt) {
		number := u.Publication.Block.Number
		if s.kept.room(number) == 0 {
			continue
		}
		p, err := s.reread(ctx, &u.Publication)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.cfg.Logger.Error("objects of a block that is not proven cannot be read", "block", number, "error", err)
			continue
		}
		if s.kept.keep(number, p); s.kept.room(number) > 0 {
			return nil // it does not fit, nor will what is newer
		}
	}
	return nil
}

// reread reads the payloads of a published block, and compares them with its claim.
func (s *Sequencer) reread(ctx context.Context, at *chain.Publication) (payloads, error) {
	p, err := gather(at, func(id chain.BlobID, want da.Want) (*da.Object, error) {
		return s.read(ctx, id, want, s.cfg.ReadBackTime)
	})
	if err != nil {
		return p, err
	}
	return p, s.collector.checkPayloads(at.Block.Number, &p)
}

// checkPayloads compares payloads with the claim of their block.
func (c *collector) checkPayloads(number uint64, p *payloads) error {
	c.mu.Lock()
	cl := c.claims[number]
	c.mu.Unlock()
	switch {
	case cl == nil:
		return fmt.Errorf("claim of block %d: %w", number, chain.ErrNotFound)
	case chain.Keccak256(p.body) != cl.want.BlockDigest || chain.Keccak256(p.witness) != cl.want.WitnessDigest || chain.Keccak256(p.diff) != cl.want.DiffDigest:
		return &chain.MismatchError{Block: number, Field: "digests of objects", Got: "another's", Want: "the claim's"}
	}
	return nil
}
