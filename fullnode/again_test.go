package fullnode_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/trie"
)

// Run ends with its context anywhere, between two messages and within one, and is
// called again.
func TestRunAgain(t *testing.T) {
	spec, bus, want := recordBodies(t)
	for round := range 10 {
		store := newStore(t, spec)
		stop := &interrupting{Store: store, every: 3 + round}
		k := newKeeping(t, spec, bus, store, stop)
		deadline := time.Now().Add(20 * time.Second)
		for store.Head().Number < want.head() && time.Now().Before(deadline) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			stop.cancel = cancel
			require.NoError(t, k.Run(ctx))
			cancel()
		}
		k.requireWhole(want.head())
		require.Zero(t, k.Stats().Lost)
		require.Zero(t, k.Stats().BodiesRefused)
	}
}

// interrupting cancels the run, now and then more seldom.
type interrupting struct {
	*history.Store
	cancel       func()
	every, count int
}

func (i *interrupting) SealMini(f *chain.Frame, digest common.Hash, c *chain.Changes) error {
	if i.count++; i.count == i.every {
		i.count, i.every = 0, i.every*3/2
		i.cancel()
	}
	return i.Store.SealMini(f, digest, c)
}

// A header that lies costs the mini-blocks it does not bear out, in state and in
// history; both go on when Run is called again.
func TestHistoryAfterDrop(t *testing.T) {
	spec, bus, want := recordBodies(t)
	for number := uint64(1); number <= want.head(); number++ {
		store := newStore(t, spec)
		k := newKeeping(t, spec, &lyingHeader{Bus: bus, number: number}, store, store)
		require.ErrorIs(t, k.runTo(func() bool { return false }), chain.ErrMismatch)
		require.Empty(t, store.Unsealed())
		_, env := k.Latest()
		require.Equal(t, k.Heads().RootChecked.Number, env.Number)
		require.Equal(t, number-1, env.Number)
		require.Nil(t, k.OpenEnv())
		require.NoError(t, k.runTo(k.at(want.head())))
		k.requireWhole(want.head())
		require.Zero(t, k.Stats().Lost)
	}
}

// lyingHeader alters the state root of one header, once.
type lyingHeader struct {
	*link.Bus
	number uint64
	done   bool
}

func (s *lyingHeader) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	next, err := s.Bus.Subscribe(ctx, topic, from)
	if err != nil || topic != link.TopicFeed {
		return next, err
	}
	return func(ctx context.Context) (uint64, []byte, error) {
		seq, msg, err := next(ctx)
		if err != nil || s.done {
			return seq, msg, err
		}
		kind, payload, _ := link.ParseFeed(msg)
		var sealed chain.Sealed
		if kind != link.FeedHeader || sealed.UnmarshalBinary(payload) != nil || sealed.Header.Number != s.number {
			return seq, msg, nil
		}
		s.done = true
		sealed.Header.StateRoot[0]++
		payload, err = sealed.AppendBinary(nil)
		return seq, link.AppendFeed(nil, link.FeedHeader, payload), err
	}, nil
}

// That Run ends while a header is checked says nothing about its mini-blocks.
func TestEndInHeader(t *testing.T) {
	spec, bus, want := recordBodies(t)
	store := newStore(t, spec)
	ending := &endingCommitter{Committer: trie.New(trie.Config{})}
	k := newKeeping(t, spec, bus, store, store, func(c *fullnode.Config) { c.Committer = ending })
	ctx, cancel := context.WithCancel(context.Background())
	ending.end.Store(&cancel)
	before := k.Heads()
	require.NoError(t, k.Run(ctx))
	require.Equal(t, before.RootChecked, k.Heads().RootChecked)
	require.NotZero(t, k.Heads().Preconfirmed.Number)
	ending.end.Store(nil)
	require.NoError(t, k.runTo(k.at(want.head())))
	k.requireWhole(want.head())
}

// endingCommitter ends a context when a commitment begins.
type endingCommitter struct {
	chain.Committer
	end atomic.Pointer[context.CancelFunc]
}

func (e *endingCommitter) Begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	if end := e.end.Load(); end != nil {
		(*end)()
		return nil, ctx.Err()
	}
	return e.Committer.Begin(ctx, root)
}
