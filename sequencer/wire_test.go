package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/internal/link"
)

// A wire is what was published: block 1, 2, 3 and so on, repetitions aside, each with
// one set of names for ever.
type wire struct {
	next uint64 // message of the topic
	said []string
}

var errWire = errors.New("publications")

// hear takes what is new on the bus.
func (w *wire) hear(bus *link.Bus) error {
	last, _, err := bus.Latest(context.Background(), link.TopicPublications)
	if errors.Is(err, chain.ErrNotFound) {
		return nil
	}
	next, err := bus.Subscribe(context.Background(), link.TopicPublications, w.next)
	if err != nil {
		return err
	}
	for w.next <= last {
		_, msg, err := next(context.Background())
		if err != nil {
			return err
		}
		w.next++
		if err := w.take(msg); err != nil {
			return err
		}
	}
	return nil
}

func (w *wire) take(msg []byte) error {
	p := new(chain.Publication)
	if err := p.UnmarshalBinary(msg); err != nil {
		return err
	}
	switch number := p.Block.Number; {
	case number == 0 || number > uint64(len(w.said))+1:
		return fmt.Errorf("%w: block %d comes after %d", errWire, number, len(w.said))
	case number == uint64(len(w.said))+1:
		w.said = append(w.said, string(msg))
	case w.said[number-1] != string(msg):
		return fmt.Errorf("%w: block %d has other names than it had", errWire, number)
	}
	return nil
}

func layerOf(t testing.TB, s memory.Settings) *memory.Layer {
	layer, err := memory.New(memory.Config{Seed: 1, Settings: s})
	require.NoError(t, err)
	return layer
}

// A countingDA counts the puts that succeeded, by what they hold.
type countingDA struct {
	chain.DAClient
	mu     sync.Mutex
	puts   map[string]int
	before func(ctx context.Context, o *da.Object) error // may fail a put; nil does not
	after  func(o *da.Object)
}

func newCountingDA(client chain.DAClient) *countingDA {
	return &countingDA{DAClient: client, puts: make(map[string]int)}
}

func (c *countingDA) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	o := new(da.Object)
	if err := o.UnmarshalBinary(blob); err != nil {
		return nil, err
	}
	if c.before != nil {
		if err := c.before(ctx, o); err != nil {
			return nil, err
		}
	}
	id, err := c.DAClient.Put(ctx, blob)
	if err == nil {
		c.mu.Lock()
		c.puts[string(blob)]++
		c.mu.Unlock()
		if c.after != nil {
			c.after(o)
		}
	}
	return id, err
}
