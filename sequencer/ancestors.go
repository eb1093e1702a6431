package sequencer

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// ancestors knows the headers of the newest sealed blocks, and holds a future for
// those that are closed but have no root yet.
type ancestors struct {
	mu     sync.Mutex
	blocks map[uint64]*future
}

// A future becomes a header, once.
type future struct {
	done   chan struct{}
	header *chain.Header
	hash   common.Hash
}

// BLOCKHASH reaches 256 blocks back; a witness needs the headers in between.
const ancestorsKept = 512

func newAncestors() *ancestors { return &ancestors{blocks: make(map[uint64]*future)} }

// expect makes a future for block number and forgets the oldest block.
func (a *ancestors) expect(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.blocks[number] == nil {
		a.blocks[number] = &future{done: make(chan struct{})}
	}
	delete(a.blocks, number-ancestorsKept)
}

// sealed resolves the future of the header's block.
func (a *ancestors) sealed(h *chain.Header) {
	a.expect(h.Number)
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.blocks[h.Number]
	f.header, f.hash = h, h.Hash()
	close(f.done)
}

func (a *ancestors) get(number uint64) (*future, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.blocks[number]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("%w: header %d is not kept", chain.ErrUnknown, number)
}

// BlockHash implements chain.Ancestors: it waits for a future.
func (a *ancestors) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	f, err := a.get(number)
	if err != nil {
		return common.Hash{}, err
	}
	select {
	case <-f.done:
		return f.hash, nil
	case <-ctx.Done():
		return common.Hash{}, ctx.Err()
	}
}

// header returns a sealed header, without waiting.
func (a *ancestors) header(number uint64) (*chain.Header, error) {
	f, err := a.get(number)
	if err != nil {
		return nil, fmt.Errorf("%w: block %d", chain.ErrNotFound, number)
	}
	select {
	case <-f.done:
		return f.header, nil
	default:
		return nil, fmt.Errorf("%w: block %d is not sealed", chain.ErrNotFound, number)
	}
}

// witnessHeaders are the headers that a witness for child needs, from the parent
// backwards: child must be sealed, accessed the lowest block whose hash it read.
func (a *ancestors) witnessHeaders(child, oldest uint64) ([][]byte, error) {
	var out [][]byte
	for i := range chain.WitnessHeaders(child, oldest) {
		h, err := a.header(child - 1 - uint64(i))
		if err != nil {
			return nil, err
		}
		raw, err := h.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}
