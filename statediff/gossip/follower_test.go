package gossip

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// A writer makes the feed of a true chain: its diffs decode, and its headers have the
// roots of what they decode to.
type writer struct {
	testing.TB
	genesis *chain.Genesis
	store   *state.Store
	trie    chain.Committer
	diff    *statediff.Codec
	head    *chain.Header
	frame   common.Hash
	feed    []*message
}

func newWriter(t testing.TB) *writer {
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	w := &writer{TB: t, store: store, trie: trie.New(trie.Config{}), diff: statediff.New(statediff.Config{})}
	funded := &chain.Changes{Accounts: []chain.AccountChange{{Address: common.Address{1}, Exists: true, After: account(1)}}}
	header := &chain.Header{StateRoot: w.root(trie.New(trie.Config{}), chain.EmptyRoot, funded), GasLimit: 30e6}
	w.genesis = &chain.Genesis{ChainID: sampleChain, Header: header, State: funded}
	require.NoError(t, checkpoint.LoadGenesis(t.Context(), w.genesis, store, w.trie))
	w.head, w.frame = header, header.Hash()
	return w
}

func account(balance uint64) chain.Account {
	return chain.Account{Balance: *uint256.NewInt(balance), CodeHash: chain.EmptyCodeHash}
}

func (w *writer) root(c chain.Committer, parent common.Hash, changes *chain.Changes) common.Hash {
	commitment, err := c.Begin(w.Context(), parent)
	require.NoError(w, err)
	require.NoError(w, commitment.Apply(changes))
	root, err := commitment.Root(w.Context())
	require.NoError(w, err)
	require.NoError(w, commitment.Commit(w.Context()))
	return root
}

// block adds a block in which each mini-block pays account 1 something and makes a new
// account.
func (w *writer) block(size int) {
	env := &chain.Env{Number: w.head.Number + 1, Timestamp: w.head.Timestamp + 1, GasLimit: 30e6, ExtraData: termData(1)}
	var (
		parts  []*chain.Changes
		staged chain.Staged
	)
	view, err := w.store.View(w.store.Head())
	require.NoError(w, err)
	for i := range size {
		before, _, err := view.Account(common.Address{1})
		require.NoError(w, err)
		changes := &chain.Changes{Accounts: []chain.AccountChange{
			{Address: common.Address{1}, Existed: true, Exists: true, Before: before, After: account(before.Balance.Uint64() + env.Number)},
			{Address: common.Address{2, byte(env.Number), byte(i)}, Exists: true, After: account(7)},
		}}
		w.frameOf(env, i, i == size-1, changes, view)
		parts = append(parts, changes)
		if staged == nil {
			staged, err = w.store.Stage(w.Context(), changes)
		} else {
			staged, err = staged.Stage(w.Context(), changes)
		}
		require.NoError(w, err)
		view = staged.View()
	}
	net, err := chain.Merge(parts...)
	require.NoError(w, err)
	w.head = &chain.Header{
		ParentHash: w.head.Hash(), Number: env.Number, Timestamp: env.Timestamp, GasLimit: env.GasLimit,
		ExtraData: env.ExtraData, StateRoot: w.root(w.trie, w.head.StateRoot, net),
	}
	require.NoError(w, staged.Commit(w.Context(), w.head.ID()))
	sealed := chain.Sealed{Header: w.head, Frame: w.frame, Model: w.diff.AppendModel(nil)}
	body, err := sealed.AppendBinary(nil)
	require.NoError(w, err)
	w.feed = append(w.feed, newMessage(w, envelope.KindHeader, chain.HeaderPlace(env.Number), 1, body))
}

func (w *writer) frameOf(env *chain.Env, index int, last bool, changes *chain.Changes, prior chain.StateView) {
	diff, err := w.diff.AppendEncode(nil, changes, prior, nil)
	require.NoError(w, err)
	f := &chain.Frame{Number: env.Number, Index: uint32(index), Term: 1, Parent: w.frame, Last: last, Diff: diff}
	if index == 0 {
		f.Env = env
	}
	body, err := f.AppendBinary(nil)
	require.NoError(w, err)
	w.feed = append(w.feed, newMessage(w, envelope.KindFrame, f.Place(), 1, body))
	w.frame = f.Digest()
}

var errEnd = errors.New("end of the feed")

// A wire is a Subscriber that a Follower has an assembler behind: messages come to it
// in any order, twice or not at all, and what is missing is asked for.
type wire struct {
	*trial
	rng    *rand.Rand
	coming []*message
	peer   *trial
	pumps  int
}

func (w *wire) Subscribe(_ context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	return func(ctx context.Context) (uint64, []byte, error) {
		if topic != link.TopicFeed {
			<-ctx.Done()
			return 0, nil, ctx.Err()
		}
		for {
			m, err := w.At(from)
			if err != nil || ctx.Err() != nil {
				return 0, nil, errors.Join(err, ctx.Err())
			}
			if m != nil {
				from++
				return from - 1, feedMessage(w, m), nil
			}
			if len(w.out) == len(w.peer.out) {
				return 0, nil, errEnd
			}
			w.pump()
		}
	}, nil
}

func (w *wire) Latest(context.Context, string) (uint64, []byte, error) {
	return 0, nil, chain.ErrNotFound
}

// pump lets something come: what the network brings, and then what a peer answers.
func (w *wire) pump() {
	w.pumps++
	require.Less(w, w.pumps, 10_000, "stands at %s, header %d", w.Place(), w.Header())
	if len(w.coming) > 0 {
		w.add(w.coming[0])
		w.coming = w.coming[1:]
		return
	}
	w.Reaches(w.peer.out[len(w.peer.out)-1].Place, w.now)
	w.now = w.now.Add(time.Second)
	for _, r := range w.Missing(w.now) {
		answer, err := w.peer.Since(r.From, 3, 1<<20)
		require.NoError(w, err)
		for _, m := range answer {
			if w.rng.IntN(3) > 0 {
				w.add(m)
			}
		}
	}
}

func feedMessage(t testing.TB, m *message) []byte {
	if m.Frame != nil {
		return link.AppendFeed(nil, link.FeedFrame, m.Body)
	}
	return link.AppendFeed(nil, link.FeedHeader, m.Body)
}

// A full node takes whatever an assembler gives out, and ends where the sequencer is.
func TestFollowerTakesIt(t *testing.T) {
	w := newWriter(t)
	genesis := w.genesis.Header.Hash()
	for _, size := range []int{1, 3, 2, 5, 1, 4, 1, 1, 6, 2} {
		w.block(size)
	}
	peer := newTrialAfter(t, genesis, wide)
	for _, m := range w.feed {
		require.Equal(t, Taken, peer.add(m))
	}
	require.Len(t, peer.out, len(w.feed))
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 8))
		x := &wire{trial: newTrialAfter(t, genesis, Limits{BlocksAhead: 1 + seed%5}), rng: rng, peer: peer}
		for _, i := range rng.Perm(2 * len(w.feed)) {
			if rng.IntN(2) > 0 {
				x.coming = append(x.coming, w.feed[i/2])
			}
		}
		node, err := fullnode.New(t.Context(), fullnode.Config{Genesis: w.genesis, Subscriber: x})
		require.NoError(t, err)
		require.ErrorIs(t, node.Run(t.Context()), errEnd, "seed %d", seed)
		require.Equal(t, w.head.ID(), node.Heads().RootChecked, "seed %d", seed)
		require.NoError(t, node.Close())
	}
}
