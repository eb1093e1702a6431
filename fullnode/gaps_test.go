package fullnode_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/trie"
)

// A keeping is a full node with a real history.
type keeping struct {
	t     *testing.T
	spec  *genesis.Spec
	store *history.Store
	*fullnode.Follower
}

func isOneOf(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

func newStore(t *testing.T, spec *genesis.Spec) *history.Store {
	store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: spec.Genesis.Header})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newKeeping(t *testing.T, spec *genesis.Spec, sub fullnode.Subscriber, store *history.Store, told fullnode.History, change ...func(*fullnode.Config)) *keeping {
	cfg := fullnode.Config{Genesis: spec.Genesis, Subscriber: sub, History: told, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	f, err := fullnode.New(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return &keeping{t, spec, store, f}
}

// runTo runs the node until done, or for too long, which is an error, and returns what Run
// did.
func (k *keeping) runTo(done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			return errors.Join(err, ctx.Err())
		case <-time.After(time.Millisecond):
			if done() {
				cancel()
				return <-ended
			}
		}
	}
}

// requireWhole checks that each block up to number but the lost ones is in the history,
// sealed, durable, and what its header says, and that the state is at number or after.
func (k *keeping) requireWhole(number uint64, lost ...uint64) {
	k.t.Helper()
	require.Equal(k.t, number, k.store.Head().Number)
	require.GreaterOrEqual(k.t, k.Heads().RootChecked.Number, number)
	for n := uint64(1); n <= number; n++ {
		b, err := k.store.Block(n)
		if len(lost) > 0 && lost[0] == n {
			require.ErrorIs(k.t, err, history.ErrNotKept, n)
			lost = lost[1:]
			continue
		}
		require.NoError(k.t, err, n)
		require.Equal(k.t, b.Header.TransactionsRoot, trie.TransactionsRoot(b.Txs), n)
		require.Equal(k.t, b.Header.ReceiptsRoot, trie.ReceiptsRoot(b.Receipts), n)
	}
}

func (k *keeping) at(number uint64) func() bool {
	return func() bool { return k.store.Head().Number >= number }
}

// A body that is not what the sequencer committed to does not become history; its block
// is a gap, and the state and the blocks after it go on.
func TestBodiesAreChecked(t *testing.T) {
	spec, bus, want := recordBodies(t)
	for name, spoil := range map[string]func(*chain.MiniBody){
		"status":     func(b *chain.MiniBody) { b.Receipts[0].Status ^= 1 },
		"gas":        func(b *chain.MiniBody) { b.Receipts[0].GasUsed++ },
		"log":        func(b *chain.MiniBody) { b.Receipts[0].Logs = append(b.Receipts[0].Logs, chain.Log{}) },
		"tx":         func(b *chain.MiniBody) { b.Txs[0] = chain.NewTx(append([]byte{2}, b.Txs[0].Raw()...)) },
		"omission":   func(b *chain.MiniBody) { b.Txs, b.Receipts = b.Txs[1:], b.Receipts[1:] },
		"digest":     func(b *chain.MiniBody) { b.Frame[0]++ },
		"place":      func(b *chain.MiniBody) { b.Index++ },
		"no place":   func(b *chain.MiniBody) { b.Index += 1 << 20 },
		"far future": func(b *chain.MiniBody) { b.Number += 1 << 60 },
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, spec)
			sub := &spoiled{Bus: bus, spoil: spoil}
			k := newKeeping(t, spec, sub, store, store)
			require.NoError(t, k.runTo(k.at(want.head())))
			k.requireWhole(want.head(), sub.block)
			require.Equal(t, uint64(1), k.Stats().Lost)
			require.Equal(t, uint64(1), k.Stats().BodiesRefused)
			require.True(t, isOneOf(k.RefusedBody(), chain.ErrMismatch, chain.ErrOutOfStep), k.RefusedBody())
			require.NoError(t, k.Refused())
		})
	}
}

// What a node that went away left unsealed in the store, nobody checked: the next one
// does not seal it.
func TestUncheckedIsNotSealed(t *testing.T) {
	spec, bus, want := recordBodies(t)
	store := newStore(t, spec)
	lie := &spoiled{Bus: bus, spoil: func(b *chain.MiniBody) { b.Receipts[0].Status ^= 1 }}
	first := newKeeping(t, spec, lie, store, &stopping{store})
	require.ErrorIs(t, first.runTo(func() bool { return false }), errStop)
	require.NotEmpty(t, store.Unsealed())
	second := newKeeping(t, spec, bus, store, store)
	require.NoError(t, second.runTo(second.at(want.head())))
	second.requireWhole(want.head())
}

var errStop = errors.New("the disk is full")

// stopping is a history that fails at the end of a block.
type stopping struct{ *history.Store }

func (s *stopping) SealMini(f *chain.Frame, digest common.Hash, c *chain.Changes) error {
	if f.Last {
		return errStop
	}
	return s.Store.SealMini(f, digest, c)
}

// One body that does not come costs its block, wherever in the block it is.
func TestLostBody(t *testing.T) {
	spec, bus, want := recordBodies(t)
	last := func(number uint64) uint32 { return lastOf(t, bus, number) }
	for name, is := range map[string]func(*chain.MiniBody) bool{
		"first of all":      func(b *chain.MiniBody) bool { return b.Number == 1 && b.Index == 0 },
		"first of a block":  func(b *chain.MiniBody) bool { return b.Number == 2 && b.Index == 0 },
		"second of a block": func(b *chain.MiniBody) bool { return b.Number == 2 && b.Index == min(1, last(2)) },
		"last of a block":   func(b *chain.MiniBody) bool { return b.Number == 2 && b.Index == last(2) },
		"half of a block":   func(b *chain.MiniBody) bool { return b.Number == 3 && b.Index >= (last(3)+1)/2 },
	} {
		t.Run(name, func(t *testing.T) {
			store, lost := newStore(t, spec), uint64(0)
			k := newKeeping(t, spec, &missing{bus, func(b *chain.MiniBody) bool {
				if is(b) {
					lost = b.Number
				}
				return is(b)
			}}, store, store)
			require.NoError(t, k.runTo(k.at(want.head())))
			k.requireWhole(want.head(), lost)
			require.Equal(t, uint64(1), k.Stats().Lost)
			require.Zero(t, k.Stats().BodiesRefused)
		})
	}
}

// A node whose feed goes back further than the bodies that are kept has history from
// where these begin, also if it cannot hold all that is before.
func TestBodiesBeginLater(t *testing.T) {
	spec, bus, want := recordBodies(t)
	for _, size := range []int{10 << 10, 1 << 30} {
		store := newStore(t, spec)
		sub := &missing{bus, func(b *chain.MiniBody) bool { return b.Number < 4 }}
		k := newKeeping(t, spec, sub, store, store, func(c *fullnode.Config) { c.BacklogBytes = size })
		require.NoError(t, k.runTo(k.at(want.head())))
		k.requireWhole(want.head(), 1, 2, 3)
		require.Equal(t, uint64(3), k.Stats().Lost)
		require.Equal(t, uint64(4), store.Oldest())
	}
}

// lastOf is the index of a block's last mini-block.
func lastOf(t *testing.T, bus *link.Bus, number uint64) (index uint32) {
	next, err := bus.Subscribe(context.Background(), link.TopicBodies, 0)
	require.NoError(t, err)
	for {
		_, msg, err := next(context.Background())
		require.NoError(t, err)
		var b chain.MiniBody
		require.NoError(t, b.UnmarshalBinary(msg))
		if b.Number > number {
			return index
		}
		if b.Number == number {
			index = b.Index
		}
	}
}

// missing leaves bodies out.
type missing struct {
	*link.Bus
	skip func(*chain.MiniBody) bool
}

func (s *missing) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	next, err := s.Bus.Subscribe(ctx, topic, from)
	if err != nil || topic != link.TopicBodies {
		return next, err
	}
	return func(ctx context.Context) (uint64, []byte, error) {
		for {
			seq, msg, err := next(ctx)
			if err != nil {
				return seq, msg, err
			}
			var body chain.MiniBody
			if body.UnmarshalBinary(msg) == nil && s.skip(&body) {
				continue
			}
			return seq, msg, nil
		}
	}, nil
}

// Without any body the state goes on, in bounded memory.
func TestNoBodies(t *testing.T) {
	spec, bus, want := recordBodies(t)
	store := newStore(t, spec)
	sub := &missing{bus, func(*chain.MiniBody) bool { return true }}
	most := 0
	k := newKeeping(t, spec, sub, store, store, func(c *fullnode.Config) {
		c.BacklogBytes, c.BacklogPatience = 20<<10, 10*time.Millisecond
	})
	require.NoError(t, k.runTo(func() bool {
		most = max(most, k.Stats().BacklogBytes)
		return k.Heads().RootChecked.Number >= want.head()
	}))
	require.NotZero(t, k.Stats().Lost)
	require.Zero(t, store.Head().Number)
	require.Less(t, most, 200<<10)
	require.Equal(t, 20<<10, k.Stats().BacklogMax)
}

// A history that is slow is waited for: that bodies lag is no reason to lose them, and the
// time that the node itself takes is none.
func TestSlowHistory(t *testing.T) {
	spec, bus, want := recordBodies(t)
	store := newStore(t, spec)
	most := 0
	k := newKeeping(t, spec, bus, store, slow{store}, func(c *fullnode.Config) {
		c.BacklogBytes, c.BacklogPatience = 10<<10, time.Nanosecond
	})
	require.NoError(t, k.runTo(func() bool {
		most = max(most, k.Stats().BacklogBytes)
		return k.at(want.head())()
	}))
	k.requireWhole(want.head())
	require.Zero(t, k.Stats().Lost)
	require.Less(t, most, 200<<10)
}

type slow struct{ *history.Store }

func (s slow) SealMini(f *chain.Frame, digest common.Hash, c *chain.Changes) error {
	time.Sleep(2 * time.Millisecond)
	return s.Store.SealMini(f, digest, c)
}

// A subscription to bodies that fell behind begins again with what is kept; one that
// fails for good ends Run.
func TestBodiesFallBehind(t *testing.T) {
	spec, bus, want := recordBodies(t)
	store := newStore(t, spec)
	k := newKeeping(t, spec, &behind{Bus: bus, every: 5}, store, store)
	require.NoError(t, k.runTo(k.at(want.head())))
	k.requireWhole(want.head())
	require.Zero(t, k.Stats().Lost)

	store = newStore(t, spec)
	k = newKeeping(t, spec, &behind{Bus: bus}, store, store)
	require.ErrorIs(t, k.runTo(func() bool { return false }), chain.ErrOutOfStep)
	require.ErrorIs(t, k.Refused(), chain.ErrOutOfStep)
}

// behind loses its place in the bodies after every messages, then after twice as many;
// at once, again and again, if that is 0.
type behind struct {
	*link.Bus
	every int
}

func (s *behind) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	next, err := s.Bus.Subscribe(ctx, topic, from)
	if err != nil || topic != link.TopicBodies {
		return next, err
	}
	left := s.every
	s.every *= 2
	return func(ctx context.Context) (uint64, []byte, error) {
		if left == 0 {
			return 0, nil, fmt.Errorf("%w: gone", chain.ErrOutOfStep)
		}
		left--
		return next(ctx)
	}, nil
}

// A stream of bodies that brings nothing but damage or repetitions does not hold up the
// state.
func TestBabblingBodies(t *testing.T) {
	spec, bus, want := recordBodies(t)
	for name, repeat := range map[string]bool{"damage": false, "repetition": true} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, spec)
			k := newKeeping(t, spec, &babbling{Bus: bus, repeat: repeat}, store, store, func(c *fullnode.Config) {
				c.BacklogBytes, c.BacklogPatience = 10<<10, 10*time.Millisecond
			})
			require.NoError(t, k.runTo(func() bool { return k.Heads().RootChecked.Number >= want.head() }))
			require.NotZero(t, k.Stats().Lost)
			require.Equal(t, !repeat, k.RefusedBody() != nil)
			require.Equal(t, !repeat, !k.Stats().LastBodyRefused.IsZero())
		})
	}
}

// babbling has the first body again and again, or no body at all, but much of it.
type babbling struct {
	*link.Bus
	repeat bool
}

func (s *babbling) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	next, err := s.Bus.Subscribe(ctx, topic, from)
	if err != nil || topic != link.TopicBodies {
		return next, err
	}
	msg, seq := []byte("no body"), uint64(0)
	if s.repeat {
		if _, msg, err = next(ctx); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (uint64, []byte, error) {
		seq++
		time.Sleep(100 * time.Microsecond)
		return seq, msg, ctx.Err()
	}, nil
}
