package fullnode

import (
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
)

// headersKept is how many of the newest headers a node keeps in memory, some 6 MB of them:
// BLOCKHASH reaches 256 blocks back, and provers may lag by 4096 until a sequencer, by
// default, waits for them; their words are heard as long after that as peers keep them.
const headersKept = 8192

// An ancestry is the newest headers of a node's own chain: of blocks whose root it has
// checked, or that were in the snapshot it began at. It may be used concurrently.
type ancestry struct {
	mu      sync.Mutex
	headers map[uint64]*chain.Header
}

var _ chain.Ancestors = (*ancestry)(nil)

// newAncestry has the headers of a snapshot, which link to its block's own.
func newAncestry(head *chain.Header, point *checkpoint.Point) (*ancestry, error) {
	a := &ancestry{headers: map[uint64]*chain.Header{head.Number: head}}
	if point == nil {
		return a, nil
	}
	for child := head; len(a.headers) < len(point.Headers); {
		parent := new(chain.Header)
		if err := parent.UnmarshalBinary(point.Headers[len(a.headers)]); err != nil {
			return nil, err
		}
		if err := child.CheckParent(parent); err != nil {
			return nil, fmt.Errorf("headers of the snapshot: %w", err)
		}
		a.headers[parent.Number] = parent
		child = parent
	}
	return a, nil
}

// add adds the newest header.
func (a *ancestry) add(h *chain.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.headers[h.Number] = h
	if h.Number >= headersKept {
		delete(a.headers, h.Number-headersKept)
	}
}

// header is that of a block, or nil if it is not kept.
func (a *ancestry) header(number uint64) *chain.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.headers[number]
}

// BlockHash implements chain.Ancestors.
func (a *ancestry) BlockHash(_ context.Context, number uint64) (common.Hash, error) {
	if h := a.header(number); h != nil {
		return h.Hash(), nil
	}
	return common.Hash{}, fmt.Errorf("%w: hash of block %d", chain.ErrUnknown, number)
}
