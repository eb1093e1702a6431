package altda

import (
	"bytes"
	"context"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// Local returns a layer in this process under the names that a Client of mode Keccak has
// for it when a Server serves it: who writes needs no server, and one that is ReadOnly
// serves all others. The layer's own BlobID of every blob must be its keccak256, as
// da/directory has it. It may be used concurrently, as far as layer may.
func Local(layer chain.DAClient) chain.DAClient { return local{layer} }

type local struct{ layer chain.DAClient }

// Put implements chain.DAClient.
func (l local) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	id, err := l.layer.Put(ctx, blob)
	if err != nil {
		return nil, err
	}
	commitment := appendKeccak(nil, blob)
	if !bytes.Equal(id, commitment[1:]) {
		return nil, fmt.Errorf("%w: altda: the layer names a blob %x, which is not its hash", chain.ErrMismatch, []byte(id))
	}
	return commitment, nil
}

// Get implements chain.DAClient.
func (l local) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	hash, ok := parseKeccak(id)
	if !ok {
		return nil, fmt.Errorf("%w: altda: no keccak commitment is in an id of %d bytes", chain.ErrNotFound, len(id))
	}
	blob, err := l.layer.Get(ctx, hash[:])
	if err == nil {
		err = da.CheckBlob(blob, hash)
	}
	if err != nil {
		return nil, fmt.Errorf("altda: blob %s: %w", hash, err)
	}
	return blob, nil
}
