package gossip

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// speakerOnly makes a node that signs, in a term, and meets nobody.
func speakerOnly(t *testing.T, term uint64) *Node {
	cfg := newWorld(t).config()
	cfg.Signer, cfg.Term, cfg.Listen = sampleKey(t), term, nil
	n, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func (n *Node) hearAll(t *testing.T, feed ...*message) {
	for _, m := range feed {
		_, err := n.take(m.Opened, false)
		require.NoError(t, err)
	}
}

func (n *Node) backfillAll(t *testing.T, feed ...*message) {
	for _, m := range feed {
		require.NoError(t, n.Backfill(t.Context(), link.TopicFeed, feedMessage(t, m)))
	}
}

func (n *Node) publishOne(t *testing.T, m *message) error {
	_, err := n.Publish(t.Context(), link.TopicFeed, feedMessage(t, m))
	return err
}

// heartbeat is an opened one.
func heartbeat(t *testing.T, term uint64, h Heartbeat) envelope.Opened {
	head := envelope.Header{Kind: envelope.KindHeartbeat, ChainID: sampleChain, Genesis: sampleGenesis, Term: term, Place: chain.HeaderPlace(h.Newest.Number)}
	msg, err := envelope.Seal(nil, head, encode(t, &h), sampleKey(t))
	require.NoError(t, err)
	head, err = envelope.Peek(msg, nil)
	require.NoError(t, err)
	return envelope.Opened{Header: head, Signer: sampleKey(t).Address(), Envelope: msg, Body: msg[envelope.Overhead:]}
}

// A sequencer whose log has lost its end, and that goes on in the same term, would say two
// things with one key. As soon as its node hears of the other it says no more; in a newer
// term it may.
func TestNewerTermIsDemanded(t *testing.T) {
	feed := sampleFeed(t, 3, 3)
	other := twin(t, feed[1], nil)
	for name, heard := range map[string]func(n *Node) error{
		"before": func(n *Node) error {
			n.backfillAll(t, feed[0])
			n.hearAll(t, feed[1:]...)
			return n.publishOne(t, other)
		},
		"after": func(n *Node) error {
			n.backfillAll(t, feed[0])
			require.NoError(t, n.publishOne(t, other))
			n.hearAll(t, feed[1])
			return n.publishOne(t, frameMessage(t, &chain.Frame{Number: 1, Index: 2, Term: 1, Parent: other.Content}))
		},
		"ahead": func(n *Node) error {
			n.backfillAll(t, feed[0])
			require.NoError(t, n.publishOne(t, other))
			n.hearAll(t, feed[4:]...)
			last := frameMessage(t, &chain.Frame{Number: 1, Index: 2, Term: 1, Parent: other.Content, Last: true})
			require.NoError(t, n.publishOne(t, last))
			first := frameMessage(t, &chain.Frame{Number: 2, Term: 1, Parent: last.Content})
			return n.publishOne(t, first) // what was heard did not fit, and was put aside
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := speakerOnly(t, 1)
			err := heard(n)
			require.ErrorIs(t, err, chain.ErrOutOfStep)
			require.ErrorContains(t, err, "Config.Term must be higher")
			require.ErrorIs(t, n.publishOne(t, feed[0]), chain.ErrOutOfStep, "for good")

			n = speakerOnly(t, 2)
			n.backfillAll(t, feed[:4]...)
			n.hearAll(t, feed[4:]...)
			for _, m := range feedAfter(t, feed[2].Content, 2, 2, 2, 2) {
				require.NoError(t, n.publishOne(t, m))
				require.True(t, n.shelf.feed.given(m.Place), "%s", m.Place)
			}
			require.Empty(t, n.Evidence())
		})
	}
}

// A term that is spoilt spoils no prover's word about its blocks.
func TestSpoiltTermHasProvers(t *testing.T) {
	n := speakerOnly(t, 1)
	feed := sampleFeed(t, 2, 1)
	n.backfillAll(t, feed[:2]...)
	n.hearAll(t, twin(t, feed[1], nil))
	require.ErrorIs(t, n.publishOne(t, feed[3]), chain.ErrOutOfStep)
	require.NoError(t, n.Backfill(t.Context(), link.TopicAttestations, attestation(t, 1, 1, 0)))
	_, err := n.Publish(t.Context(), link.TopicAttestations, attestation(t, 1, 2, 0))
	require.NoError(t, err)
}

// A sequencer that has sealed blocks in a term before it heard that the term is spoilt has
// them in its log. In a newer term it says them again, and goes on after them, whether the
// other end is heard of before it speaks, meanwhile, or after.
func TestSpoiltTermIsSaidAgain(t *testing.T) {
	feed := sampleFeed(t, 2, 3, 1)
	last := twin(t, feed[1], nil)
	own := []*message{feed[0], last, headerMessage(t, 1, 1, last.Content)}
	newer := feedAfter(t, last.Content, 2, 2, 2, 1)
	for heard := range len(own) + 1 {
		n := speakerOnly(t, 2)
		n.backfillAll(t, own[:heard]...)
		n.hearAll(t, feed...)
		for _, m := range slices.Concat(own[heard:], newer) {
			require.NoError(t, n.publishOne(t, m), "heard after %d: %s", heard, m.Place)
		}
		require.Equal(t, chain.Place{Number: 4}, n.shelf.place(), "heard after %d", heard)
		list, err := n.shelf.feed.Since(newer[0].Place, 100, 1<<20)
		require.NoError(t, err)
		var got []chain.Place
		for _, m := range list {
			if m.Place.Number > 1 {
				require.EqualValues(t, 2, m.Term)
				got = append(got, m.Place)
			}
		}
		require.Len(t, got, len(newer), "heard after %d", heard)
	}
}

// What is published is on the shelf, whatever somebody sent again of an earlier life.
func TestOwnWordCounts(t *testing.T) {
	feed := sampleFeed(t, 1, 2)
	n := speakerOnly(t, 1)
	o := heartbeat(t, 1, Heartbeat{Newest: chain.HeaderPlace(200), Time: noon})
	_, err := n.take(o, false)
	require.NoError(t, err)
	n.backfillAll(t, feed[:2]...)
	require.Equal(t, chain.Place{Number: 2}, n.shelf.place())
	_, err = n.take(heartbeat(t, 1, Heartbeat{Newest: chain.HeaderPlace(300), Time: noon.Add(time.Second)}), false)
	require.NoError(t, err)
	for _, m := range feed[2:] {
		require.NoError(t, n.publishOne(t, m))
	}
	require.Equal(t, chain.Place{Number: 3}, n.shelf.place())
	list, err := n.shelf.feed.Since(feed[0].Place, 100, 1<<20)
	require.NoError(t, err)
	require.Len(t, list, len(feed))
	require.NoError(t, n.beatOnce(noon.Add(time.Minute)))
	require.Equal(t, chain.HeaderPlace(2), n.Stats().LastHeartbeat.Newest, "it speaks for itself")
}

// Heartbeats ascend by term, and then by time; what need not be opened is not.
func TestHeartbeatOrder(t *testing.T) {
	n := speakerOnly(t, 1)
	at := func(term uint64, place chain.Place, seconds int) envelope.Opened {
		return heartbeat(t, term, Heartbeat{Newest: place, Time: noon.Add(time.Duration(seconds) * time.Second)})
	}
	first, far, back := at(1, chain.HeaderPlace(4), 5), at(1, chain.HeaderPlace(9), 1000), at(2, chain.HeaderPlace(3), 7)
	for i, c := range []struct {
		envelope.Opened
		unopened, want Verdict
		newest         chain.Place
	}{
		{first, Taken, Taken, chain.HeaderPlace(4)},
		{first, Have, Old, chain.HeaderPlace(4)},
		{at(1, chain.HeaderPlace(5), 4), Taken, Old, chain.HeaderPlace(4)},
		{far, Taken, Taken, chain.HeaderPlace(9)},
		{at(1, chain.HeaderPlace(10), 6), Taken, Old, chain.HeaderPlace(9)},
		{back, Taken, Taken, chain.HeaderPlace(3)},
		{far, Old, Old, chain.HeaderPlace(3)},
		{at(2, chain.HeaderPlace(2), 8), Taken, Taken, chain.HeaderPlace(3)},
	} {
		require.Equal(t, c.unopened, n.shelf.has(&c.Header), "%d", i)
		v, err := n.take(c.Opened, false)
		require.NoError(t, err)
		require.Equal(t, c.want, v, "%d", i)
		require.Equal(t, c.newest, n.Stats().Newest, "%d", i)
	}
}

// A reader to whom the feed that began anew has another frame than the one he read is told
// at once, and does not wait for the next.
func TestForkBehindReader(t *testing.T) {
	n := speakerOnly(t, 1)
	feed := sampleFeed(t, 3)
	n.hearAll(t, feed[:2]...)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	next, err := n.Subscribe(ctx, link.TopicFeed, 0)
	require.NoError(t, err)
	for range 2 {
		_, _, err := next(ctx)
		require.NoError(t, err)
	}
	n.shelf.mu.Lock()
	n.shelf.abandon()
	n.shelf.mu.Unlock()
	n.hearAll(t, feed[0], twin(t, feed[1], nil))
	_, _, err = next(ctx)
	require.ErrorIs(t, err, chain.ErrOutOfStep)
}

// A newer term that is not as far as the feed may know nothing of its end, or only be on
// its way there: what it says is asked for, once for each heartbeat.
func TestDoubt(t *testing.T) {
	n := speakerOnly(t, 1)
	n.hearAll(t, sampleFeed(t, 2, 1, 1, 1)...)
	for second := range time.Duration(2) {
		_, err := n.take(heartbeat(t, 2, Heartbeat{Newest: chain.HeaderPlace(3), Time: noon.Add(second * time.Second)}), false)
		require.NoError(t, err)
		doubt, ok := n.shelf.doubted()
		require.True(t, ok)
		require.Equal(t, span{chain.Place{Number: 3}, chain.Place{Number: 4}}, doubt)
		_, ok = n.shelf.doubted()
		require.False(t, ok)
		_, _, ok = n.shelf.gap(noon.Add(time.Minute))
		require.False(t, ok, "nothing is missing")
	}
	_, err := n.take(heartbeat(t, 2, Heartbeat{Newest: chain.Place{Number: 5}, Time: noon.Add(time.Minute)}), false)
	require.NoError(t, err)
	gap, _, ok := n.shelf.gap(time.Now().Add(time.Minute))
	require.True(t, ok)
	require.Equal(t, chain.Place{Number: 5}, gap.From, "that is ahead")
}

// A newer term that does not know the end of the feed takes it back at everybody, and with
// it what was said of the blocks in it. Who had read of it is told, and can read on.
func TestTakenBack(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	a := x.node(seq.Node)
	b := x.node(a.Node)
	x.meshed(seq, a, b)
	feed := sampleFeed(t, 2, 3, 1, 1, 1, 1, 1, 1, 1)
	say := func(n *running, number uint64) {
		_, err := n.Publish(t.Context(), link.TopicPublications, encode(t, &chain.Publication{Block: chain.BlockID{Number: number, Hash: common.Hash{byte(n.Term)}}}))
		require.NoError(t, err)
		_, err = n.Publish(t.Context(), link.TopicSnapshots, encode(t, &chain.SnapshotOffer{Block: chain.BlockID{Number: number, Hash: common.Hash{byte(n.Term)}}}))
		require.NoError(t, err)
	}
	x.publish(seq, feed...)
	for number := uint64(1); number < 10; number++ {
		say(seq, number)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	read := func(n *running, topic string, count int) link.Next {
		next, err := n.Subscribe(ctx, topic, 0)
		require.NoError(t, err)
		for range count {
			_, _, err := next(ctx)
			require.NoError(t, err)
		}
		return next
	}
	readers := make(map[string]link.Next)
	for name, n := range map[string]*running{"a": a, "b": b} {
		readers[name+" feed"] = read(n, link.TopicFeed, len(feed))
		readers[name+" publications"] = read(n, link.TopicPublications, 9)
		require.Eventually(t, func() bool { return n.shelf.status().newestSnapshot == 9 }, 10*time.Second, time.Millisecond)
	}
	early := read(b, link.TopicFeed, 1) // 1/0
	var err error

	// Of all that only two blocks were on the disk.
	cfg := x.config()
	cfg.Signer, cfg.Term, cfg.Key, cfg.Listen = sampleKey(t), 2, seq.Key, []string{seq.host.Addrs()[0].String()}
	seq.stop()
	seq = x.run(cfg)
	seq.backfillAll(t, feed[:7]...)
	x.connected(seq, 1)
	newer := feedAfter(t, feed[5].Content, 2, 3, 2, 1, 2)
	x.publish(seq, newer...)
	say(seq, 3)
	for _, n := range []*running{seq, a, b} {
		require.Eventually(t, func() bool { return n.shelf.place() == chain.Place{Number: 6} }, 20*time.Second, time.Millisecond)
	}
	want := slices.Concat(feed[:7], newer)
	for name, n := range map[string]*running{"sequencer": seq, "a": a, "b": b} {
		x.awaitFeed(n, 0, want...)
		require.Empty(t, n.Evidence(), name)
		for _, topic := range []string{link.TopicPublications, link.TopicSnapshots} {
			require.Eventually(t, func() bool {
				number, _, err := n.Latest(ctx, topic)
				return err == nil && number == 3
			}, 10*time.Second, time.Millisecond, "%s: %s", name, topic)
		}
	}
	for name, next := range readers {
		_, _, err := next(ctx)
		require.ErrorIs(t, err, chain.ErrOutOfStep, name)
	}
	// Who had not read of it reads on, or is told if it had come to him already.
	for _, m := range want[1:] {
		number, msg := uint64(0), []byte(nil)
		for m.Frame != nil && (msg == nil || link.PlaceOf(number).IsHeader()) && err == nil {
			number, msg, err = early(ctx)
		}
		if m.Frame != nil && err == nil && m.Term < 2 {
			require.Equal(t, feedMessage(t, m), msg, "%s", m.Place)
		}
	}
	require.True(t, err == nil || errors.Is(err, chain.ErrOutOfStep), "%v", err)
	late := sealed(t, sampleKey(t), envelope.KindSnapshot, 8, encode(t, &chain.SnapshotOffer{Block: chain.BlockID{Number: 8}}))
	h, err := envelope.Peek(late, nil)
	require.NoError(t, err)
	v, err := a.take(envelope.Opened{Header: h, Signer: sampleKey(t).Address(), Envelope: late, Body: late[envelope.Overhead:]}, false)
	require.NoError(t, err)
	require.Equal(t, Old, v, "it was opened before the newer term was known")
	// What is over is not believed any more.
	for _, m := range feed[7:] {
		v, err := a.take(m.Opened, false)
		require.NoError(t, err)
		require.NotEqual(t, Taken, v, "%s", m.Place)
	}
}

// A node that has no frame before the newer term's begins anew with the block.
func TestTakenBackElsewhere(t *testing.T) {
	x := newWorld(t)
	cfg := x.config()
	cfg.Signer, cfg.Term = sampleKey(t), 2
	seq := x.run(cfg)
	n := x.node(seq.Node)
	feed := sampleFeed(t, 1, 1, 2, 2)
	n.hearAll(t, feed...)
	newer := feedAfter(t, feed[2].Content, 2, 3, 2, 2)
	seq.backfillAll(t, feed[:4]...)
	seq.backfillAll(t, newer[:4]...)
	n.hearAll(t, newer[4]) // before it, 3/0 and 3/1 of the newer term
	x.awaitFeed(n, link.SeqOf(newer[3].Place), newer[2:5]...)
	require.NoError(t, seq.publishOne(t, newer[4]))
	require.NoError(t, seq.publishOne(t, newer[5]))
	x.awaitFeed(n, link.SeqOf(newer[3].Place), newer[2:]...)
}
