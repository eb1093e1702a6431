// Package inprocess is a data-availability layer in the memory of one process, for
// tests, examples and development. It keeps everything until the process ends.
package inprocess

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Client implements chain.DAClient; blobs are under the keccak256 of their content. It
// may be used concurrently.
type Client struct {
	mu    sync.Mutex
	blobs map[common.Hash][]byte
}

var _ chain.DAClient = (*Client)(nil)

// New returns an empty layer.
func New() *Client { return &Client{blobs: make(map[common.Hash][]byte)} }

// Put implements chain.DAClient.
func (c *Client) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	hash := chain.Keccak256(blob)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[hash] = bytes.Clone(blob)
	return hash[:], nil
}

// Get implements chain.DAClient.
func (c *Client) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	blob, ok := c.blobs[common.BytesToHash(id)]
	if !ok || len(id) != common.HashLength {
		return nil, fmt.Errorf("%w: blob %x", chain.ErrNotFound, id)
	}
	return append([]byte{}, blob...), nil
}
