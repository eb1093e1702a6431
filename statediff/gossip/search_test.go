package gossip

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
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

// A peer may say what it likes of what it keeps, or keeps no more: a reader who wants the
// oldest begins with what there is, and one who wants what was not said yet waits for it.
func TestLyingStatus(t *testing.T) {
	feed := sampleFeed(t, 1, 4, 4, 4, 4, 4)
	early := status{
		feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 900}, bodies: chain.Place{Number: 1}, bodiesEnd: chain.Place{Number: 900},
		publication: 1, newestPublication: 900,
	}
	late := status{
		feed: chain.Place{Number: 800}, feedEnd: chain.Place{Number: 900}, bodies: chain.Place{Number: 800}, bodiesEnd: chain.Place{Number: 900},
		publication: 800, newestPublication: 900,
	}
	for name, lie := range map[string]struct {
		status
		answer []byte
	}{
		"nothing":  {early, answerOf()},
		"not kept": {early, []byte{byte(answerNotKept)}},
		"busy":     {early, []byte{byte(answerBusy)}},
		"useless":  {early, answerOf(feed[len(feed)-1].Envelope)},
		"late":     {late, []byte{byte(answerNotKept)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t)
			n := x.node()
			for range 5 {
				x.rogue(func(r request) []byte {
					if r.question == askStatus {
						return answerOf(lie.status.append(nil))
					}
					if r.question != askFeed && name == "useless" {
						return answerOf()
					}
					return lie.answer
				}).meet(n)
			}
			require.Eventually(t, func() bool { return len(n.peers.statuses()) == 5 }, 10*time.Second, time.Millisecond)
			first := x.reads(n, link.TopicFeed, 0)
			oldest := x.reads(n, link.TopicFeed, link.Oldest)
			publication := x.reads(n, link.TopicPublications, 1)
			time.Sleep(goneAfter + 2*time.Second)
			for _, c := range []chan read{first, oldest, publication} {
				if c == publication || name != "useless" { // that one has shown where the feed is
					require.Empty(t, c, "nobody has said anything that is gone")
				}
			}
			cfg := x.config(n.Node)
			cfg.Signer, cfg.Limits.KeepBytes = sampleKey(t), 5000
			seq := x.run(cfg)
			x.publish(seq, feed...)
			for number := uint64(1); number < 7; number++ {
				_, err := seq.Publish(t.Context(), link.TopicPublications, encode(t, &chain.Publication{Block: chain.BlockID{Number: number}}))
				require.NoError(t, err)
			}
			kept := seq.shelf.status().feed
			require.Greater(t, kept.Number, uint64(2))
			await := func(c chan read) read {
				select {
				case r := <-c:
					return r
				case <-time.After(60 * time.Second):
					require.Fail(t, "it waits for ever")
				}
				return read{}
			}
			require.NoError(t, await(oldest).err)
			require.NoError(t, await(publication).err)
			require.NoError(t, await(x.reads(n, link.TopicFeed, link.Oldest)).err)
			if r := await(first); r.err != nil {
				require.ErrorIs(t, r.err, chain.ErrOutOfStep, "now it is gone")
			}
			for _, p := range n.Peers() {
				require.True(t, p.Requests >= 0 || name == "useless", "%+v", p)
			}
		})
	}
}

// When what the signer said has come to nobody yet, a peer that boasts of it does not make
// a reader believe that it is gone; one that is past it does.
func TestBoastIsNoLoss(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	x.node(n.Node)
	x.connected(n, 1)
	_, err := n.take(heartbeat(t, 1, Heartbeat{Newest: chain.Place{Number: 4}, Published: 3, Time: noon}), false)
	require.NoError(t, err)
	r := &seriesReader{search: search{Node: n.Node}, set: true, next: 1}
	says := make(chan []byte, 1)
	says <- answerOf()
	x.boaster(status{publication: 1, newestPublication: 900}, func(request) []byte {
		answer := <-says
		says <- answer
		return answer
	}).meet(n)
	require.Eventually(t, func() bool { return len(n.peers.statuses()) == 2 }, 5*time.Second, time.Millisecond)
	asked := n.Stats().Asked
	for end := time.Now().Add(goneAfter + time.Second); time.Now().Before(end); {
		require.NoError(t, r.fetch(t.Context()))
	}
	require.Greater(t, n.Stats().Asked, asked)
	<-says
	says <- []byte{byte(answerNotKept)}
	require.Eventually(t, func() bool { err = r.fetch(t.Context()); return err != nil }, 20*time.Second, time.Millisecond)
	require.ErrorIs(t, err, chain.ErrOutOfStep)
}

// Peers that say whenever they are asked that they have what they do not give, as new ones
// may for ever, do not keep a reader from learning that it is gone.
func TestHopesEnd(t *testing.T) {
	x := newWorld(t)
	n := x.node()
	_, err := n.take(heartbeat(t, 1, Heartbeat{Newest: chain.Place{Number: 9}, Published: 8, Time: noon}), false)
	require.NoError(t, err)
	x.boaster(status{publication: 1, newestPublication: 8}, func(request) []byte { return answerOf() }).meet(n)
	require.Eventually(t, func() bool { return len(n.peers.statuses()) == 1 }, 5*time.Second, time.Millisecond)
	r := &search{Node: n.Node}
	around := func() error {
		r.failing, r.lacked = time.Now().Add(-2*goneAfter), time.Now()
		return r.around(t.Context(), request{question: askPublications, from: chain.Place{Number: 1}},
			func(*status) coverage { return hasIt }, func([]envelope.Opened) bool { return false })
	}
	for range hopesMax {
		require.NoError(t, around())
		require.Zero(t, r.failing)
	}
	require.ErrorIs(t, around(), chain.ErrOutOfStep)
}

// A read is what a reader got first.
type read struct {
	seq uint64
	err error
}

// reads begins to read a topic.
func (x *world) reads(n *running, topic string, from uint64) chan read {
	next, err := n.Subscribe(x.Context(), topic, from)
	require.NoError(x, err)
	c := make(chan read, 1)
	go func() {
		seq, _, err := next(context.Background())
		c <- read{seq, err}
	}()
	return c
}
