package fullnode_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record runs a sequencer for some blocks and returns its feed.
func record(t testing.TB) (*genesis.Spec, [][]byte) {
	spec, bus, _ := recordBodies(t)
	last, _, err := bus.Latest(context.Background(), link.TopicFeed)
	require.NoError(t, err)
	next, err := bus.Subscribe(context.Background(), link.TopicFeed, 0)
	require.NoError(t, err)
	var feed [][]byte
	for range last + 1 {
		_, msg, err := next(context.Background())
		require.NoError(t, err)
		feed = append(feed, append([]byte(nil), msg...))
	}
	return spec, feed
}

var errEnd = errors.New("end of the feed")

// scripted is a Subscriber whose feed is under the test's control.
type scripted struct{ feed [][]byte }

func (s *scripted) Subscribe(_ context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	return func(ctx context.Context) (uint64, []byte, error) {
		if topic != link.TopicFeed {
			<-ctx.Done()
			return 0, nil, ctx.Err()
		}
		if from >= uint64(len(s.feed)) {
			return 0, nil, errEnd
		}
		from++
		return from - 1, s.feed[from-1], nil
	}, nil
}

func (s *scripted) Latest(context.Context, string) (uint64, []byte, error) {
	return 0, nil, chain.ErrNotFound
}

// A node under test, with all that it must not change when it refuses.
type node struct {
	*fullnode.Follower
	store *state.Store
	codec *statediff.Codec
}

func newNode(t testing.TB, spec *genesis.Spec, s *scripted) *node {
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	n := &node{store: store, codec: statediff.New(statediff.Config{})}
	n.Follower, err = fullnode.New(context.Background(), fullnode.Config{
		Genesis: spec.Genesis, Subscriber: s, Store: store, Diff: n.codec,
	})
	require.NoError(t, err)
	return n
}

// digest covers the committed state, the preconfirmed head and the decoder.
func (n *node) digest(t testing.TB) common.Hash {
	all := n.codec.AppendModel(nil)
	require.NoError(t, n.store.Export(context.Background(), n.store.Head(), func(c *chain.Changes) error {
		var err error
		all, err = c.AppendBinary(all)
		return err
	}))
	heads := n.Heads()
	view, _ := n.View()
	account, _, err := view.Account(chain.HistoryStorageAddress)
	require.NoError(t, err)
	all = append(all, byte(heads.Preconfirmed.Number), byte(heads.Preconfirmed.Index), byte(account.Nonce))
	return chain.Keccak256(all, heads.RootChecked.Hash[:])
}

// Every message is first tried damaged, in many ways. Each is refused with a typed
// error and changes nothing; then the true one is taken, and at the end the node is
// where the sequencer was.
func TestRefusesDamage(t *testing.T) {
	spec, feed := record(t)
	s := &scripted{}
	n := newNode(t, spec, s)
	rng := rand.New(rand.NewPCG(4, 5))
	tried := 0
	for i, good := range feed {
		before := n.digest(t)
		for range 25 {
			s.feed = append(feed[:i:i], damage(rng, good))
			err := n.Run(context.Background())
			require.ErrorIs(t, err, chain.ErrCorrupt, "message %d", i)
			require.Equal(t, before, n.digest(t), "message %d", i)
			tried++
		}
		s.feed = append(feed[:i:i], good)
		require.ErrorIs(t, n.Run(context.Background()), errEnd)
	}
	t.Logf("%d damaged messages refused", tried)
	last := new(chain.Sealed)
	for _, msg := range feed {
		if kind, body, err := link.ParseFeed(msg); err == nil && kind == link.FeedHeader {
			require.NoError(t, last.UnmarshalBinary(body))
		}
	}
	require.Equal(t, last.Header.ID(), n.Heads().RootChecked)
	require.NoError(t, n.Close())
}

func damage(rng *rand.Rand, msg []byte) []byte {
	bad := append([]byte(nil), msg...)
	switch rng.IntN(3) {
	case 0:
		bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		return bad
	case 1:
		return bad[:rng.IntN(len(bad))]
	default:
		return append(bad, byte(rng.IntN(256)))
	}
}

// A message that is whole but not the right one: out of order, another's, or one
// whose claims do not hold.
func TestRefusesLies(t *testing.T) {
	spec, feed := record(t)
	sealed := func(change func(*chain.Sealed)) func([]byte) []byte {
		return func(msg []byte) []byte {
			kind, body, _ := link.ParseFeed(msg)
			var sealed chain.Sealed
			if kind != link.FeedHeader || sealed.UnmarshalBinary(body) != nil {
				return nil
			}
			change(&sealed)
			body, _ = sealed.AppendBinary(nil)
			return link.AppendFeed(nil, kind, body)
		}
	}
	header := func(change func(*chain.Header)) func([]byte) []byte {
		return sealed(func(s *chain.Sealed) { change(s.Header) })
	}
	frame := func(change func(*chain.Frame)) func([]byte) []byte {
		return func(msg []byte) []byte {
			kind, body, _ := link.ParseFeed(msg)
			f := new(chain.Frame)
			if kind != link.FeedFrame || f.UnmarshalBinary(body) != nil {
				return nil
			}
			change(f)
			body, _ = f.AppendBinary(nil)
			return link.AppendFeed(nil, kind, body)
		}
	}
	for name, c := range map[string]struct {
		lie  func([]byte) []byte
		want error
	}{
		"state root":         {header(func(h *chain.Header) { h.StateRoot[0] ^= 1 }), chain.ErrMismatch},
		"parent hash":        {header(func(h *chain.Header) { h.ParentHash[0] ^= 1 }), chain.ErrMismatch},
		"gas used":           {header(func(h *chain.Header) { h.GasUsed++ }), chain.ErrMismatch},
		"timestamp":          {header(func(h *chain.Header) { h.Timestamp++ }), chain.ErrMismatch},
		"coinbase":           {header(func(h *chain.Header) { h.Coinbase[0] ^= 1 }), chain.ErrMismatch},
		"base fee":           {header(func(h *chain.Header) { h.BaseFee = uint256.NewInt(1) }), chain.ErrMismatch},
		"header from ahead":  {header(func(h *chain.Header) { h.Number += 2 }), chain.ErrOutOfStep},
		"frame before":       {sealed(func(s *chain.Sealed) { s.Frame[0] ^= 1 }), chain.ErrMismatch},
		"skipped mini-block": {frame(func(f *chain.Frame) { f.Number, f.Index, f.Env = f.Number+1, 1, nil; f.ParentHashPending = false }), chain.ErrOutOfStep},
		"another parent":     {frame(func(f *chain.Frame) { f.Parent[0] ^= 1 }), chain.ErrOutOfStep},
		"older term":         {frame(func(f *chain.Frame) { f.Term = 0 }), chain.ErrOutOfStep},
		"later term":         {frame(func(f *chain.Frame) { f.Term++ }), chain.ErrOutOfStep},
		"flipped diff":       {frame(func(f *chain.Frame) { f.Diff[len(f.Diff)/2] ^= 4 }), chain.ErrCorrupt},
		"no diff":            {frame(func(f *chain.Frame) { f.Diff = nil }), chain.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{}
			n := newNode(t, spec, s)
			lied := false
			for i, good := range feed {
				if i < len(feed)/2 {
					continue
				}
				bad := c.lie(append([]byte(nil), good...))
				if bad == nil {
					continue
				}
				s.feed = feed[:i:i]
				require.ErrorIs(t, n.Run(context.Background()), errEnd)
				head := n.Heads().RootChecked
				before := n.digest(t)
				s.feed = append(feed[:i:i], bad)
				require.ErrorIs(t, n.Run(context.Background()), c.want)
				require.Equal(t, head, n.Heads().RootChecked)
				if kind, _, _ := link.ParseFeed(good); kind == link.FeedFrame {
					require.Equal(t, before, n.digest(t))
				}
				lied = true
				break
			}
			require.True(t, lied)
			// The truth takes it to the end all the same.
			s.feed = feed
			require.ErrorIs(t, n.Run(context.Background()), errEnd)
			require.NotZero(t, n.Heads().RootChecked.Number)
			require.NoError(t, n.Close())
		})
	}
}

// The gas used in a block does not fall from one mini-block to the next.
func TestRefusesFallingGas(t *testing.T) {
	spec, feed := record(t)
	s := &scripted{}
	n := newNode(t, spec, s)
	defer n.Close()
	used, tried := uint64(0), 0
	for i, good := range feed {
		kind, body, err := link.ParseFeed(good)
		require.NoError(t, err)
		f := new(chain.Frame)
		if kind == link.FeedFrame {
			require.NoError(t, f.UnmarshalBinary(body))
		}
		gas := f.GasUsed
		if f.Index > 0 && used > 0 {
			before := n.digest(t)
			f.GasUsed = used - 1
			body, err = f.AppendBinary(nil)
			require.NoError(t, err)
			s.feed = append(feed[:i:i], link.AppendFeed(nil, kind, body))
			require.ErrorIs(t, n.Run(context.Background()), chain.ErrOutOfStep)
			require.Equal(t, before, n.digest(t))
			tried++
		}
		if kind == link.FeedFrame {
			used = gas
		}
		s.feed = append(feed[:i:i], good)
		require.ErrorIs(t, n.Run(context.Background()), errEnd)
	}
	require.NotZero(t, tried)
}
