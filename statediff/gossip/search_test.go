package gossip

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// A reader does not give up because of what peers said long ago: one that had nothing
// when we met has it now.
func TestSearchOfStaleStatus(t *testing.T) {
	x := newWorld(t)
	feed := sampleFeed(t, 3, 1, 4)
	has, lacks := x.sequencer(), x.sequencer()
	for _, m := range feed {
		require.NoError(t, has.Backfill(t.Context(), link.TopicFeed, feedMessage(t, m)))
		if m.Place.Number > 1 {
			require.NoError(t, lacks.Backfill(t.Context(), link.TopicFeed, feedMessage(t, m)))
		}
	}
	old := lacks.shelf.status()
	search := func(peers ...*Node) *feedReader {
		n := x.node(peers...)
		x.connected(n, len(peers))
		require.NoError(t, n.Await(t.Context()))
		require.Eventually(t, func() bool { return len(n.peers.statuses()) == len(peers) }, 10*time.Second, time.Millisecond)
		for _, p := range peers {
			n.peers.setStatus(p.host.ID(), old)
		}
		return &feedReader{search: search{Node: n.Node, failing: time.Now().Add(-2 * goneAfter)}, set: true, place: feed[0].Place}
	}

	r := search(has.Node, lacks.Node)
	require.NoError(t, r.fetch(t.Context())) // it asks again what there is
	require.NoError(t, r.fetch(t.Context()))
	seq, msg, _, err := r.poll()
	require.NoError(t, err)
	require.Equal(t, link.SeqOf(feed[0].Place), seq)
	require.Equal(t, feedMessage(t, feed[0]), msg)

	require.ErrorIs(t, search(lacks.Node).fetch(t.Context()), chain.ErrOutOfStep)
}
