package gossip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/vivace-chain/vivace/chain"
)

// A fakeConn is a connection of which the test says when it is there.
type fakeConn struct {
	libp2p.Conn
	id     peer.ID
	dir    libp2p.Direction
	closed bool
}

func (c *fakeConn) RemotePeer() peer.ID { return c.id }

func (c *fakeConn) RemoteMultiaddr() ma.Multiaddr {
	a, _ := ma.NewMultiaddr("/ip4/192.0.2.1/tcp/4000")
	return a
}

func (c *fakeConn) Stat() libp2p.ConnStats {
	return libp2p.ConnStats{Stats: libp2p.Stats{Direction: c.dir}}
}

func (c *fakeConn) Close() error {
	c.closed = true
	return nil
}

// idle makes a node that is not run.
func (x *world) idle(cfg Config) *Node {
	n, err := New(cfg)
	require.NoError(x, err)
	x.Cleanup(func() { require.NoError(x, n.Close()) })
	return n
}

// A peer is there as long as one of its connections is, in whatever order it is said that
// one came and another went; and what was begun with the peer as it was before does not
// count for it as it is now.
func TestReconnect(t *testing.T) {
	x := newWorld(t)
	n := x.idle(x.config())
	id := x.idle(x.config()).id
	one, two := &fakeConn{id: id, dir: libp2p.DirInbound}, &fakeConn{id: id, dir: libp2p.DirInbound}
	n.connected(one)
	n.peers.setStatus(id, status{newestSnapshot: 7})
	n.connected(two)
	n.disconnected(one)
	require.Equal(t, 1, n.peers.count(), "the newer connection is there")
	require.NotNil(t, n.peers.statusOf(id))
	n.disconnected(one)
	require.Equal(t, 1, n.peers.count())

	before := n.peers.begin(id)
	done := n.admit(id)
	require.NotNil(t, before)
	require.NotNil(t, done)
	n.disconnected(two)
	require.Zero(t, n.peers.count())
	n.connected(one)
	require.Nil(t, n.peers.statusOf(id), "it may have started anew")
	n.peers.mu.Lock()
	now := n.peers.list[id]
	asked, serving := now.asked, now.serving
	n.peers.mu.Unlock()
	n.peers.finish(before, time.Second, true)
	done()
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	require.LessOrEqual(t, asked, now.asked)
	require.Equal(t, serving, now.serving)
	require.Equal(t, rttUnknown, now.rtt)
}

// When many connect at once, all get past the gate: but there are no more peers than may
// be, and boot nodes.
func TestCrowd(t *testing.T) {
	x := newWorld(t)
	boot := x.idle(x.config())
	cfg := x.config(boot)
	cfg.PeersMax = 3
	n := x.idle(cfg)
	refused := 0
	for range 5 {
		c := &fakeConn{id: x.idle(x.config()).id, dir: libp2p.DirInbound}
		n.connected(c)
		if c.closed {
			refused++
		}
	}
	require.Equal(t, 2, refused)
	require.Equal(t, 3, n.peers.count())
	c := &fakeConn{id: boot.id, dir: libp2p.DirInbound}
	n.connected(c)
	require.False(t, c.closed)
}

// A node that closes begins nothing any more, whoever asks for it.
func TestCloseWhileAsking(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	for range 5 {
		n := x.node(seq.Node)
		x.connected(n, 1)
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for {
					closed := n.ctx.Err() != nil
					err := n.askAround(t.Context(), request{question: askSnapshots}, func(*status) bool { return true }, func(answer) bool { return true })
					if closed {
						if err == nil {
							t.Error("the node is closed, and asks")
						}
						return
					}
				}
			})
		}
		n.stop()
		readers.Wait()
		require.False(t, n.spawn(func() { t.Error("it runs") }))
	}
}

// What a peer does not give although it said it had it is not believed for a while, each
// time longer; it costs nothing else.
func TestClaims(t *testing.T) {
	x := newWorld(t)
	n := x.idle(x.config())
	id := x.idle(x.config()).id
	n.connected(&fakeConn{id: id, dir: libp2p.DirInbound})
	all := status{
		feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 9}, bodies: chain.Place{Number: 2}, bodiesEnd: chain.Place{Number: 8},
		publication: 3, newestPublication: 7, newestSnapshot: 6,
	}
	n.peers.setStatus(id, all)
	for q, has := range map[question]func(*status) bool{
		askFeed:         func(s *status) bool { return covering(s.feed, s.feedEnd, chain.Place{Number: 5}) == hasIt },
		askBodies:       func(s *status) bool { return covering(s.bodies, s.bodiesEnd, chain.Place{Number: 5}) == hasIt },
		askPublications: func(s *status) bool { return s.newestPublication >= 5 },
		askSnapshots:    func(s *status) bool { return s.newestSnapshot >= 5 },
	} {
		believed := func() bool { return len(n.peers.best(q, has)) > 0 }
		until := func() time.Duration {
			n.peers.mu.Lock()
			defer n.peers.mu.Unlock()
			return time.Until(n.peers.list[id].doubts[q].until)
		}
		require.True(t, believed(), "%s", q)
		n.peers.gave(id, q, false)
		require.False(t, believed(), "%s", q)
		require.Eventually(t, believed, 5*time.Second, time.Millisecond)
		n.peers.gave(id, q, false)
		require.Greater(t, until(), doubtFirst, "%s", q)
		n.peers.setStatus(id, all)
		require.False(t, believed(), "to say it again does not help")
		for range 100 {
			n.peers.gave(id, q, false)
		}
		require.LessOrEqual(t, until(), doubtMax)
		n.peers.gave(id, q, true)
		require.True(t, believed(), "%s", q)
		require.Equal(t, all, *n.peers.statusOf(id))
	}
	require.Zero(t, n.peers.score(id))
}

// What is held against a peer is held against it when it comes back, until that has faded;
// and of those who do not come back, so many are remembered, and no more.
func TestStandingOutlivesConnections(t *testing.T) {
	x := newWorld(t)
	n := x.idle(x.config())
	p, now := n.peers, time.Now()
	c := &fakeConn{id: "somebody", dir: libp2p.DirInbound}
	again := func(after time.Duration) {
		p.leave(c, now)
		now = now.Add(after)
		require.True(t, p.enter(c, now))
		p.setStatus(c.id, boast)
	}
	believed := func() bool {
		return len(p.best(askSnapshots, func(st *status) bool { return st.newestSnapshot > 0 })) > 0
	}
	require.True(t, p.enter(c, now))
	p.setStatus(c.id, boast)
	require.True(t, believed())
	p.mu.Lock()
	for b := range p.list[c.id].cost {
		p.list[c.id].cost[b] = rate.NewLimiter(0, 1)
	}
	p.mu.Unlock()
	for range 10 {
		p.gave(c.id, askSnapshots, false)
		p.brought(c.id, askFeed, false)
	}
	for b := range bills {
		p.charge(c.id, b, 1)
	}
	for range 3 {
		p.reward(c.id, scoreBadAnswer)
		again(0)
	}
	require.InDelta(t, 3*scoreBadAnswer, p.score(c.id), 1e-9)
	require.False(t, believed())
	require.Equal(t, 10, p.list[c.id].empty[askFeed])
	for b := range bills {
		require.False(t, p.solvent(c.id, b))
	}
	again(standingFor / 2)
	require.InDelta(t, 3*scoreBadAnswer/10, p.score(c.id), 1, "it fades as it does while the peer is here")
	again(standingFor)
	require.Zero(t, p.score(c.id))
	require.True(t, believed())
	require.True(t, p.solvent(c.id, billHeard))

	p.leave(c, now)
	for i := range standingsMax {
		require.Contains(t, p.left, c.id)
		now = now.Add(time.Second)
		other := &fakeConn{id: peer.ID(fmt.Sprint("other ", i)), dir: libp2p.DirInbound}
		require.True(t, p.enter(other, now))
		p.leave(other, now)
	}
	require.Len(t, p.left, standingsMax)
	require.NotContains(t, p.left, c.id)
}

// Who does not answer in time, however often, is not blamed for it, and is asked later
// than others.
func TestSlowPeer(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	slow := x.rogue(func(r request) []byte {
		switch r.question {
		case askStatus:
			return answerOf(new(status).append(nil))
		case askFeed:
			time.Sleep(100 * time.Millisecond)
		case askBodies:
			time.Sleep(3 * time.Second)
		}
		return answerOf()
	})
	slow.meet(n)
	id := slow.host.ID()
	require.NoError(t, n.Await(t.Context()))
	rtt := n.peers.rttOf(id)
	for range 45 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := n.ask(ctx, id, request{question: askFeed})
		cancel()
		require.True(t, isTimeout(err), "%v", err)
	}
	for i := range time.Duration(500) { // at whatever moment it is given up
		ctx, cancel := context.WithTimeout(t.Context(), 2*i*time.Microsecond)
		_, err := n.ask(ctx, id, request{question: askPublications})
		cancel()
		var full *libp2p.StreamError // of the other side, which has not noticed yet
		require.True(t, err == nil || isTimeout(err) || errors.As(err, &full) && full.Remote, "%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), max(time.Second, 10*rtt))
	defer cancel()
	_, err := n.ask(ctx, id, request{question: askBodies})
	require.True(t, isTimeout(err), "%v", err)
	require.Greater(t, n.peers.rttOf(id), rtt)
	time.Sleep(1100 * time.Millisecond) // scores are looked at once a second
	require.False(t, slow.gone(n))
	require.Len(t, n.Peers(), 1)
	require.GreaterOrEqual(t, n.Peers()[0].Requests, 0.0)
	require.Zero(t, n.Stats().Bans)
}

// One peer that does not keep something any more says so, whatever others say who bring
// nothing; and who brought nothing is asked last.
func TestNotKept(t *testing.T) {
	x := newWorld(t)
	n := x.idle(x.config())
	for _, out := range [][]byte{{byte(answerNotKept)}, answerOf(), {byte(answerBusy)}} {
		x.rogue(func(r request) []byte {
			if r.question == askStatus {
				return answerOf(new(status).append(nil))
			}
			return out
		}).meetIdle(n)
	}
	anyone := func(*status) bool { return true }
	require.Eventually(t, func() bool { return len(n.peers.statuses()) == 3 }, 10*time.Second, time.Millisecond)
	for range 10 {
		err := n.askAround(t.Context(), request{question: askFeed}, anyone, func(answer) bool { return false })
		require.ErrorIs(t, err, errNotKept)
	}
	useful := n.peers.best(askFeed, anyone)[0]
	n.peers.brought(useful, askFeed, true)
	for range 10 {
		require.Equal(t, useful, n.peers.best(askFeed, anyone)[0])
	}
}

// One peer that does not answer holds up nobody who can: neither a peer that comes while it
// is waited for, nor one that had nothing when it was asked.
func TestAskedAgain(t *testing.T) {
	x := newWorld(t)
	n := x.idle(x.config())
	anyone := func(*status) bool { return true }
	met := func(peers int) {
		require.Eventually(t, func() bool { return len(n.peers.statuses()) == peers }, 10*time.Second, time.Millisecond)
	}
	answering := func(out func() []byte) {
		x.rogue(func(r request) []byte {
			switch r.question {
			case askStatus:
				return answerOf(new(status).append(nil))
			case askBodies:
				return out()
			}
			return answerOf()
		}).meetIdle(n)
	}
	end, hung, busy := make(chan struct{}), make(chan struct{}, askedMost), make(chan struct{}, askedMost)
	answering(func() []byte {
		hung <- struct{}{}
		<-end
		return nil
	})
	t.Cleanup(func() { close(end) }) // before the rogue waits for its handlers
	met(1)
	ask := func() (took chan time.Duration) {
		took = make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			err := n.askAround(t.Context(), request{question: askBodies}, anyone, func(a answer) bool { return a.err == nil })
			if err != nil {
				t.Error(err)
			}
			took <- time.Since(began)
		}()
		<-hung
		return took
	}
	var has atomic.Bool
	has.Store(true)
	took := ask()
	answering(func() []byte {
		if has.Load() {
			return answerOf()
		}
		busy <- struct{}{}
		return []byte{byte(answerBusy)}
	})
	require.Less(t, <-took, requestTimeout/2, "one came")

	met(2)
	has.Store(false)
	took = ask()
	<-busy
	has.Store(true)
	require.Less(t, <-took, requestTimeout/2, "one has it by now")
}
