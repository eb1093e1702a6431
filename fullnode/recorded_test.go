package fullnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// offered is how many snapshots are on offer.
const offered = 5

// recordSnapshots runs a sequencer that offers a snapshot of every second block, and
// returns what went over the bus, and its last block, which is some after the last offer.
func recordSnapshots(t *testing.T) (*genesis.Spec, *recorded, uint64) {
	load, err := datagen.New(datagen.Config{Seed: 5, Accounts: 10, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	require.NoError(t, err)
	bus, layer := link.NewBus(1<<30), inprocess.New()
	s, err := sequencer.New(context.Background(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), Durability: state.DurabilityNone,
		DA: layer, Publisher: bus, Subscriber: bus, BaseFee: uint256.NewInt(genesis.DevBaseFee),
		MiniBlockInterval: time.Millisecond, BlockInterval: 10 * time.Millisecond, SnapshotBlocks: 2,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for _, tx := range load.Lanes(1)[0].Batch(100) {
		_, err := s.Submit(ctx, tx.Raw)
		require.NoError(t, err)
	}
	r := &recorded{Bus: bus, layer: layer}
	require.Eventually(t, func() bool { return len(r.all(t, link.TopicSnapshots)) >= offered }, 20*time.Second, time.Millisecond)
	newest := r.offers(t)[offered-1].Block.Number
	require.Eventually(t, func() bool { return s.Heads().RootChecked.Number > newest+1 }, 20*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, s.Close())
	_, last := r.after(t, math.MaxUint64)
	return spec, r, last
}

// recorded is what went over a bus, as a publisher has it that keeps less: of the feed,
// from message oldest on, and no offer before or after some.
type recorded struct {
	*link.Bus
	layer chain.DAClient

	mu     sync.Mutex
	oldest uint64            // of the feed
	until  uint64            // the feed has not come further; 0 for all of it
	hidden func(uint64) bool // snapshots of blocks that are not on offer
	bodies uint64            // of blocks up to this one are not kept
	asked  int               // how often for the newest offer
}

func (r *recorded) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *recorded) all(t *testing.T, topic string) (out [][]byte) {
	last, _, err := r.Bus.Latest(context.Background(), topic)
	if errors.Is(err, chain.ErrNotFound) {
		return nil
	}
	require.NoError(t, err)
	next, err := r.Bus.Subscribe(context.Background(), topic, 0)
	require.NoError(t, err)
	for range last + 1 {
		_, msg, err := next(context.Background())
		require.NoError(t, err)
		out = append(out, append([]byte(nil), msg...))
	}
	return out
}

// after is the number of the message after the header of a block, or after the last
// header, and that header's block.
func (r *recorded) after(t *testing.T, number uint64) (seq, block uint64) {
	for i, msg := range r.all(t, link.TopicFeed) {
		if kind, body, _ := link.ParseFeed(msg); kind == link.FeedHeader && block < number {
			var sealed chain.Sealed
			require.NoError(t, sealed.UnmarshalBinary(body))
			seq, block = uint64(i)+1, sealed.Header.Number
		}
	}
	return seq, block
}

// offers are the snapshots on offer, by block.
func (r *recorded) offers(t *testing.T) (out []chain.SnapshotOffer) {
	for _, msg := range r.all(t, link.TopicSnapshots)[:offered] {
		var offer chain.SnapshotOffer
		require.NoError(t, offer.UnmarshalBinary(msg))
		out = append(out, offer)
	}
	return out
}

func (r *recorded) Latest(ctx context.Context, topic string) (uint64, []byte, error) {
	if topic != link.TopicSnapshots {
		return r.Bus.Latest(ctx, topic)
	}
	r.set(func() { r.asked++ })
	last, _, err := r.Bus.Latest(ctx, topic)
	if err != nil {
		return 0, nil, err
	}
	next, _ := r.Bus.Subscribe(ctx, topic, 0)
	var newest []byte
	for range min(last+1, offered) {
		seq, msg, err := next(ctx)
		if err != nil {
			return 0, nil, err
		}
		if r.offered(msg) {
			last, newest = seq, append([]byte(nil), msg...)
		}
	}
	if newest == nil {
		return 0, nil, chain.ErrNotFound
	}
	return last, newest, nil
}

func (r *recorded) offered(msg []byte) bool {
	var offer chain.SnapshotOffer
	r.mu.Lock()
	defer r.mu.Unlock()
	return offer.UnmarshalBinary(msg) == nil && (r.hidden == nil || !r.hidden(offer.Block.Number))
}

func (r *recorded) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	if topic == link.TopicFeed && from == link.Oldest {
		r.set(func() { from = r.oldest })
	}
	if topic == link.TopicBodies {
		kept := &missing{r.Bus, func(b *chain.MiniBody) bool { return b.Number <= r.bodies }}
		return kept.Subscribe(ctx, topic, from)
	}
	next, err := r.Bus.Subscribe(ctx, topic, from)
	if err != nil {
		return nil, err
	}
	if topic == link.TopicSnapshots {
		return func(ctx context.Context) (uint64, []byte, error) {
			for {
				seq, msg, err := next(ctx)
				if err != nil || r.offered(msg) {
					return seq, msg, err
				}
			}
		}, nil
	}
	return func(ctx context.Context) (uint64, []byte, error) {
		for {
			r.mu.Lock()
			gone, yet := from < r.oldest, r.until > 0 && from >= r.until
			r.mu.Unlock()
			switch {
			case gone:
				return 0, nil, fmt.Errorf("%w: message %d is gone", chain.ErrOutOfStep, from)
			case !yet:
				from++
				return next(ctx)
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		}
	}, nil
}

func (r *recorded) snapshots(c *fullnode.Config) {
	c.DA, c.FromSnapshot, c.RejoinDelay = r.layer, true, time.Millisecond
}
