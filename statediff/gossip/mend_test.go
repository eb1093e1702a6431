package gossip

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// What gossip did not bring shows in the sequencer's heartbeat, or in what peers say of
// themselves, and is asked for; bodies and publications too.
func TestMend(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	n := x.node(seq.Node)
	x.meshed(seq, n)
	feed := sampleFeed(t, 2, 3, 2)
	x.publish(seq, feed[0])
	x.awaitFeed(n, 0, feed[0])
	fill := func(topic string, msg []byte) { require.NoError(t, seq.Backfill(t.Context(), topic, msg)) } // does not send
	for _, m := range feed[1:] {
		fill(link.TopicFeed, feedMessage(t, m))
		if m.Frame == nil {
			fill(link.TopicPublications, encode(t, &chain.Publication{Block: m.Sealed.Header.ID()}))
			continue
		}
		fill(link.TopicBodies, sampleBody(t, m))
	}
	require.Eventually(t, func() bool {
		st := n.shelf.status()
		return st.feedEnd == chain.Place{Number: 4} && st.newestPublication == 3 && n.shelf.newestBody() == chain.Place{Number: 3, Index: 1}
	}, 10*time.Second, 5*time.Millisecond)
	x.awaitFeed(n, 0, feed...)
}

func (s *shelf) newestBody() chain.Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bodies.newest(); b != nil {
		return b.Place
	}
	return chain.Place{}
}

// Heartbeats come while nothing else does, and begin a feed where the sequencer is.
func TestHeartbeats(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 2, 2, 1, 1)
	x.publish(seq, feed...)
	n := x.node(seq.Node)
	x.meshed(seq, n)
	require.Eventually(t, func() bool {
		return n.shelf.place() == chain.Place{Number: 5} && !n.Stats().HeardAt.IsZero()
	}, 10*time.Second, 5*time.Millisecond)
	first := n.Stats()
	require.Equal(t, chain.HeaderPlace(4), first.LastHeartbeat.Newest)
	require.WithinDuration(t, time.Now(), first.LastHeartbeat.Time, 5*time.Second)
	require.WithinDuration(t, time.Now(), first.HeardAt, 5*time.Second)
	require.Eventually(t, func() bool { return n.Stats().LastHeartbeat.Time.After(first.LastHeartbeat.Time) }, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, n.Evidence(), "each says something else, and may")
}

// A feed that lacks what nobody keeps begins anew; an old message, sent again, does not
// begin it back there.
func TestAnew(t *testing.T) {
	x := newWorld(t)
	cfg := x.config()
	cfg.Signer, cfg.Limits.KeepBytes = sampleKey(t), 3000
	seq := x.run(cfg)
	feed := sampleFeed(t, 1, 1, 5, 5, 5, 5, 5)
	x.publish(seq, feed...)
	n := x.node()
	o := feed[0].Opened
	_, err := n.take(o, false)
	require.NoError(t, err)
	require.Equal(t, chain.Place{Number: 1, Index: 0}, n.shelf.feed.Kept())
	for _, addr := range seq.Addrs() {
		info, err := parseAddress(mustAddr(t, addr))
		require.NoError(t, err)
		n.peers.learn(*info)
	}
	require.Eventually(t, func() bool { return n.shelf.place() == chain.Place{Number: 8} }, 15*time.Second, 5*time.Millisecond)
	require.Equal(t, uint64(1), n.Stats().Begun)
	n.shelf.mu.Lock()
	n.shelf.abandon()
	n.shelf.mu.Unlock()
	v, err := n.take(feed[2].Opened, false)
	require.NoError(t, err)
	require.Equal(t, Far, v)
	require.Zero(t, n.shelf.place())
}

// What is said once, and was lost after peers met, is asked for by who misses it, from a
// block on; it comes to those who subscribed before.
func TestRecall(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	n := x.node(seq.Node)
	x.connected(n, 1)
	require.NoError(t, n.Await(t.Context()))
	next, err := n.Subscribe(t.Context(), link.TopicAttestations, link.Oldest)
	require.NoError(t, err)
	for number := uint64(5); number < 9; number++ {
		require.NoError(t, seq.Backfill(t.Context(), link.TopicAttestations, attestation(t, 1, number, 0))) // it is not sent
	}
	require.ErrorIs(t, n.Recall(t.Context(), link.TopicAttestations, 9), chain.ErrNotFound)
	require.ErrorIs(t, n.Recall(t.Context(), link.TopicSnapshots, 1), chain.ErrNotFound)
	require.NoError(t, n.Recall(t.Context(), link.TopicAttestations, 7))
	for _, want := range []uint64{7, 8} {
		got, _, err := next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.ErrorIs(t, n.Recall(t.Context(), link.TopicAttestations, 7), chain.ErrNotFound, "nothing is new")
	require.NoError(t, n.Recall(t.Context(), link.TopicAttestations, 1))
	got, _, err := next(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, got)
}

// What is said once, and was not heard, is asked for when peers meet.
func TestAskedWhenMet(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	require.NoError(t, seq.Backfill(t.Context(), link.TopicAttestations, attestation(t, 1, 7, 0)))
	o := &chain.SnapshotOffer{Block: chain.BlockID{Number: 6}}
	require.NoError(t, seq.Backfill(t.Context(), link.TopicSnapshots, encode(t, o)))
	n := x.node(seq.Node)
	require.NoError(t, n.Await(t.Context()))
	for topic, want := range map[string]uint64{link.TopicAttestations: 7, link.TopicSnapshots: 6} {
		number, _, err := n.Latest(t.Context(), topic)
		require.NoError(t, err, topic)
		require.Equal(t, want, number)
	}
}

// Where the feed is, peers know too, when the sequencer is silent.
func TestBeginsWithoutSequencer(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	relay := x.node(seq.Node)
	x.meshed(seq, relay)
	feed := sampleFeed(t, 2, 3, 1, 1, 2)
	x.publish(seq, feed...)
	x.awaitFeed(relay, 0, feed...)
	seq.stop()
	late := x.node(relay.Node)
	require.NoError(t, late.Await(t.Context()))
	number, msg, err := late.Latest(t.Context(), link.TopicFeed)
	require.NoError(t, err)
	newest := feed[len(feed)-1]
	require.Equal(t, link.SeqOf(newest.Place), number)
	require.Equal(t, feedMessage(t, newest), msg)
	require.Equal(t, newest.Place, late.Stats().Newest)
	x.awaitFeed(late, 0, feed...)
}

// boast is the status of a peer that has everything.
var boast = status{
	feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 900}, bodies: chain.Place{Number: 1}, bodiesEnd: chain.Place{Number: 900},
	publication: 1, newestPublication: 900, newestSnapshot: 900,
}

// boaster is a peer that says that it has what st says, and gives what answer does.
func (x *world) boaster(st status, answer func(request) []byte) *rogue {
	return x.rogue(func(r request) []byte {
		switch r.question {
		case askStatus:
			return answerOf(st.append(nil))
		case askPeers:
			return answerOf()
		}
		return answer(r)
	})
}

func (x *world) introduce(n *running, to *running) {
	for _, addr := range to.Addrs() {
		info, err := peer.AddrInfoFromString(addr)
		require.NoError(x, err)
		n.peers.learn(*info)
	}
}

// Peers that say they have what nobody gives do not hold the feed where it is.
func TestNobodyHoldsTheFeed(t *testing.T) {
	feed := sampleFeed(t, 1, 1, 5, 5, 5, 5, 5)
	for name, answer := range map[string]func(request) []byte{
		"nothing": func(request) []byte { return answerOf() },
		"busy":    func(request) []byte { return []byte{byte(answerBusy)} },
		"old":     func(request) []byte { return answerOf(feed[0].Envelope) },
		"silence": func(request) []byte { time.Sleep(300 * time.Millisecond); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t)
			cfg := x.config()
			cfg.Signer, cfg.Limits.KeepBytes = sampleKey(t), 3000
			seq := x.run(cfg)
			x.publish(seq, feed...)
			n := x.node()
			n.hearAll(t, feed[0])
			for range 2 {
				x.boaster(status{feed: boast.feed, feedEnd: boast.feedEnd}, answer).meet(n)
			}
			x.introduce(n, seq)
			require.Eventually(t, func() bool { return n.shelf.place() == chain.Place{Number: 8} }, 12*time.Second, 5*time.Millisecond)
			require.NotZero(t, n.Stats().Begun)
		})
	}
}

// A node that took one of two frames of one place, and not the one on which the feed goes
// on, is not held there; and whoever read of it is told.
func TestContradictionDoesNotHold(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 3, 2, 2)
	fork := twin(t, feed[1], nil)
	n := x.node()
	n.hearAll(t, feed[0], fork)
	next, err := n.Subscribe(t.Context(), link.TopicFeed, 0)
	require.NoError(t, err)
	for range 2 {
		_, _, err := next(t.Context())
		require.NoError(t, err)
	}
	x.publish(seq, feed...)
	x.introduce(n, seq)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, _, err = next(ctx)
	require.ErrorIs(t, err, chain.ErrOutOfStep)
	require.Eventually(t, func() bool { return n.shelf.place() == chain.Place{Number: 4} }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, uint64(1), n.Stats().Begun)
	x.awaitFeed(n, 0, feed...)
	require.GreaterOrEqual(t, n.Peers()[0].Requests, 0.0, "it is not the peer's fault")
}

// As long as all stand where we do, or the signer is silent, what is missing may still
// come.
func TestStandstill(t *testing.T) {
	x := newWorld(t)
	feed := sampleFeed(t, 4)
	n := x.node()
	other := x.node(n.Node)
	x.connected(n, 1)
	for _, n := range []*running{n, other} {
		n.hearAll(t, feed[0], feed[2])
	}
	require.Eventually(t, func() bool { _, _, ok := n.shelf.gap(time.Now()); return ok }, 5*time.Second, time.Millisecond)
	gap, at, ok := n.shelf.gap(time.Now())
	require.True(t, ok)
	require.Equal(t, chain.Place{Number: 1, Index: 1}, gap.From)
	n.reconsider(t.Context(), gap, at.at)
	require.Equal(t, at.at, n.shelf.place(), "the other has no more than we")
	met := func(count int) {
		require.Eventually(t, func() bool { return len(n.peers.statuses()) == count }, 5*time.Second, time.Millisecond)
	}
	for i, answer := range [][]byte{answerOf(), {byte(answerBusy)}} {
		boaster := x.boaster(status{feed: boast.feed, feedEnd: boast.feedEnd}, func(request) []byte { return answer })
		boaster.meet(n)
		met(2 + i)
		for range 3 {
			n.peers.gave(boaster.host.ID(), askFeed, true) // so that it is asked
			n.reconsider(t.Context(), gap, at.at)
			require.Equal(t, at.at, n.shelf.place(), "who boasts moves nothing")
		}
	}
	x.boaster(status{feed: chain.Place{Number: 2}, feedEnd: chain.Place{Number: 3}}, func(request) []byte { return answerOf() }).meet(n)
	met(4)
	n.reconsider(t.Context(), gap, at.at)
	require.Zero(t, n.shelf.place(), "another is past it, and those who boast cannot hold us")

	later := at
	later.since = later.since.Add(goneAfter + time.Second)
	require.False(t, at.long(&later), "the signer is silent")
	n = speakerOnly(t, 1).asRunning()
	n.hearAll(t, feed[0], feed[2])
	_, at, _ = n.shelf.gap(time.Now().Add(time.Second))
	_, err := n.take(heartbeat(t, 1, Heartbeat{Newest: feed[2].Place, Time: noon}), false)
	require.NoError(t, err)
	_, later, _ = n.shelf.gap(time.Now().Add(time.Minute))
	require.True(t, at.long(&later), "he speaks, and of something after it")
	later.since = at.since.Add(goneAfter)
	require.False(t, at.long(&later))
}

func (n *Node) asRunning() *running { return &running{Node: n} }

// Bodies are not lost as long as there is nobody to ask.
func TestBodiesWait(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	feed := sampleFeed(t, 1)
	n.hearAll(t, feed...)
	time.Sleep(goneAfter + 300*time.Millisecond)
	require.Zero(t, n.Stats().BodiesLost)
	x.connected(x.node(n.Node), 1)
	require.Eventually(t, func() bool { return n.Stats().BodiesLost == 1 }, 10*time.Second, 5*time.Millisecond)
}
