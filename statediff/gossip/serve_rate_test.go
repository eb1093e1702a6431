package gossip

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/vivace-chain/vivace/chain"
)

// ration lets a peer ask so often and no more.
func (p *peers) ration(id peer.ID, limit rate.Limit, burst int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list[id].cost[billServed] = rate.NewLimiter(limit, burst)
}

// Who asks too often is told that we are busy, later, and loses nothing by it; others are
// answered meanwhile.
func TestRequestsAreRationed(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	r, other := x.boaster(status{}, func(request) []byte { return answerOf() }), x.rogue(nil)
	r.meet(n)
	other.meet(n)
	x.connected(n, 2)
	id, req := r.host.ID(), request{question: askStatus}.append(nil)
	n.peers.ration(id, 0, 3)
	for range 3 {
		require.Equal(t, byte(answerOK), r.ask(n, req)[0])
	}
	began := time.Now()
	require.Equal(t, []byte{byte(answerBusy)}, r.ask(n, req))
	require.GreaterOrEqual(t, time.Since(began), busyAfter)
	require.Equal(t, byte(answerOK), other.ask(n, req)[0])
	require.EqualValues(t, 1, n.Stats().Turned)

	// Of a flood, no more is looked at than streams can wait for that.
	served := n.Stats().Served
	var flood sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 2*busyAfter)
	defer cancel()
	var sent atomic.Int64
	for range 2 * streamsPerPeer {
		flood.Go(func() {
			for ctx.Err() == nil {
				if st, err := r.host.NewStream(ctx, n.id, r.syncID); err == nil {
					_, _ = st.Write(req)
					_, _ = io.ReadAll(st)
					st.Reset()
					sent.Add(1)
				}
			}
		})
	}
	began = time.Now()
	flood.Wait()
	rounds := int(time.Since(began)/busyAfter) + 2
	require.LessOrEqual(t, n.Stats().Served-served, uint64(rounds*streamsPerPeer/2), "%d sent", sent.Load())
	require.False(t, r.gone(n))
	require.GreaterOrEqual(t, n.peers.score(id), 0.0)

	n.peers.ration(id, serveRate, 1)
	require.Eventually(t, func() bool { return r.ask(n, req)[0] == byte(answerOK) }, 10*time.Second, time.Millisecond)
}

// What an answer has in it counts.
func TestItemsAreRationed(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 3*serveItems)
	x.publish(seq, feed...)
	r := x.rogue(nil)
	r.meet(seq)
	x.connected(seq, 1)
	seq.peers.ration(r.host.ID(), 0, 10)
	req := request{question: askFeed, from: chain.Place{Number: 1}}.append(nil)
	for range 3 { // four each, and what is left
		require.Equal(t, byte(answerOK), r.ask(seq, req)[0])
	}
	require.Equal(t, []byte{byte(answerBusy)}, r.ask(seq, req))
}

// A node that catches up with all that there is by default is not turned away; and one that
// is comes to it all the same, and nobody is blamed.
func TestCatchingUpIsRationed(t *testing.T) {
	limits := Limits{}.withDefaults()
	messages := 2 * int(limits.KeepFor/(10*time.Millisecond)) // with bodies
	require.Less(t, messages/fetchMost*(1+fetchMost/serveItems), serveBurst/2)

	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 20, 20, 20)
	x.publish(seq, feed...)
	n := x.idle(x.config())
	id := n.id
	seq.peers.mu.Lock()
	seq.peers.left[id] = newStanding()
	seq.peers.left[id].left = time.Now()
	seq.peers.left[id].cost[billServed] = rate.NewLimiter(5, 1)
	seq.peers.mu.Unlock()
	running := x.start(n)
	x.introduce(running, seq)
	x.awaitFeed(running, 0, feed...)
	require.NotZero(t, seq.Stats().Turned)
	require.GreaterOrEqual(t, seq.peers.score(id), 0.0)
	require.GreaterOrEqual(t, n.peers.score(seq.id), 0.0)
}
