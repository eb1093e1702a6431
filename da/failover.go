package da

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// failoverMost is how many layers a byte of a BlobID can name.
const failoverMost = 256

// FailoverConfig is the Config of a Failover. Layers are required.
type FailoverConfig struct {
	// Layers in order of preference, at most 256. Their positions are part of
	// BlobIDs: readers have the same list, and a list may only grow at its end. A layer
	// that was used alone, without a Failover, may become the first of a list: see Get.
	Layers []chain.DAClient
	// Cooldown is how long blobs go to another layer before the first one is tried
	// again. Default 5 minutes.
	Cooldown time.Duration
	// Patience is for how long a layer may bring nothing but ErrTransient, which may be
	// nobody at all who answers, until it counts as down. ErrBusy is an answer. Default
	// 1 minute.
	Patience time.Duration
}

// A Failover implements chain.DAClient over several layers: where one says that it is
// down, with ErrFailover, or has had no answer for long, blobs go to the next, and stay
// there until the first has had time to recover. Other errors are the caller's affair. A Get asks the one layer that
// has the blob. It may be used concurrently.
//
//	BlobID  position of the layer, 1 byte, then the layer's BlobID
type Failover struct {
	config FailoverConfig

	mu     sync.Mutex
	active int         // where blobs go
	until  time.Time   // then the first layer is tried, if it is not active
	silent []time.Time // since when each layer does not answer; zero if it did
}

var _ chain.DAClient = (*Failover)(nil)

// NewFailover returns a client of several layers.
func NewFailover(config FailoverConfig) (*Failover, error) {
	if n := len(config.Layers); n == 0 || n > failoverMost || slices.Contains(config.Layers, nil) {
		return nil, fmt.Errorf("da: fail over between %d layers: from 1 to %d can be, none of them nil", n, failoverMost)
	}
	if config.Cooldown <= 0 {
		config.Cooldown = 5 * time.Minute
	}
	if config.Patience <= 0 {
		config.Patience = time.Minute
	}
	return &Failover{config: config, silent: make([]time.Time, len(config.Layers))}, nil
}

// Active is the position of the layer that blobs go to.
func (f *Failover) Active() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.active
}

// Put implements chain.DAClient. The error matches ErrFailover when all layers are
// down.
func (f *Failover) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	var (
		layers      = f.config.Layers
		from, start = f.start()
		errs        []error
	)
	for step := range layers {
		at := (start + step) % len(layers)
		id, err := layers[at].Put(ctx, blob)
		down := ctx.Err() == nil && f.isDown(at, err)
		if err == nil {
			f.settle(from, at)
			return append(chain.BlobID{byte(at)}, id...), nil
		}
		err = fmt.Errorf("layer %d: %w", at, err)
		if !down {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// start is the active layer, and the one to try first. When the time has come to try the
// first one again, one Put does that; the others go on where they are.
func (f *Failover) start() (active, first int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.active != 0 && !now.Before(f.until) {
		f.until = now.Add(f.config.Cooldown)
		return f.active, 0
	}
	return f.active, f.active
}

// isDown notes how a Put ended at a layer, and reports whether that is down.
func (f *Failover) isDown(at int, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := &f.silent[at]
	switch {
	case errors.Is(err, ErrFailover):
		return true
	case !errors.Is(err, ErrTransient) || errors.Is(err, ErrBusy):
		*since = time.Time{}
	case since.IsZero():
		*since = time.Now()
	}
	return !since.IsZero() && time.Since(*since) >= f.config.Patience
}

// settle says that a Put, which began when layer from was active, has ended well at layer
// at. If another Put has moved on meanwhile, that knows better.
func (f *Failover) settle(from, at int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at != from && f.active == from {
		f.active, f.until = at, time.Now().Add(f.config.Cooldown)
	}
}

// Get implements chain.DAClient. An id under which no layer has something may be older than
// the list, and without a position: the first layer is asked for the whole of it.
func (f *Failover) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	blob, err := f.getAt(ctx, id)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrFailover) || errors.Is(err, ErrTransient) {
		return blob, err
	}
	if whole, errWhole := f.config.Layers[0].Get(ctx, id); errWhole == nil {
		return whole, nil
	}
	return nil, err
}

// getAt asks the layer that an id names.
func (f *Failover) getAt(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if len(id) == 0 || int(id[0]) >= len(f.config.Layers) {
		return nil, fmt.Errorf("%w: an id of %d bytes names none of %d layers", chain.ErrNotFound, len(id), len(f.config.Layers))
	}
	blob, err := f.config.Layers[id[0]].Get(ctx, id[1:])
	if err != nil {
		return nil, fmt.Errorf("layer %d: %w", id[0], err)
	}
	return blob, nil
}
