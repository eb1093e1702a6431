package link

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
)

type transport interface {
	Publish(ctx context.Context, topic string, msg []byte) (uint64, error)
	Subscribe(ctx context.Context, topic string, from uint64) (Next, error)
	Latest(ctx context.Context, topic string) (uint64, []byte, error)
}

func each(t *testing.T, keep int, f func(*testing.T, transport)) {
	t.Run("bus", func(t *testing.T) { f(t, NewBus(keep*len("message 0000"))) })
	t.Run("directory", func(t *testing.T) {
		d, err := NewDirectory(t.TempDir(), keep)
		require.NoError(t, err)
		f(t, d)
	})
}

func message(i int) []byte { return fmt.Appendf(nil, "message %04d", i) }

func TestMessagesArriveInOrderForEveryReader(t *testing.T) {
	each(t, 1000, func(t *testing.T, tr transport) {
		ctx := context.Background()
		const n = 200
		var wg sync.WaitGroup
		for from := range 3 {
			next, err := tr.Subscribe(ctx, TopicFeed, uint64(from))
			require.NoError(t, err)
			wg.Go(func() {
				for i := from; i < n; i++ {
					seq, msg, err := next(ctx)
					if err != nil || seq != uint64(i) || string(msg) != string(message(i)) {
						t.Errorf("message %d: got %d %q, %v", i, seq, msg, err)
						return
					}
				}
			})
		}
		for i := range n {
			seq, err := tr.Publish(ctx, TopicFeed, message(i))
			require.NoError(t, err)
			require.Equal(t, uint64(i), seq)
		}
		wg.Wait()
		seq, msg, err := tr.Latest(ctx, TopicFeed)
		require.NoError(t, err)
		require.Equal(t, uint64(n-1), seq)
		require.Equal(t, message(n-1), msg)
		_, _, err = tr.Latest(ctx, TopicSnapshots)
		require.ErrorIs(t, err, chain.ErrNotFound)
	})
}

func TestLateReaderIsTold(t *testing.T) {
	each(t, 10, func(t *testing.T, tr transport) {
		ctx := context.Background()
		for i := range 30 {
			_, err := tr.Publish(ctx, TopicFeed, message(i))
			require.NoError(t, err)
		}
		next, err := tr.Subscribe(ctx, TopicFeed, 5)
		require.NoError(t, err)
		_, _, err = next(ctx)
		require.ErrorIs(t, err, chain.ErrOutOfStep)

		next, err = tr.Subscribe(ctx, TopicFeed, 25)
		require.NoError(t, err)
		_, msg, err := next(ctx)
		require.NoError(t, err)
		require.Equal(t, message(25), msg)
	})
}

func TestWaitingEndsWithContext(t *testing.T) {
	each(t, 10, func(t *testing.T, tr transport) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		next, err := tr.Subscribe(ctx, TopicFeed, 0)
		require.NoError(t, err)
		_, _, err = next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestManyPublishersShareATopic(t *testing.T) {
	each(t, 1000, func(t *testing.T, tr transport) {
		var (
			ctx  = context.Background()
			wg   sync.WaitGroup
			mu   sync.Mutex
			seen = make(map[uint64]bool)
		)
		for range 4 {
			wg.Go(func() {
				for i := range 50 {
					seq, err := tr.Publish(ctx, TopicAttestations, message(i))
					mu.Lock()
					if err != nil || seen[seq] {
						t.Errorf("number %d: given twice, or %v", seq, err)
					}
					seen[seq] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		require.Len(t, seen, 200)
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// In builds that check, what a reader kept beyond its next call is poisoned.
func TestKeptBufferIsPoisoned(t *testing.T) {
	if !invariants.Enabled {
		t.Skip("needs -tags invariants or -race")
	}
	ctx := context.Background()
	bus := NewBus(1 << 20)
	for i := range 2 {
		_, err := bus.Publish(ctx, TopicFeed, message(i))
		require.NoError(t, err)
	}
	next, err := bus.Subscribe(ctx, TopicFeed, 0)
	require.NoError(t, err)
	_, kept, err := next(ctx)
	require.NoError(t, err)
	_, _, err = next(ctx)
	require.NoError(t, err)
	require.NotContains(t, string(kept), "message")
}

// Roles share no memory: neither the publisher's buffer nor another reader's.
func TestBuffersAreCopied(t *testing.T) {
	each(t, 10, func(t *testing.T, tr transport) {
		ctx := context.Background()
		msg := message(1)
		_, err := tr.Publish(ctx, TopicFeed, msg)
		require.NoError(t, err)
		clear(msg)
		for range 2 {
			next, err := tr.Subscribe(ctx, TopicFeed, 0)
			require.NoError(t, err)
			_, got, err := next(ctx)
			require.NoError(t, err)
			require.Equal(t, message(1), got)
			clear(got)
		}
	})
}

func TestOldest(t *testing.T) {
	each(t, 10, func(t *testing.T, tr transport) {
		ctx := context.Background()
		early, err := tr.Subscribe(ctx, TopicFeed, Oldest)
		require.NoError(t, err)
		ended, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		defer cancel()
		_, _, err = early(ended)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for i := range 30 {
			_, err := tr.Publish(ctx, TopicFeed, message(i))
			require.NoError(t, err)
		}
		late, err := tr.Subscribe(ctx, TopicFeed, Oldest)
		require.NoError(t, err)
		for i := 20; i < 30; i++ {
			seq, msg, err := late(ctx)
			require.NoError(t, err)
			require.Equal(t, uint64(i), seq)
			require.Equal(t, message(i), msg)
		}
	})
}

// A process that published long ago does not put its next message under a number
// that others have used and pruned since.
func TestIdlePublisherCatchesUp(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	idle, err := NewDirectory(dir, 5)
	require.NoError(t, err)
	busy, err := NewDirectory(dir, 5)
	require.NoError(t, err)
	_, err = idle.Publish(ctx, TopicAttestations, message(0))
	require.NoError(t, err)
	for i := 1; i < 20; i++ {
		_, err := busy.Publish(ctx, TopicAttestations, message(i))
		require.NoError(t, err)
	}
	seq, err := idle.Publish(ctx, TopicAttestations, message(20))
	require.NoError(t, err)
	require.Equal(t, uint64(20), seq)
}

// The oldest message may be gone before it is read: then it was not the oldest.
func TestOldestOfWhatIsPruned(t *testing.T) {
	const keep = 2000
	dir := t.TempDir()
	publisher, err := NewDirectory(dir, keep)
	require.NoError(t, err)
	ctx := t.Context()
	for range keep {
		_, err := publisher.Publish(ctx, TopicBodies, []byte("x"))
		require.NoError(t, err)
	}
	ended := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_, _ = publisher.Publish(ctx, TopicBodies, []byte("x"))
		}
	}()
	follower, err := NewDirectory(dir, keep)
	require.NoError(t, err)
	for range 30 {
		next, err := follower.Subscribe(ctx, TopicBodies, Oldest)
		require.NoError(t, err)
		_, _, err = next(ctx)
		require.NoError(t, err)
	}
	stop()
	<-ended
}

func TestSeqOf(t *testing.T) {
	places := []chain.Place{{}, {Number: 1}, {Number: 1, Index: 1}, {Number: 1, Index: 4095}, chain.HeaderPlace(1), {Number: 2}, chain.HeaderPlace(1<<40 - 1)}
	for i, p := range places {
		require.Equal(t, p, PlaceOf(SeqOf(p)))
		if i > 0 {
			require.Less(t, SeqOf(places[i-1]), SeqOf(p))
		}
	}
}
