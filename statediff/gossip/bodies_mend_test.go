package gossip

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A row of bodies is given up as one, up to what is here or may still come; and what is
// lost is no more once it comes.
func TestLostBodies(t *testing.T) {
	feed := sampleFeed(t, 3, 5)
	l := bodyLine{limits: Limits{}.withDefaults()}
	l.begin(chain.Place{Number: 1})
	var places []chain.Place
	for i, m := range feed {
		if m.Frame != nil {
			l.expect(m, noon.Add(time.Duration(i)*time.Second))
			places = append(places, m.Place)
		}
	}
	body := func(i int) *body {
		for _, m := range feed {
			if m.Place == places[i] {
				o := openedBody(t, m)
				b, err := readBody(o)
				require.NoError(t, err)
				return b
			}
		}
		return nil
	}
	add := func(i int) {
		v, _ := l.add(body(i), noon)
		require.Equal(t, Taken, v)
	}
	add(4)
	then := noon.Add(8 * time.Second) // the last frame is younger
	require.Empty(t, l.lost(chain.Place{}))
	require.Zero(t, l.lose(places[4], then))
	require.Equal(t, 3, l.lose(places[1], then))
	require.Zero(t, l.lose(places[1], then))
	require.Equal(t, 2, l.lose(places[5], then))
	require.Equal(t, places[1:4], l.lost(chain.Place{}))
	require.Equal(t, places[2:4], l.lost(places[2]))
	require.Equal(t, places[5:7], l.lost(places[4]))
	require.Empty(t, l.lost(places[7]))
	require.Equal(t, places[0], l.ready())
	add(0)
	require.Equal(t, places[7], l.ready())
	add(2)
	require.Equal(t, places[1:2], l.lost(chain.Place{}))
	require.Equal(t, places[3:4], l.lost(places[2]))
}

// What nobody has does not hold up what is here, however much it is. When a peer comes that
// has it, it is asked for after all.
func TestHoleOfBodies(t *testing.T) {
	const hole = 200
	x := newWorld(t)
	n, other := x.node(), x.quiet()
	feed := sampleFeed(t, hole+1)
	n.hearAll(t, feed...)
	last := feed[hole]
	_, err := n.take(openedBody(t, last), false)
	require.NoError(t, err)
	next, err := n.Subscribe(t.Context(), link.TopicBodies, link.SeqOf(feed[0].Place))
	require.NoError(t, err)
	x.connected(x.node(n.Node), 1)
	began := time.Now()
	seq, _, err := next(t.Context())
	require.NoError(t, err)
	require.Equal(t, link.SeqOf(last.Place), seq)
	require.Less(t, time.Since(began), 15*time.Second, "not one after the other")
	require.EqualValues(t, hole, n.Stats().BodiesLost)

	other.backfillAll(t, feed...)
	for _, m := range feed[:hole] {
		require.NoError(t, other.Backfill(t.Context(), link.TopicBodies, sampleBody(t, m)))
	}
	x.introduce(n, other)
	require.Eventually(t, func() bool { return len(n.shelf.lostBodies(chain.Place{})) == 0 }, 30*time.Second, 5*time.Millisecond)
	n.shelf.mu.Lock()
	defer n.shelf.mu.Unlock()
	found, err := n.shelf.bodies.since(feed[0].Place, 1000, 1<<20)
	require.NoError(t, err)
	require.Len(t, found, hole+1, "for peers")
}

// Of lost bodies, those that came in the time that there is for them are kept: or a node
// that takes longer to check them would ask for the same again and again.
func TestLostBodiesComeInParts(t *testing.T) {
	const hole = 60
	x := newWorld(t)
	var slow atomic.Bool
	cfg := x.config()
	cfg.Recover = func(hash common.Hash, sig *[65]byte) (common.Address, error) {
		if slow.Load() {
			time.Sleep(2 * goneAfter / hole)
		}
		return envelope.PureRecover(hash, sig)
	}
	n, other := x.run(cfg), x.quiet()
	feed := sampleFeed(t, hole)
	n.hearAll(t, feed...)
	n.shelf.mu.Lock()
	for i := range n.shelf.bodies.slots {
		n.shelf.bodies.slots[i].lost = true
	}
	n.shelf.mu.Unlock()
	slow.Store(true)
	other.backfillAll(t, feed...)
	for _, m := range feed[:hole] {
		require.NoError(t, other.Backfill(t.Context(), link.TopicBodies, sampleBody(t, m)))
	}
	x.introduce(n, other)
	require.Eventually(t, func() bool { return len(n.shelf.lostBodies(chain.Place{})) == 0 }, 30*time.Second, 5*time.Millisecond)
}

// openedBody is the body of a frame, in an envelope that was opened.
func openedBody(t *testing.T, m *message) envelope.Opened {
	h := envelope.Header{Kind: envelope.KindBodies, ChainID: sampleChain, Genesis: sampleGenesis, Term: m.Term, Place: m.Place}
	msg, err := envelope.Seal(nil, h, sampleBody(t, m), sampleKey(t))
	require.NoError(t, err)
	h, err = envelope.Peek(msg, nil)
	require.NoError(t, err)
	require.False(t, h.Packed)
	return envelope.Opened{Header: h, Signer: sampleKey(t).Address(), Envelope: msg, Body: msg[envelope.Overhead:]}
}
