package gossip

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A rogue is a peer that says whatever it likes: a router without a validator, and
// answers of the test's.
type rogue struct {
	testing.TB
	host   host.Host
	topics map[string]*pubsub.Topic
	syncID protocol.ID
}

// stranger is a host that knows what a node's is called.
func (x *world) stranger() (*settings, host.Host) {
	s, err := x.config().withDefaults()
	require.NoError(x, err)
	s.gate.connected = func() int { return 0 }
	h, _, err := newHost(s)
	require.NoError(x, err)
	require.NoError(x, listen(h, s))
	x.Cleanup(func() { require.NoError(x, h.Close()) })
	return s, h
}

func (x *world) rogue(answer func(request) []byte) *rogue {
	handlers := new(sync.WaitGroup)
	x.Cleanup(handlers.Wait)
	s, h := x.stranger()
	r := &rogue{x, h, make(map[string]*pubsub.Topic), protocol.ID(s.network() + "/sync/1")}
	ctx, cancel := context.WithCancel(context.Background())
	x.Cleanup(cancel)
	router, err := pubsub.NewGossipSub(ctx, h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID), pubsub.WithMaxMessageSize(64<<20), pubsub.WithFloodPublish(true))
	require.NoError(x, err)
	for topic := range topicKinds {
		t, err := router.Join(s.network() + "/1/" + topic)
		require.NoError(x, err)
		_, err = t.Relay()
		require.NoError(x, err)
		r.topics[topic] = t
	}
	h.SetStreamHandler(r.syncID, func(st libp2p.Stream) {
		handlers.Add(1)
		defer handlers.Done()
		defer st.Close()
		raw := make([]byte, requestSize)
		if _, err := io.ReadFull(st, raw); err != nil || answer == nil {
			return
		}
		req, err := parseRequest(raw)
		require.NoError(x, err)
		_, _ = st.Write(answer(req))
	})
	return r
}

// answerOf is an answer that has these items.
func answerOf(list ...[]byte) []byte {
	out := []byte{byte(answerOK)}
	for _, item := range list {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(item))), item...)
	}
	return append(out, 0, 0, 0, 0)
}

// meet connects to a node, and waits until that node would take messages.
func (r *rogue) meet(n *running) {
	r.meetIdle(n.Node)
	require.Eventually(r, func() bool { return len(r.topics[link.TopicFeed].ListPeers()) > 0 }, 10*time.Second, 5*time.Millisecond)
}

// meetIdle connects to a node.
func (r *rogue) meetIdle(n *Node) {
	require.NoError(r, r.host.Connect(r.Context(), peer.AddrInfo{ID: n.id, Addrs: n.host.Addrs()}))
}

func (r *rogue) say(topic string, msg []byte) {
	require.NoError(r, r.topics[topic].Publish(r.Context(), msg))
}

// ask asks a node and returns the whole answer.
func (r *rogue) ask(n *running, request []byte) []byte {
	st, err := r.host.NewStream(r.Context(), n.id, r.syncID)
	require.NoError(r, err)
	defer st.Reset()
	_, err = st.Write(request)
	require.NoError(r, err)
	require.NoError(r, st.CloseWrite())
	got, err := io.ReadAll(st)
	require.NoError(r, err)
	return got
}

func (r *rogue) gone(n *running) bool {
	return r.host.Network().Connectedness(n.id) != libp2p.Connected
}

// Each of these is refused, for its own reason; whoever sends it is thrown out; and the
// feed goes on as if there had been nothing.
func TestRefused(t *testing.T) {
	feed := sampleFeed(t, 3, 2)
	stranger, err := envelope.NewKey(bytes.Repeat([]byte{9}, 32))
	require.NoError(t, err)
	frame := feed[1]
	head := envelope.Header{Kind: envelope.KindFrame, ChainID: sampleChain, Genesis: sampleGenesis, Term: 1, Place: frame.Place}
	sealAs := func(k envelope.Signer, change func(*envelope.Header), body []byte) []byte {
		h := head
		change(&h)
		msg, err := envelope.Seal(nil, h, body, k)
		require.NoError(t, err)
		return msg
	}
	same := func(*envelope.Header) {}
	flip := func(at int) []byte {
		msg := bytes.Clone(frame.Envelope)
		msg[(at+len(msg))%len(msg)] ^= 1
		return msg
	}
	bomb := sealAs(sampleKey(t), func(h *envelope.Header) { h.Kind = envelope.KindBodies }, make([]byte, 1<<20))
	binary.BigEndian.PutUint32(bomb[65:], 1<<10) // it says that it unpacks to 1 KiB
	for name, c := range map[string]struct {
		topic  string
		reason string
		msg    func(i byte) []byte // the i-th, each other bytes
	}{
		"junk":      {link.TopicFeed, "corrupt", func(i byte) []byte { return bytes.Repeat([]byte{i + 1}, 300) }},
		"flipped":   {link.TopicFeed, "", func(i byte) []byte { return flip(-1 - int(i)) }},
		"signature": {link.TopicFeed, "", func(i byte) []byte { return flip(110 + int(i)) }},
		"truncated": {link.TopicFeed, "corrupt", func(i byte) []byte { return bytes.Clone(frame.Envelope[:len(frame.Envelope)-1-int(i)]) }},
		"stranger":  {link.TopicFeed, "signer", func(i byte) []byte { return sealAs(stranger, same, append(bytes.Clone(frame.Body), i)) }},
		"foreign": {link.TopicFeed, "foreign", func(i byte) []byte {
			return sealAs(sampleKey(t), func(h *envelope.Header) { h.ChainID += 1 + uint64(i) }, frame.Body)
		}},
		"genesis": {link.TopicFeed, "foreign", func(i byte) []byte {
			return sealAs(sampleKey(t), func(h *envelope.Header) { h.Genesis[0] += 1 + i }, frame.Body)
		}},
		"topic":      {link.TopicPublications, "foreign", func(i byte) []byte { return sealAs(sampleKey(t), same, append(bytes.Clone(frame.Body), i)) }},
		"large body": {link.TopicBodies, "size", func(i byte) []byte { return large(frame, envelope.KindBodies, 8<<20+1+int(i)) }},
		"bomb":       {link.TopicBodies, "signer", func(i byte) []byte { b := bytes.Clone(bomb); b[len(b)-1] ^= i; return b }},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t)
			seq := x.sequencer()
			n := x.node(seq.Node)
			x.meshed(seq, n)
			r := x.rogue(nil)
			r.meet(n)
			x.publish(seq, feed[0])
			x.awaitFeed(n, 0, feed[0])
			for i := range byte(10) {
				if r.gone(n) {
					break
				}
				if msg := c.msg(i); len(msg) > 0 {
					_ = r.topics[c.topic].Publish(t.Context(), msg)
				}
			}
			require.Eventually(t, func() bool { return r.gone(n) }, 15*time.Second, 5*time.Millisecond, "%+v", n.Stats().Refused)
			stats := n.Stats()
			require.Equal(t, uint64(1), stats.Bans)
			require.True(t, n.gate.banned(r.host.ID()))
			if c.reason != "" {
				require.NotZero(t, stats.Refused[c.reason], "%v", stats.Refused)
			}
			_ = r.host.Connect(t.Context(), peer.AddrInfo{ID: n.id, Addrs: n.host.Addrs()})
			require.Eventually(t, func() bool { return r.gone(n) }, 5*time.Second, 5*time.Millisecond, "it may not come back")
			x.publish(seq, feed[1:]...)
			x.awaitFeed(n, 0, feed...)
			require.Equal(t, 1, n.Stats().Peers)
		})
	}
}

// large is an envelope, truly signed, of a body of that size.
func large(m *message, kind envelope.Kind, size int) []byte {
	msg := append(bytes.Clone(m.Envelope[:envelope.Overhead]), make([]byte, size)...)
	msg[3] = byte(kind)
	binary.BigEndian.PutUint32(msg[65:], uint32(size))
	return msg
}

// A good message in a topic that is not its own costs who sends it there, and nobody
// else: who brings it in its own is not taken for another of that kind.
func TestWrongTopic(t *testing.T) {
	x := newWorld(t)
	seq := x.sequencer()
	n := x.node(seq.Node)
	x.meshed(seq, n)
	r := x.rogue(nil)
	r.meet(n)
	feed := sampleFeed(t, 3, 2)
	x.publish(seq, feed[0])
	x.awaitFeed(n, 0, feed[0])
	for _, m := range feed[1:4] {
		r.say(link.TopicBodies, m.Envelope)
	}
	require.Eventually(t, func() bool { return r.gone(n) }, 15*time.Second, 5*time.Millisecond)
	x.publish(seq, feed[1:]...)
	x.awaitFeed(n, 0, feed...)
	time.Sleep(1100 * time.Millisecond) // scores are looked at once a second
	for _, p := range n.Peers() {
		require.GreaterOrEqual(t, p.Score, 0.0, "%+v", p)
	}
	require.Equal(t, uint64(1), n.Stats().Bans)
}

// What an honest peer may do does not cost it: old messages, repetitions, what is too far
// ahead, what contradicts, what is of another term.
func TestNotRefused(t *testing.T) {
	x := newWorld(t)
	r := x.rogue(func(r request) []byte {
		if r.question == askStatus {
			return answerOf(new(status).append(nil))
		}
		return answerOf()
	})
	cfg := x.config()
	// A sequencer that hears itself contradict itself goes on in a newer term only.
	cfg.Signer, cfg.Deny = sampleKey(t), []string{r.host.ID().String()}
	seq := x.run(cfg)
	n := x.node(seq.Node)
	x.meshed(seq, n)
	r.meet(n)
	feed := sampleFeed(t, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	x.publish(seq, feed[:12]...)
	x.awaitFeed(n, 0, feed[:12]...)
	last := feed[11]
	twins := []*message{
		twin(t, feed[9], nil), twin(t, feed[9], func(f *chain.Frame) { f.Term = 0 }), feed[len(feed)-1], feed[0], last,
		headerMessage(t, last.Place.Number-1, 1, chain.Keccak256([]byte("another"))),
	}
	for _, m := range twins {
		_ = r.topics[link.TopicFeed].Publish(t.Context(), m.Envelope)
	}
	require.Eventually(t, func() bool { return len(n.Evidence()) == 2 && n.Stats().Verdicts[Far] > 0 }, 10*time.Second, 5*time.Millisecond)
	for _, e := range n.Evidence() {
		signer, err := e.Check(nil)
		require.NoError(t, err)
		require.Equal(t, sampleKey(t).Address(), signer)
	}
	time.Sleep(1100 * time.Millisecond) // scores are looked at once a second
	require.False(t, r.gone(n))
	for _, p := range n.Peers() {
		require.GreaterOrEqual(t, p.Score, 0.0, "%+v", p)
	}
	stats := n.Stats()
	require.Equal(t, 2, stats.Evidence)
	require.Zero(t, stats.Bans)
	x.publish(seq, feed[12:]...)
	x.awaitFeed(n, 0, feed...)
}

// A peer that says that it has everything, and gives nothing, or lies, does not keep a
// node from what others have; and what is wrong costs it.
func TestWithheld(t *testing.T) {
	feed := sampleFeed(t, 3, 3)
	for name, answer := range map[string]func(request) []byte{
		"nothing":  func(request) []byte { return answerOf() },
		"not kept": func(request) []byte { return []byte{byte(answerNotKept)} },
		"busy":     func(request) []byte { return []byte{byte(answerBusy)} },
		"silence":  func(request) []byte { time.Sleep(time.Second); return nil },
		"hole":     func(request) []byte { return answerOf(feed[1].Envelope, feed[2].Envelope) },
		"lie":      func(request) []byte { return answerOf(bytes.Repeat([]byte{7}, 300)) },
		"large":    func(request) []byte { return []byte{byte(answerOK), 0xff, 0xff, 0xff, 0xff, 1} },
		"cut":      func(request) []byte { return answerOf(feed[0].Envelope)[:200] },
		"outcome":  func(request) []byte { return []byte{99} },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t)
			seq := x.sequencer()
			x.publish(seq, feed...)
			n := x.node()
			for range 3 {
				x.boaster(boast, answer).meet(n)
			}
			require.Eventually(t, func() bool {
				return len(n.peers.statuses()) == 3 || n.Stats().Bans > 0 // so soon, if this is slow
			}, 10*time.Second, 5*time.Millisecond)
			next, err := n.Subscribe(t.Context(), link.TopicFeed, 0)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_, _, err = next(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, "there is nothing to be had from them")
			info, err := peer.AddrInfoFromString(seq.Addrs()[0])
			require.NoError(t, err)
			n.peers.learn(*info)
			x.awaitFeed(n, 0, feed...)
			guilty := slices.Contains([]string{"silence", "lie", "large", "cut", "outcome"}, name)
			require.Eventually(t, func() bool {
				for _, p := range n.Peers() {
					if (p.ID != seq.ID() && guilty) != (p.Requests < 0) {
						return false
					}
				}
				return true
			}, 5*time.Second, 5*time.Millisecond, "%+v", n.Peers())
		})
	}
}

// What a node holds is bounded, whatever comes, even of what is truly signed; and so is
// what a peer may cost.
func TestBoundsOverTheNetwork(t *testing.T) {
	x := newWorld(t)
	cfg := x.config()
	cfg.Limits = Limits{BytesAhead: 300 << 10, KeepBytes: 200 << 10, Evidence: 3}
	n := x.run(cfg)
	r := x.rogue(nil)
	r.meet(n)
	feed := sampleFeed(t, 4)
	r.say(link.TopicFeed, feed[0].Envelope)
	require.Eventually(t, func() bool { return n.shelf.place().Index == 1 }, 5*time.Second, time.Millisecond)
	big := func(i uint32) *message {
		return frameMessage(t, &chain.Frame{Number: 2, Index: 1 + i, Term: 1, Diff: make([]byte, 20<<10)})
	}
	for i := range uint32(40) {
		m := big(i)
		r.say(link.TopicFeed, m.Envelope)
		h := envelope.Header{Kind: envelope.KindBodies, ChainID: sampleChain, Genesis: sampleGenesis, Term: 1, Place: m.Place}
		body, err := envelope.Seal(nil, h, append(sampleBody(t, m), randomBytes(20<<10)...), sampleKey(t))
		require.NoError(t, err)
		r.say(link.TopicBodies, body)
	}
	require.Eventually(t, func() bool { return n.Stats().Verdicts[Far] > 0 && n.Stats().Held > 250<<10 }, 10*time.Second, 5*time.Millisecond, "%+v", n.Stats())
	// What a peer may cost is used up, and comes back.
	id, spent := r.host.ID(), 0
	for ; n.peers.solvent(id, billHeard); spent++ {
		n.peers.charge(id, billHeard, 1)
		require.Less(t, spent, 100*costBurst)
	}
	require.Greater(t, spent, costBurst/2)
	cost := func(limit rate.Limit) {
		n.peers.mu.Lock()
		defer n.peers.mu.Unlock()
		n.peers.list[id].cost[billHeard].SetLimit(limit)
	}
	cost(0) // so that nothing comes back yet, however slow this is
	for n.peers.solvent(id, billHeard) {
		n.peers.charge(id, billHeard, 1)
	}
	refused := n.Stats().Refused["cost"]
	require.Equal(t, pubsub.ValidationIgnore, n.hear(id, topicKinds[link.TopicFeed], feed[2].Envelope))
	require.Greater(t, n.Stats().Refused["cost"], refused)
	cost(costRate)
	require.Eventually(t, func() bool {
		return n.hear(id, topicKinds[link.TopicFeed], feed[2].Envelope) == pubsub.ValidationAccept
	}, 5*time.Second, 5*time.Millisecond)
	stats := n.Stats()
	require.NotZero(t, stats.Held)
	require.LessOrEqual(t, stats.Held, 2*(300<<10))
	require.LessOrEqual(t, stats.Kept, 200<<10)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
