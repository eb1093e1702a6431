package fullnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// A recording is all that a sequencer said of some blocks.
type recording struct {
	spec         *genesis.Spec
	bus          *link.Bus
	layer        *memory.Layer
	feed         [][]byte
	bodies       int             // messages
	ends         []uint64        // of each block, the number of the message after its last frame
	headers      []*chain.Header // by number
	publications []chain.Publication
	snapshots    [][]byte // offers of every fourth block's
}

// recordBlocks runs a sequencer until so many blocks are published. A snapshot is taken
// of each fourth block; one that cannot keep up leaves some out, and is run again.
func recordBlocks(t *testing.T, blocks uint64) *recording {
	for range 10 {
		if r := tryRecord(t, blocks); r.snapshotsUpTo(t, min(blocks/4, 2)) {
			return r
		}
	}
	t.Fatal("no sequencer took all snapshots")
	return nil
}

// snapshotsUpTo reports whether the first n snapshots are those of blocks 4, 8 and so on.
func (r *recording) snapshotsUpTo(t *testing.T, n uint64) bool {
	for i := range n {
		var offer chain.SnapshotOffer
		require.NoError(t, offer.UnmarshalBinary(r.snapshots[i]))
		if offer.Block.Number != 4*(i+1) {
			return false
		}
	}
	return true
}

func tryRecord(t *testing.T, blocks uint64) *recording {
	load, err := datagen.New(datagen.Config{Seed: 5, Accounts: 10, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	require.NoError(t, err)
	layer, err := memory.New(memory.Config{Seed: 1})
	require.NoError(t, err)
	r := &recording{spec: spec, bus: link.NewBus(1 << 30), layer: layer}
	s, err := sequencer.New(context.Background(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), Durability: state.DurabilityNone,
		DA: layer, Publisher: r.bus, Subscriber: r.bus, BaseFee: uint256.NewInt(genesis.DevBaseFee),
		MiniBlockInterval: time.Millisecond, BlockInterval: 10 * time.Millisecond, SnapshotBlocks: 4, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	lane, began := load.Lanes(1)[0], time.Now()
	for r.messages(t, link.TopicPublications) < blocks || r.messages(t, link.TopicSnapshots) < min(blocks/4, 2) {
		require.Less(t, time.Since(began), 30*time.Second)
		tx := lane.Batch(1)[0]
		_, err := s.Submit(ctx, tx.Raw)
		for ; errors.Is(err, chain.ErrBusy); _, err = s.Submit(ctx, tx.Raw) {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, err)
	}
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, s.Close())
	r.read(t)
	return r
}

// messages is how many of a topic there are: what the sequencer says of itself may be of
// one more, which it does not say any more when it ends.
func (r *recording) messages(t *testing.T, topic string) uint64 {
	last, _, err := r.bus.Latest(t.Context(), topic)
	if errors.Is(err, chain.ErrNotFound) {
		return 0
	}
	require.NoError(t, err)
	return last + 1
}

func (r *recording) read(t *testing.T) {
	all := func(topic string) (out [][]byte) {
		last, _, err := r.bus.Latest(t.Context(), topic)
		require.NoError(t, err)
		next, err := r.bus.Subscribe(t.Context(), topic, 0)
		require.NoError(t, err)
		for range last + 1 {
			_, msg, err := next(t.Context())
			require.NoError(t, err)
			out = append(out, append([]byte(nil), msg...))
		}
		return out
	}
	r.feed = all(link.TopicFeed)
	r.ends, r.headers = []uint64{0}, []*chain.Header{r.spec.Genesis.Header}
	for i, msg := range r.feed {
		kind, payload, err := link.ParseFeed(msg)
		require.NoError(t, err)
		if kind == link.FeedHeader {
			var sealed chain.Sealed
			require.NoError(t, sealed.UnmarshalBinary(payload))
			r.headers = append(r.headers, sealed.Header)
			continue
		}
		var frame chain.Frame
		require.NoError(t, frame.UnmarshalBinary(payload))
		if frame.Last {
			r.ends = append(r.ends, uint64(i)+1)
		}
	}
	r.bodies, r.snapshots = len(all(link.TopicBodies)), all(link.TopicSnapshots)
	for _, msg := range all(link.TopicPublications) {
		var p chain.Publication
		require.NoError(t, p.UnmarshalBinary(msg))
		r.publications = append(r.publications, p)
	}
}

// published is the newest block that is in the layer, last the newest that has a header.
func (r *recording) published() uint64 { return uint64(len(r.publications)) }
func (r *recording) last() uint64      { return uint64(len(r.headers)) - 1 }

// An outlet is a recording as far as it has come, to who keeps no more than that.
type outlet struct {
	*recording

	mu     sync.Mutex
	oldest uint64   // message of the feed that is kept
	until  uint64   // messages of the feed that have come
	kept   uint64   // the oldest block whose publication is kept
	known  uint64   // the newest block whose publication has come
	said   [][]byte // attestations
	alter  func(*chain.Publication)
	offers uint64 // snapshots that are on offer
}

func newOutlet(r *recording) *outlet { return &outlet{recording: r, known: r.published()} }

func (o *outlet) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *outlet) Latest(_ context.Context, topic string) (uint64, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case topic == link.TopicFeed && o.until > o.oldest:
		return o.until - 1, o.feed[o.until-1], nil
	case topic == link.TopicPublications && o.known > 0:
		msg, err := o.publications[o.known-1].AppendBinary(nil)
		return o.known, msg, err
	case topic == link.TopicSnapshots && o.offers > 0:
		return o.offers - 1, o.snapshots[o.offers-1], nil
	}
	return 0, nil, chain.ErrNotFound
}

// at is message number from of a topic, or nil if it has not come.
func (o *outlet) at(topic string, from *uint64) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first, end := uint64(0), uint64(0)
	switch topic {
	case link.TopicFeed:
		first, end = o.oldest, o.until
	case link.TopicPublications:
		first, end = o.kept, o.known+1
	case link.TopicAttestations:
		end = uint64(len(o.said))
	case link.TopicSnapshots:
		end = o.offers
	}
	if *from == link.Oldest {
		*from = first
	}
	switch {
	case *from < first:
		return nil, fmt.Errorf("%w: message %d of %s is gone", chain.ErrOutOfStep, *from, topic)
	case *from >= end:
		return nil, nil
	}
	*from++
	switch topic {
	case link.TopicFeed:
		return o.feed[*from-1], nil
	case link.TopicAttestations:
		return o.said[*from-1], nil
	case link.TopicSnapshots:
		return o.snapshots[*from-1], nil
	}
	if *from == 1 {
		return nil, nil // they are numbered by block
	}
	p := o.publications[*from-2]
	if o.alter != nil {
		o.alter(&p)
	}
	return p.AppendBinary(nil)
}

func (o *outlet) Subscribe(_ context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	return func(ctx context.Context) (uint64, []byte, error) {
		for {
			msg, err := o.at(topic, &from)
			if err != nil || msg != nil {
				return from - 1, msg, err
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		}
	}, nil
}

// node makes a full node that has nothing but the outlet and the layer.
func (o *outlet) node(t *testing.T, change ...func(*fullnode.Config)) *keeping {
	return newKeeping(t, o.spec, o, nil, nil, append([]func(*fullnode.Config){func(c *fullnode.Config) {
		c.History = nil
		c.DA, c.FromDA, c.RejoinDelay, c.FeedPatience = o.layer, true, time.Millisecond, 50*time.Millisecond
	}}, change...)...)
}

// stands reports whether the node's newest block is number, and its own.
func (k *keeping) stands(r *recording, number uint64) func() bool {
	return func() bool {
		head := k.Heads().RootChecked
		require.Equal(k.t, r.headers[head.Number].ID(), head)
		return head.Number >= number
	}
}
