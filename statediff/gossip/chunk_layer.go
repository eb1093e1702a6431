package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A layered is a data-availability layer with the network behind it.
type layered struct {
	chain.DAClient
	node       *Node
	isSnapshot func(blob []byte) bool
}

// Layer is layer, and behind it the network, for snapshots that are on offer: what is
// neither kept here nor given by the layer, peers are asked for. What is put or got is kept
// for them, in Config.SnapshotDir. All else is the layer's affair alone.
//
// isSnapshot tells which blobs are snapshots when they are put; nil: none is. An error of
// Get matches what the layer's does.
func (n *Node) Layer(layer chain.DAClient, isSnapshot func(blob []byte) bool) chain.DAClient {
	return &layered{layer, n, isSnapshot}
}

// errSpoiled: the layer gave something else than what is on offer.
var errSpoiled = errors.New("it is not what the offer says")

// Put implements chain.DAClient.
func (l *layered) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	id, err := l.DAClient.Put(ctx, blob)
	if err == nil && l.node.SnapshotDir != "" && l.isSnapshot != nil && l.isSnapshot(blob) {
		l.node.stockUp(blob, chain.ChunksOf(blob))
	}
	return id, err
}

// Get implements chain.DAClient.
func (l *layered) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	digest := l.node.shelf.offered(id)
	if digest == (common.Hash{}) {
		return l.DAClient.Get(ctx, id)
	}
	if blob := l.node.stock.read(digest); blob != nil {
		return blob, nil
	}
	blob, chunks, err := l.fromLayer(ctx, id, digest)
	if err != nil && ctx.Err() == nil {
		blob, chunks, err = l.fromPeers(ctx, digest, err)
	}
	if err != nil {
		return nil, err
	}
	l.node.stockUp(blob, chunks)
	return blob, nil
}

// fromLayer gets contents from the layer, and checks them: their name may not tell.
func (l *layered) fromLayer(ctx context.Context, id chain.BlobID, digest common.Hash) ([]byte, *chain.Chunks, error) {
	blob, err := l.DAClient.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	chunks := chain.ChunksOf(blob)
	if chunks.Digest() != digest {
		return nil, nil, &chain.CorruptError{What: fmt.Sprintf("blob %x", id), Offset: -1, Err: errSpoiled}
	}
	return blob, chunks, nil
}

// fromPeers gets contents that the layer does not give, because of why.
func (l *layered) fromPeers(ctx context.Context, digest common.Hash, why error) ([]byte, *chain.Chunks, error) {
	began := time.Now()
	blob, chunks, err := l.node.download(ctx, digest)
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case err != nil:
		return nil, nil, fmt.Errorf("%w; from peers: %v", why, err)
	}
	l.node.Logger.Info("gossip: a snapshot came from peers", "bytes", len(blob), "took", time.Since(began), "layer", why)
	return blob, chunks, nil
}

// stockUp keeps contents for peers, if they can be.
func (n *Node) stockUp(blob []byte, chunks *chain.Chunks) {
	if err := n.stock.keep(blob, chunks); err != nil {
		n.Logger.Warn("gossip: contents of a snapshot are not kept for peers", "bytes", len(blob), "err", err)
	}
}

// offered is the digest of the chunks of a blob that is on offer, or zero.
func (s *shelf) offered(id chain.BlobID) common.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.snapshots.items) - 1; i >= 0; i-- {
		offer := new(chain.SnapshotOffer)
		if err := offer.UnmarshalBinary(s.snapshots.items[i].Body); err == nil && bytes.Equal(offer.Blob, id) {
			return offer.Chunks
		}
	}
	return common.Hash{}
}
