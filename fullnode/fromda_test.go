package fullnode_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/memory"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/state"
)

// A node that has nothing but publications and the layer comes to the newest block that
// is published, and goes on with each that is published later.
func TestFromDAAlone(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	o.known = 7
	k := o.node(t)
	require.NoError(t, k.runTo(k.stands(r, 7)))
	require.EqualValues(t, 7, k.Heads().RootChecked.Number)
	require.Equal(t, fullnode.MiniID{Number: 7}, k.Heads().Preconfirmed)
	o.set(func() { o.known = r.published() })
	require.NoError(t, k.runTo(k.stands(r, r.published())))
	require.Equal(t, r.published(), k.Stats().BlocksFromDA)
	require.Zero(t, k.Stats().DARefused)
	require.Empty(t, k.Evidence())
}

// It goes over to the feed wherever that begins, and comes to blocks that nobody
// published.
func TestFromDAToTheFeed(t *testing.T) {
	r := recordBlocks(t, 12)
	for oldest := uint64(1); oldest <= r.ends[9]; oldest++ {
		o := newOutlet(r)
		o.oldest, o.until = oldest, uint64(len(r.feed))
		k := o.node(t)
		require.NoError(t, k.runTo(k.stands(r, r.last())), "feed from message %d", oldest)
		from := k.Stats().BlocksFromDA
		require.Positive(t, from)
		require.LessOrEqual(t, r.ends[from-1], oldest, "as soon as it is kept")
		require.NoError(t, k.Close())
	}
}

// The feed ends, at any message, and begins again somewhere later: what is missing comes
// from the layer. Nobody asks a sequencer.
func TestFeedEndsAndBeginsAgain(t *testing.T) {
	r := recordBlocks(t, 12)
	for i, end := range []uint64{0, 1, r.ends[3] - 1, r.ends[3], r.ends[3] + 1, r.ends[4] + 2, r.ends[5]} {
		o := newOutlet(r)
		o.until, o.known = end, 8
		k := o.node(t)
		require.NoError(t, k.runTo(k.stands(r, 8)), "feed up to message %d", end)
		o.set(func() {
			if o.until = uint64(len(r.feed)); i%2 == 1 { // else all of it is kept
				o.oldest = r.ends[9]
			}
		})
		require.NoError(t, k.runTo(k.stands(r, 8)))
		o.set(func() { o.known = r.published() })
		require.NoError(t, k.runTo(k.stands(r, r.last())))
		require.NoError(t, k.Close())
	}
}

// A node that is ended between layer and feed, again and again, goes on where it was. To be
// ended is no error, however early.
func TestFromDAEndsAndGoesOn(t *testing.T) {
	r := recordBlocks(t, 12)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	o := newOutlet(r)
	o.oldest, o.until = r.ends[10], uint64(len(r.feed))
	k := o.node(t, func(c *fullnode.Config) { c.DAFetches = 2 })
	for number := uint64(1); number <= r.last(); number++ {
		require.NoError(t, k.runTo(k.stands(r, number)))
		require.NoError(t, k.Run(over))
	}
	require.NoError(t, k.Refused())
	require.LessOrEqual(t, k.Stats().BlocksFromDA, uint64(11))
}

// That a block far ahead is said to be published keeps nobody out of a feed that goes on.
func TestFarPublication(t *testing.T) {
	r := recordBlocks(t, 8)
	o := newOutlet(r)
	o.known = 5
	o.alter = func(p *chain.Publication) {
		if p.Block.Number == 5 {
			p.Block.Number += 2000
		}
	}
	k := o.node(t)
	require.NoError(t, k.runTo(func() bool { return k.stands(r, 4)() && k.Heads().Published.Number == 4 }))
	require.EqualValues(t, 4, k.Stats().BlocksFromDA)
	o.set(func() { o.oldest, o.until = r.ends[3], uint64(len(r.feed)) })
	require.NoError(t, k.runTo(k.stands(r, r.last())))
	require.EqualValues(t, 4, k.Stats().BlocksFromDA)
}

// However a node comes to the newest block, it has the same state: from genesis, from a
// snapshot, from the layer alone, and from a snapshot that the feed does not reach back
// to, by way of the layer.
func TestLateJoin(t *testing.T) {
	r := recordBlocks(t, 12)
	var want common.Hash
	for _, c := range []struct {
		name      string
		out       *outlet
		fromDA    bool
		fromLayer uint64 // blocks that came whole, at least
	}{
		{name: "genesis", out: &outlet{until: r.ends[12]}},
		{name: "snapshot", out: &outlet{oldest: r.ends[8], until: r.ends[12], offers: 2}},
		{"layer", &outlet{known: 12}, true, 12},
		{"snapshot and layer", &outlet{known: 12, offers: 1}, true, 8},
		{"snapshot, layer and feed", &outlet{oldest: r.ends[9], until: r.ends[12], known: 12, offers: 1}, true, 5},
	} {
		c.out.recording = r
		for c.out.until > 0 && newestHeader(r.feed[:c.out.until]) < 12 {
			c.out.until++ // its header comes after the last frame
		}
		k := c.out.node(t, func(cfg *fullnode.Config) {
			cfg.FromDA, cfg.FromSnapshot = c.fromDA, c.out.offers > 0
		})
		require.NoError(t, k.runTo(k.stands(r, 12)), c.name)
		require.EqualValues(t, 12, k.Heads().RootChecked.Number, c.name)
		require.GreaterOrEqual(t, k.Stats().BlocksFromDA, c.fromLayer, c.name)
		if !c.fromDA {
			require.Zero(t, k.Stats().BlocksFromDA)
		}
		got := stateDigest(t, k.Store().(*state.Store))
		if want == (common.Hash{}) {
			want = got
		}
		require.Equal(t, want, got, c.name)
	}
}

// newestHeader is the number of the newest header in a feed.
func newestHeader(feed [][]byte) (number uint64) {
	for _, msg := range feed {
		var sealed chain.Sealed
		if kind, payload, _ := link.ParseFeed(msg); kind == link.FeedHeader && sealed.UnmarshalBinary(payload) == nil {
			number = sealed.Header.Number
		}
	}
	return number
}

// stateDigest is over all of a store's newest state.
func stateDigest(t *testing.T, store *state.Store) common.Hash {
	var all chain.Changes
	require.NoError(t, store.Export(t.Context(), store.Head(), func(c *chain.Changes) error {
		all.Accounts = append(all.Accounts, c.Accounts...)
		return nil
	}))
	all.Normalize()
	return all.Digest()
}

// A liar is a layer that answers with something else.
type liar struct {
	chain.DAClient
	lie func(blob []byte) ([]byte, error)

	about [][]byte // the names that it lies about
}

func (l *liar) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	blob, err := l.DAClient.Get(ctx, id)
	if err != nil || !slices.ContainsFunc(l.about, func(name []byte) bool { return string(name) == string(id) }) {
		return blob, err
	}
	return l.lie(blob)
}

// reframed is a lie that is a good object, of the right block and kind, with another
// payload.
func reframed(t *testing.T, alter func(payload []byte) []byte) func([]byte) ([]byte, error) {
	return func(blob []byte) ([]byte, error) {
		var o da.Object
		require.NoError(t, o.UnmarshalBinary(blob))
		o.Payload = alter(slices.Clone(o.Payload))
		return o.AppendBinary(nil)
	}
}

func flip(b []byte) []byte {
	b[len(b)/2] ^= 4
	return b
}

// What a layer gives instead of a block is refused, with an error that says so, and is
// never state; another source has it right, or the same one later.
func TestLyingLayer(t *testing.T) {
	r := recordBlocks(t, 6)
	payload := func(id chain.BlobID) []byte {
		blob, err := r.layer.Get(t.Context(), id)
		require.NoError(t, err)
		var o da.Object
		require.NoError(t, o.UnmarshalBinary(blob))
		return o.Payload
	}
	other := r.publications[3]
	const bad = 3
	for name, c := range map[string]struct {
		lie   func([]byte) ([]byte, error)
		wants []error
	}{
		"missing":       {func([]byte) ([]byte, error) { return nil, chain.ErrNotFound }, []error{chain.ErrNotFound}},
		"dropped":       {func([]byte) ([]byte, error) { return nil, &da.DroppedError{Code: da.DropInvalid} }, []error{da.ErrDropped}},
		"empty":         {func([]byte) ([]byte, error) { return nil, nil }, []error{chain.ErrCorrupt}},
		"flipped bit":   {func(b []byte) ([]byte, error) { return flip(b), nil }, []error{chain.ErrCorrupt}},
		"truncated":     {func(b []byte) ([]byte, error) { return b[:len(b)-1], nil }, []error{chain.ErrCorrupt}},
		"other block":   {func([]byte) ([]byte, error) { return r.layer.Get(t.Context(), other.Body) }, []error{chain.ErrMismatch}},
		"other diff":    {func([]byte) ([]byte, error) { return r.layer.Get(t.Context(), other.Diff) }, []error{chain.ErrMismatch}},
		"framed block":  {reframed(t, func([]byte) []byte { return payload(other.Body) }), []error{chain.ErrMismatch, chain.ErrCorrupt}},
		"framed diff":   {reframed(t, func([]byte) []byte { return payload(other.Diff) }), []error{chain.ErrOutOfStep, chain.ErrMismatch, chain.ErrCorrupt}},
		"framed flip":   {reframed(t, flip), []error{chain.ErrCorrupt, chain.ErrMismatch}},
		"framed nought": {reframed(t, func([]byte) []byte { return nil }), []error{chain.ErrCorrupt}},
	} {
		for object, id := range map[string]chain.BlobID{"body": r.publications[bad-1].Body, "diff": r.publications[bad-1].Diff} {
			t.Run(name+"/"+object, func(t *testing.T) {
				l := &liar{DAClient: r.layer, lie: c.lie, about: [][]byte{id}}
				o := newOutlet(r)
				k := o.node(t, func(c *fullnode.Config) { c.DA, c.DAAttempts, c.RejoinDelay = l, 1, 50*time.Microsecond })
				err := k.runTo(func() bool { return false })
				var lied *fullnode.DAError
				require.ErrorAs(t, err, &lied)
				require.Equal(t, r.headers[bad].ID(), lied.Block)
				require.True(t, isOneOf(lied, c.wants...), lied)
				require.EqualValues(t, bad-1, k.Heads().RootChecked.Number)
				require.True(t, k.stands(r, bad-1)())

				l.about = nil
				require.NoError(t, k.runTo(k.stands(r, 6)), "the truth later")
				l.about = [][]byte{id}
				mirrored := o.node(t, func(c *fullnode.Config) { c.DA, c.Mirrors = l, []chain.DAClient{r.layer} })
				require.NoError(t, mirrored.runTo(mirrored.stands(r, 6)), "the truth elsewhere")
				require.EqualValues(t, 1, mirrored.Stats().DARefused)
			})
		}
	}
}

// A layer that fails in all the ways in which real ones do only takes more time.
func TestFaultyLayer(t *testing.T) {
	r := recordBlocks(t, 12)
	for seed := range 3 {
		require.NoError(t, r.layer.Set(memory.Settings{
			HangRate: 0.02, ErrorRate: 0.1, BusyRate: 0.05, FailoverRate: 0.05, CutRate: 0.05, TruncateRate: 0.05, EmptyRate: 0.05, FlipRate: 0.05,
			Jitter: 2 * time.Millisecond,
		}))
		o := newOutlet(r)
		o.oldest, o.until = r.ends[10]+uint64(seed), uint64(len(r.feed))
		k := o.node(t, func(c *fullnode.Config) { c.DATimeout = 50 * time.Millisecond })
		require.NoError(t, k.runTo(k.stands(r, r.last())))
		require.Positive(t, k.Stats().DARefused)
	}
	require.NoError(t, r.layer.Set(memory.Settings{}))
}

// Publications that the topic does not keep come from an index; where none has them the
// node waits, and says what is missing.
func TestIndex(t *testing.T) {
	r := recordBlocks(t, 12)
	o := newOutlet(r)
	o.kept = 6
	k := o.node(t)
	require.ErrorContains(t, k.runTo(func() bool { return false }), "publications of blocks 1 to 5 are not kept")

	o = newOutlet(r)
	o.kept = 6
	asked := 0
	k = o.node(t, func(c *fullnode.Config) {
		c.Index = func(_ context.Context, from uint64, most int) ([]chain.Publication, error) {
			switch asked++; asked {
			case 1:
				return nil, errors.New("not reachable yet")
			case 2:
				return nil, nil // nor has it anything yet
			}
			until := min(from+3, 7) // it lags behind
			return r.publications[from-1 : max(from, until)-1], nil
		}
	})
	require.NoError(t, k.runTo(k.stands(r, r.published())))
	require.Positive(t, asked)
}

// An archive has a gap where blocks came from the layer, counted; one that keeps headers
// has them all.
func TestHistoryFromDA(t *testing.T) {
	r := recordBlocks(t, 8)
	for _, headersOnly := range []bool{false, true} {
		o := newOutlet(r)
		store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: r.spec.Genesis.Header, HeadersOnly: headersOnly})
		require.NoError(t, err)
		k := o.node(t, func(c *fullnode.Config) { c.History = store })
		require.NoError(t, k.runTo(func() bool {
			return k.stands(r, 8)() && (!headersOnly || store.Head().Number == k.Heads().RootChecked.Number)
		}))
		number := k.Heads().RootChecked.Number
		if headersOnly {
			require.True(t, store.CompleteHeaders())
			require.Zero(t, k.Stats().Lost)
		} else {
			require.Zero(t, store.Head().Number)
			require.Equal(t, number, k.Stats().Lost)
		}
		for n := uint64(1); n <= number && headersOnly; n++ {
			header, err := store.Header(n)
			require.NoError(t, err)
			require.Equal(t, r.headers[n].Hash(), header.Hash(), fmt.Sprint(n))
		}
		require.NoError(t, store.Close())
	}
}
