package gossip

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// counting makes a node that counts the signatures that it checks.
func (x *world) counting(boot ...*Node) (*running, *atomic.Int64) {
	count := new(atomic.Int64)
	cfg := x.config(boot...)
	cfg.Recover = func(hash common.Hash, sig *[65]byte) (common.Address, error) {
		count.Add(1)
		return envelope.PureRecover(hash, sig)
	}
	return x.run(cfg), count
}

func envelopesOf(feed []*message) (list [][]byte) {
	for _, m := range feed {
		list = append(list, m.Envelope)
	}
	return list
}

// What an answer becomes in memory is bounded, however little was sent.
func TestUnpackedIsBounded(t *testing.T) {
	n := speakerOnly(t, 1)
	const size = 16 << 20
	h := envelope.Header{Kind: envelope.KindBodies, ChainID: sampleChain, Genesis: sampleGenesis, Term: 1, Place: chain.Place{Number: 1}}
	item, err := envelope.Seal(nil, h, make([]byte, size), sampleKey(t))
	require.NoError(t, err)
	require.Less(t, len(item), 64<<10, "it is packed")
	for items, want := range map[int]int{2: 2, unpackedMax/size + 2: unpackedMax / size} {
		list, err := n.readSigned("somebody", request{question: askBodies}, slices.Repeat([][]byte{item}, items))
		require.NoError(t, err)
		require.Len(t, list, want)
	}
}

// What is known is not checked again, in whatever answer it comes; and who sends what is of
// no use again and again is not listened to for a while.
func TestRepetitionsCost(t *testing.T) {
	x := newWorld(t)
	n, count := x.counting()
	r := x.rogue(nil)
	r.meet(n)
	id := r.host.ID()
	require.Eventually(t, func() bool { return n.peers.count() == 1 }, 5*time.Second, time.Millisecond)
	feed := sampleFeed(t, 3, 2)
	n.hearAll(t, feed...)
	q := request{question: askFeed, fresh: true}
	list, err := n.readSigned(id, q, envelopesOf(feed))
	require.NoError(t, err)
	require.Empty(t, list)
	require.Zero(t, count.Load())
	q.fresh = false
	list, err = n.readSigned(id, q, envelopesOf(feed))
	require.NoError(t, err)
	require.Len(t, list, len(feed), "a reader may lack what the shelf has")
	require.Equal(t, int64(len(feed)), count.Load())

	// Of another kind: nobody needs to check the signature of that.
	_, err = n.readSigned(id, request{question: askBodies}, envelopesOf(feed[:1]))
	require.ErrorIs(t, err, chain.ErrMismatch)
	require.Equal(t, int64(len(feed)), count.Load())

	// The same contradiction, for ever.
	n.peers.mu.Lock()
	n.peers.list[id].cost[billAnswered].SetLimit(1e-9) // nothing comes back meanwhile
	n.peers.mu.Unlock()
	other := twin(t, feed[1], nil)
	q.fresh = true
	count.Store(0)
	const each, times = 100, 30
	for range times {
		list, err := n.readSigned(id, q, slices.Repeat([][]byte{other.Envelope}, each))
		require.NoError(t, err)
		n.takeAll(answer{from: id, sent: each, items: list})
	}
	require.LessOrEqual(t, count.Load(), int64(costBurst+each))
	require.NotZero(t, n.Stats().Refused["cost"])
	n.peers.mu.Lock()
	n.peers.list[id].cost[billAnswered].SetLimit(costRate)
	n.peers.mu.Unlock()
	require.Eventually(t, func() bool {
		list, err := n.readSigned(id, q, [][]byte{other.Envelope})
		return err == nil && len(list) == 1
	}, 5*time.Second, 5*time.Millisecond)
}

// What is good and new costs its bringer nothing, however much it is; and who used up what
// its messages may cost can still give what was asked of it.
func TestGoodIsFree(t *testing.T) {
	x := newWorld(t)
	n := x.idle(x.config())
	id := x.idle(x.config()).id
	n.connected(&fakeConn{id: id, dir: libp2p.DirInbound})
	const burst = 3
	n.peers.mu.Lock()
	for b := range n.peers.list[id].cost {
		n.peers.list[id].cost[b] = rate.NewLimiter(0, burst)
	}
	n.peers.mu.Unlock()
	hear := func(m *message) pubsub.ValidationResult { return n.hear(id, topicKinds[link.TopicFeed], m.Envelope) }
	feed := sampleFeed(t, 8, 8)
	for _, m := range feed[:2*burst] {
		require.Equal(t, pubsub.ValidationAccept, hear(m))
	}
	for i := range burst {
		require.Equal(t, pubsub.ValidationIgnore, hear(twin(t, feed[i], nil)))
	}
	require.Zero(t, n.Stats().Refused["cost"])
	next := feed[2*burst]
	require.Equal(t, pubsub.ValidationIgnore, hear(next))
	require.EqualValues(t, 1, n.Stats().Refused["cost"])
	rest := feed[2*burst:]
	list, err := n.readSigned(id, request{question: askFeed, fresh: true}, envelopesOf(rest))
	require.NoError(t, err)
	require.Equal(t, len(rest), n.takeAll(answer{from: id, sent: len(rest), items: list}))
}

// What did not fit, and never will, is not opened again.
func TestUnfitIsRemembered(t *testing.T) {
	x := newWorld(t)
	n, count := x.counting()
	feed := sampleFeed(t, 3)
	n.hearAll(t, feed[0])
	stray := twin(t, feed[1], func(f *chain.Frame) { f.Parent = common.Hash{1} })
	n.hearAll(t, stray)
	list, err := n.readSigned("somebody", request{question: askFeed, fresh: true}, envelopesOf([]*message{stray, feed[1]}))
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, int64(1), count.Load())
}

// quiet is a sequencer that answers, and does nothing else.
func (x *world) quiet() *running {
	cfg := x.config()
	cfg.Signer, cfg.Term = sampleKey(x), 1
	n, err := New(cfg)
	require.NoError(x, err)
	x.Cleanup(func() { require.NoError(x, n.Close()) })
	return &running{Node: n}
}

// A peer that lacks something in the middle says so, and does not lose by it.
func TestHoles(t *testing.T) {
	x := newWorld(t)
	seq := x.quiet()
	for _, number := range []uint64{4, 5, 7, 8} {
		msg := encode(t, &chain.Publication{Block: chain.BlockID{Number: number}})
		require.NoError(t, seq.Backfill(t.Context(), link.TopicPublications, msg))
	}
	feed := sampleFeed(t, 4)
	seq.backfillAll(t, feed...)
	for _, i := range []int{0, 3} { // 1/1 is lost, and 1/2 is awaited
		require.NoError(t, seq.Backfill(t.Context(), link.TopicBodies, sampleBody(t, feed[i])))
	}
	seq.shelf.mu.Lock()
	seq.shelf.bodies.slots[1].lost = true
	seq.shelf.mu.Unlock()
	st := seq.shelf.status()
	require.Equal(t, chain.Place{Number: 1, Index: 2}, st.bodiesEnd, "up to what is awaited")
	r := x.rogue(nil)
	r.meet(seq)
	require.Eventually(t, func() bool { return seq.peers.count() == 1 }, 5*time.Second, time.Millisecond)
	items := func(q request) (int, error) {
		list, err := readAnswer(bytes.NewReader(r.ask(seq, q.append(nil))), q)
		return len(list), err
	}
	for _, c := range []struct {
		request
		want int // -1: not kept
	}{
		{request{question: askPublications, from: chain.Place{Number: 3}}, -1},
		{request{question: askPublications, from: chain.Place{Number: 4}}, 2},
		{request{question: askPublications, from: chain.Place{Number: 6}}, -1},
		{request{question: askPublications, from: chain.Place{Number: 9}}, 0},
		{request{question: askBodies, from: feed[0].Place}, 1},
		{request{question: askBodies, from: feed[1].Place}, -1},
		{request{question: askBodies, from: feed[2].Place}, -1},
		{request{question: askBodies, from: feed[3].Place}, 1},
		{request{question: askBodies, from: chain.Place{Number: 2}}, 0},
	} {
		got, err := items(c.request)
		if c.want < 0 {
			require.ErrorIs(t, err, errNotKept, "%s from %s: %d", c.question, c.from, got)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s from %s", c.question, c.from)
	}

	n := x.node(seq.Node)
	require.Eventually(t, func() bool { return n.shelf.status().newestPublication == 5 }, 10*time.Second, 5*time.Millisecond)
	asked := n.Stats().Asked
	require.Eventually(t, func() bool { // for 6, again and again
		n.catchUpWith(t.Context(), seq.host.ID())
		return n.Stats().Asked > asked+10
	}, 10*time.Second, 5*time.Millisecond)
	require.Greater(t, n.Peers()[0].Requests, 0.0)

	seq.shelf.mu.Lock() // a status of which outlives this
	seq.shelf.feed = nil
	seq.shelf.mu.Unlock()
	_, err := items(request{question: askFeed, from: feed[0].Place})
	require.ErrorIs(t, err, errNotKept)
}

// A reader does not mix up what one peer sent with what another did, and blames who sent
// something else than it asked for.
func TestReaderBlamesTheLiar(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	for number := uint64(1); number < 5; number++ {
		msg := encode(t, &chain.Publication{Block: chain.BlockID{Number: number}})
		require.NoError(t, seq.Backfill(t.Context(), link.TopicPublications, msg))
	}
	later := bytes.Clone(seq.shelf.publications.at(4).Envelope)
	liar := x.boaster(status{publication: 1, newestPublication: 5}, func(r request) []byte {
		if r.question == askPublications {
			return answerOf(later)
		}
		return answerOf()
	})
	n := x.node(seq.Node)
	liar.meet(n)
	require.Eventually(t, func() bool { return len(n.peers.statuses()) == 2 }, 5*time.Second, time.Millisecond)
	n.peers.reward(liar.host.ID(), 3*scoreServedMax) // so that it is asked first
	before := n.peers.score(liar.host.ID())
	r := &seriesReader{search: search{Node: n.Node}, set: true, next: 1}
	require.NoError(t, r.fetch(t.Context()))
	require.Len(t, r.came, 4)
	require.Less(t, n.peers.score(liar.host.ID()), before)
	require.GreaterOrEqual(t, n.peers.score(seq.host.ID()), 0.0)
}

// Who gave what was asked for is not to blame when it does not fit.
func TestReaderForgives(t *testing.T) {
	x := newWorld(t)
	feed := sampleFeed(t, 2)
	stray := twin(t, feed[0], func(f *chain.Frame) { f.Parent = common.Hash{1} })
	n := x.node()
	for item, blamed := range map[*message]bool{stray: false, feed[1]: true} {
		peer := x.boaster(status{feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 3}}, func(r request) []byte {
			if r.question == askFeed {
				return answerOf(item.Envelope)
			}
			return answerOf()
		})
		peer.meet(n)
		id := peer.host.ID()
		require.Eventually(t, func() bool { return n.peers.statusOf(id) != nil }, 5*time.Second, time.Millisecond)
		before := n.peers.score(id)
		r := &feedReader{search: search{Node: n.Node}, set: true, place: feed[0].Place}
		require.NoError(t, r.fetch(t.Context()))
		require.Empty(t, r.came)
		require.Equal(t, blamed, n.peers.score(id) <= before+scoreWithheld/2)
		require.NoError(t, peer.host.Network().ClosePeer(n.id))
		require.Eventually(t, func() bool { return n.peers.count() == 0 }, 5*time.Second, time.Millisecond)
	}
}

// What an answer must have, so that nobody is to blame.
func TestMeets(t *testing.T) {
	items := func(places ...chain.Place) (list []envelope.Opened) {
		for _, p := range places {
			list = append(list, envelope.Opened{Header: envelope.Header{Place: p}})
		}
		return list
	}
	at := chain.Place{Number: 5, Index: 3}
	for _, c := range []struct {
		question
		items []envelope.Opened
		want  bool
	}{
		{askFeed, nil, false},
		{askFeed, items(chain.HeaderPlace(4)), false},
		{askFeed, items(chain.HeaderPlace(4), at), true},
		{askFeed, items(chain.HeaderPlace(4), chain.Place{Number: 5, Index: 4}), false},
		{askFeed, items(chain.HeaderPlace(5)), true},
		{askFeed, items(chain.Place{Number: 6}), true},
		{askFeed, items(chain.Place{Number: 6, Index: 1}), false},
		{askBodies, items(chain.Place{Number: 6, Index: 1}), true},
		{askBodies, items(chain.Place{Number: 5, Index: 2}), false},
	} {
		require.Equal(t, c.want, request{question: c.question, from: at}.meets(c.items), "%s %v", c.question, c.items)
	}
}

// A peer that says that it has what is older than anything, and does not, is believed
// once.
func TestOldestOfALiar(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	feed := sampleFeed(t, 1, 1, 2)
	seq.backfillAll(t, feed[2:]...)
	n := x.node(seq.Node)
	x.boaster(status{feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 3}}, func(request) []byte {
		return []byte{byte(answerNotKept)}
	}).meet(n)
	x.awaitFeed(n, link.SeqOf(feed[2].Place), feed[2:]...)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	next, err := n.Subscribe(ctx, link.TopicFeed, link.Oldest)
	require.NoError(t, err)
	_, msg, err := next(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, msg)
}

// A slate is a stream that keeps what is written to it, and how often.
type slate struct {
	libp2p.Stream
	sent  bytes.Buffer
	times int
}

func (s *slate) Write(b []byte) (int, error) {
	s.times++
	return s.sent.Write(b)
}

func (s *slate) SetWriteDeadline(time.Time) error { return nil }

// Small items of an answer are written together, and large ones in parts.
func TestAnswersAreWrittenTogether(t *testing.T) {
	n := newWorld(t).idle(newWorld(t).config())
	for _, c := range []struct{ items, size, times int }{
		{0, 0, 1}, {1, 10, 1}, {500, 100, 1}, {2, servedPart - 4, 3}, {4, chain.ChunkSize, 17}, {1, servedPart + 1, 2},
	} {
		items := slices.Repeat([][]byte{randomBytes(c.size)}, c.items)
		s, before := new(slate), n.Stats().ServedBytes
		require.NoError(t, n.writeAnswer(t.Context(), s, request{question: askFeed}, each(items)))
		require.Equal(t, answerOf(items...), s.sent.Bytes())
		require.LessOrEqual(t, s.times, c.times, "%d items of %d bytes", c.items, c.size)
		require.EqualValues(t, s.sent.Len(), n.Stats().ServedBytes-before)
	}
	s := new(slate)
	require.NoError(t, n.writeAnswer(t.Context(), s, request{question: askStatus}, each([][]byte{make([]byte, statusSize)})))
	require.Equal(t, 1, s.times, "it has room for what the question allows")
}
