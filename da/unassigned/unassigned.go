// Package unassigned is the data-availability layer of those who have none: it
// refuses everything, politely. It keeps a Config without a layer from being a
// nil pointer, and says in words what is missing.
package unassigned

import (
	"context"
	"errors"

	"github.com/vivace-chain/vivace/chain"
)

// ErrUnassigned is what every method of Client returns. It is not ErrNotFound:
// whether the blob exists somewhere is not known.
var ErrUnassigned = errors.New("no data-availability layer is assigned")

// Client implements chain.DAClient. It may be used concurrently.
type Client struct{}

var _ chain.DAClient = Client{}

// Put refuses with ErrUnassigned.
func (Client) Put(context.Context, []byte) (chain.BlobID, error) { return nil, ErrUnassigned }

// Get refuses with ErrUnassigned.
func (Client) Get(context.Context, chain.BlobID) ([]byte, error) { return nil, ErrUnassigned }
