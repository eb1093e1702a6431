package gossip

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/link"
)

var _ fullnode.Subscriber = (*Node)(nil)

// A full node follows over the network, and ends where the sequencer is: while it
// listens, and when it comes late and has to ask for all of it.
func TestFollowerOverTheNetwork(t *testing.T) {
	w := newWriter(t)
	for _, size := range []int{1, 3, 2, 5, 1, 4, 1, 1, 6, 2} {
		w.block(size)
	}
	x := newWorld(t)
	x.genesis = w.genesis.Header.Hash()
	seq := x.sequencer()
	relay := x.node(seq.Node)
	x.connected(relay, 1)
	live := x.follow(x.node(relay.Node), w)
	go x.publish(seq, w.feed...)
	live(w.head.ID())
	x.follow(x.node(relay.Node), w)(w.head.ID())
}

// follow runs a full node at n, and returns what waits until its root is that of a
// block.
func (x *world) follow(n *running, w *writer) func(chain.BlockID) {
	f, err := fullnode.New(x.Context(), fullnode.Config{Genesis: w.genesis, Subscriber: n})
	require.NoError(x, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func(id chain.BlockID) {
		require.Eventually(x, func() bool { return f.Heads().RootChecked == id }, 20*time.Second, 5*time.Millisecond, "%s", f.Refused())
		cancel()
		require.NoError(x, <-done)
		require.NoError(x, f.Close())
	}
}

// Who comes late gets from a peer what is not on its own shelf, from any place on; and
// from the middle of a block as from its end.
func TestLate(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 2, 3, 1, 2, 4)
	x.publish(seq, feed...)
	relay := x.node(seq.Node)
	x.awaitFeed(relay, 0, feed...)
	for i, m := range feed {
		if i == len(feed)-1 {
			break
		}
		late := x.node(seq.Node)
		// The header of the block before comes along, for those who lack it.
		want := feed[i+1:]
		if m.Frame != nil && m.Place.Number > 1 && m.Place.Index+1 < 4 {
			want = append([]*message{header(feed, m.Place.Number-1)}, want...)
		}
		if m.Frame == nil {
			want = append([]*message{m}, want...)
		}
		x.awaitSet(late, link.SeqOf(m.Place)+1, want...)
		late.stop()
	}
}

func header(feed []*message, number uint64) *message {
	for _, m := range feed {
		if m.Place == chain.HeaderPlace(number) {
			return m
		}
	}
	return nil
}

// awaitSet reads the feed from a number on until all of want came. Frames must ascend,
// none may be left out, and headers may come that were not asked for.
func (x *world) awaitSet(n *running, from uint64, want ...*message) {
	ctx, cancel := context.WithTimeout(x.Context(), 20*time.Second)
	defer cancel()
	next, err := n.Subscribe(ctx, link.TopicFeed, from)
	require.NoError(x, err)
	came := make(map[uint64]bool)
	lacking := func() bool {
		for _, m := range want {
			if m.Frame != nil && !came[link.SeqOf(m.Place)] {
				return true
			}
		}
		return false
	}
	before := uint64(0)
	for lacking() {
		seq, msg, err := next(ctx)
		require.NoError(x, err, "from %s, came %v", link.PlaceOf(from), came)
		kind, _, err := link.ParseFeed(msg)
		require.NoError(x, err)
		if kind == link.FeedFrame {
			require.GreaterOrEqual(x, seq, from)
			require.Greater(x, seq, before)
			before = seq
		}
		came[seq] = true
	}
	for _, m := range want {
		if m.Frame != nil {
			require.True(x, came[link.SeqOf(m.Place)], "%s", m.Place)
		}
	}
}

// What nobody keeps is out of step, and not silence.
func TestGone(t *testing.T) {
	x := newWorld(t)
	cfg := x.config()
	cfg.Signer, cfg.Limits.KeepBytes = sampleKey(t), 5000
	seq := x.run(cfg)
	feed := sampleFeed(t, 5, 5, 5, 5)
	x.publish(seq, feed...)
	late := x.node(seq.Node)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, n := range []*running{late, seq} {
		next, err := n.Subscribe(ctx, link.TopicFeed, 0)
		require.NoError(t, err)
		_, _, err = next(ctx)
		require.ErrorIs(t, err, chain.ErrOutOfStep)
	}
	// The oldest is what there is.
	require.NoError(t, late.Await(ctx))
	next, err := late.Subscribe(ctx, link.TopicFeed, link.Oldest)
	require.NoError(t, err)
	first, _, err := next(ctx)
	require.NoError(t, err)
	require.Greater(t, first, link.SeqOf(chain.Place{Number: 2}))
}

// The oldest is not gone only because there was none when somebody asked for it, and
// the feed was elsewhere when it came.
func TestOldest(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	n := x.node(seq.Node)
	x.meshed(seq, n)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	feed := sampleFeed(t, 1, 1, 1, 2)
	for _, topic := range []string{link.TopicFeed, link.TopicBodies, link.TopicPublications} {
		next, err := n.Subscribe(ctx, topic, link.Oldest)
		require.NoError(t, err)
		waiting, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		_, _, err = next(waiting)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		stop()
		defer func() {
			_, _, err := next(ctx)
			require.NoError(t, err, topic)
		}()
	}
	for _, m := range feed[6:] {
		x.publish(seq, m)
		if m.Frame != nil {
			_, err := seq.Publish(ctx, link.TopicBodies, sampleBody(t, m))
			require.NoError(t, err)
		}
	}
	_, err := seq.Publish(ctx, link.TopicPublications, encode(t, &chain.Publication{Block: chain.BlockID{Number: 4}}))
	require.NoError(t, err)
}

// A reader that waits ends with its context, and with the node.
func TestEnd(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	for _, topic := range []string{link.TopicFeed, link.TopicBodies, link.TopicPublications, link.TopicSnapshots, link.TopicAttestations} {
		next, err := n.Subscribe(t.Context(), topic, link.Oldest)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, _, err = next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, topic)
		cancel()
		ended := make(chan error, 1)
		go func() {
			_, _, err := next(context.Background())
			ended <- err
		}()
		defer func() { require.ErrorIs(t, <-ended, chain.ErrClosed, topic) }()
		_, _, err = n.Latest(t.Context(), topic)
		require.ErrorIs(t, err, chain.ErrNotFound, topic)
	}
	require.ErrorIs(t, n.Await(canceled()), context.Canceled)
	n.stop()
	require.ErrorIs(t, n.Await(context.Background()), chain.ErrClosed)
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// When a peer is lost in the middle, others have what it would have brought; and a
// sequencer that comes back at the same address, with what its log has, is found again.
func TestLoss(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	a, b := x.node(seq.Node), x.node(seq.Node)
	last := x.node(a.Node, b.Node)
	x.connected(last, 2)
	x.meshed(seq, a, b, last)
	feed := sampleFeed(t, 4, 4, 4, 4, 4)
	x.publish(seq, feed[:8]...)
	x.awaitFeed(last, 0, feed[:8]...)
	a.stop()
	x.publish(seq, feed[8:14]...)
	x.awaitFeed(last, 0, feed[:14]...)

	cfg := x.config()
	cfg.Signer, cfg.Key, cfg.Listen = sampleKey(t), seq.Key, []string{seq.host.Addrs()[0].String()}
	seq.stop()
	seq = x.run(cfg)
	for _, m := range feed[5:14] {
		require.NoError(t, seq.Backfill(t.Context(), link.TopicFeed, feedMessage(t, m)))
	}
	x.awaitFeed(seq, link.Oldest, feed[5:14]...)
	x.publish(seq, feed[12:]...) // some of it again, as after a crash
	x.awaitFeed(last, 0, feed...)
	require.Empty(t, last.Evidence())
}

// The topics that are not the feed: in their order, to all, to the late as well.
func TestTopics(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	early := x.node(seq.Node)
	x.meshed(seq, early)
	feed := sampleFeed(t, 2, 3, 2)
	var said [][2]any
	say := func(topic string, msg []byte) {
		number, err := seq.Publish(t.Context(), topic, msg)
		require.NoError(t, err)
		said = append(said, [2]any{topic, number})
	}
	bodies := make(map[uint64][]byte)
	for _, m := range feed {
		x.publish(seq, m)
		if m.Frame != nil {
			msg := sampleBody(t, m)
			bodies[link.SeqOf(m.Place)] = msg
			say(link.TopicBodies, msg)
			continue
		}
		id := m.Sealed.Header.ID()
		say(link.TopicPublications, encode(t, &chain.Publication{Block: id, Body: []byte("body"), Witness: []byte("w"), Diff: []byte("d")}))
		say(link.TopicSnapshots, encode(t, &chain.SnapshotOffer{Block: id, Feed: link.SeqOf(m.Place), Blob: []byte("snapshot")}))
		for p := range byte(2) {
			say(link.TopicAttestations, attestation(t, 1, id.Number, p))
		}
	}
	late := x.node(early.Node)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, late.Await(ctx))
	for name, n := range map[string]*running{"sequencer": seq, "early": early, "late": late} {
		for _, topic := range []string{link.TopicBodies, link.TopicPublications, link.TopicSnapshots, link.TopicAttestations} {
			next, err := n.Subscribe(ctx, topic, link.Oldest)
			require.NoError(t, err)
			var want, came []uint64
			for _, s := range said {
				if s[0] == topic {
					want = append(want, s[1].(uint64))
				}
			}
			for range want {
				seq, msg, err := next(ctx)
				require.NoError(t, err, "%s, %s, came %v of %v", name, topic, came, want)
				came = append(came, seq)
				if topic == link.TopicBodies {
					require.Equal(t, bodies[seq], msg)
				}
			}
			newest := slices.Max(want)
			if topic == link.TopicSnapshots || topic == link.TopicAttestations {
				slices.Sort(came) // they come as they come
			}
			require.Equal(t, want, came, "%s, %s", name, topic)
			if topic == link.TopicBodies && n == late {
				continue // they came to the reader from a peer, and not to the shelf
			}
			got, msg, err := n.Latest(ctx, topic)
			require.NoError(t, err, "%s, %s", name, topic)
			require.Equal(t, newest, got)
			require.NotEmpty(t, msg)
		}
	}
	// From a number on, and what is there only once more.
	next, err := late.Subscribe(ctx, link.TopicPublications, 2)
	require.NoError(t, err)
	for want := uint64(2); want <= 3; want++ {
		number, _, err := next(ctx)
		require.NoError(t, err)
		require.Equal(t, want, number)
	}
	require.Zero(t, late.Stats().BodiesLost)
}

// sampleBody is the body of a frame.
func sampleBody(t testing.TB, m *message) []byte {
	return encode(t, &chain.MiniBody{Number: m.Place.Number, Index: m.Place.Index, Frame: m.Content})
}

func encode(t testing.TB, noun interface{ AppendBinary([]byte) ([]byte, error) }) []byte {
	b, err := noun.AppendBinary(nil)
	require.NoError(t, err)
	return b
}

// A node without bodies neither takes nor asks for them; and says so.
func TestWithoutBodies(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	cfg := x.config(seq.Node)
	cfg.WithoutBodies = true
	n := x.run(cfg)
	x.connected(n, 1)
	feed := sampleFeed(t, 2)
	for _, m := range feed {
		x.publish(seq, m)
		if m.Frame != nil {
			_, err := seq.Publish(t.Context(), link.TopicBodies, sampleBody(t, m))
			require.NoError(t, err)
		}
	}
	x.awaitFeed(n, 0, feed...)
	_, err := n.Subscribe(t.Context(), link.TopicBodies, link.Oldest)
	require.ErrorIs(t, err, chain.ErrNotFound)
	require.Zero(t, n.Stats().BodiesKept)
	_, err = n.Publish(t.Context(), link.TopicFeed, feedMessage(t, feed[0]))
	require.True(t, errors.Is(err, errNoSigner))
}
