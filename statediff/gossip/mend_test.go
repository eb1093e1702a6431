package gossip

import (
	"testing"
	"time"

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

// What is said once, and was not heard, is asked for when peers meet.
func TestAskedWhenMet(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	a := &chain.Attestation{ChainID: sampleChain, Term: 1, Block: chain.BlockID{Number: 7}}
	require.NoError(t, seq.Backfill(t.Context(), link.TopicAttestations, encode(t, a)))
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
