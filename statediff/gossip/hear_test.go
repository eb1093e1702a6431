package gossip

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// heardTopics are the topics of messages, in the order of the seeds.
var heardTopics = []string{link.TopicFeed, link.TopicBodies, link.TopicPublications, link.TopicAttestations}

// A saying is a message of a topic.
type saying struct {
	topic    int // of heardTopics
	envelope []byte
	body     []byte
}

// sampleWords are messages of every kind, in an order in which all of them are taken.
func sampleWords(t testing.TB) (words []saying) {
	feed := sampleFeed(t, 2, 1)
	for _, m := range feed {
		words = append(words, saying{0, m.Envelope, m.Body})
	}
	add := func(topic int, kind envelope.Kind, p chain.Place, body []byte) {
		h := envelope.Header{Kind: kind, ChainID: sampleChain, Genesis: sampleGenesis, Term: 1, Place: p}
		msg, err := envelope.Seal(nil, h, body, sampleKey(t))
		require.NoError(t, err)
		words = append(words, saying{topic, msg, body})
	}
	newest := chain.HeaderPlace(2)
	add(0, KindHeartbeat, newest, encode(t, &Heartbeat{Newest: newest, Published: 2, Time: noon}))
	for _, m := range feed {
		if m.Frame != nil {
			add(1, KindBodies, m.Place, sampleBody(t, m))
		}
	}
	for number := uint64(1); number <= 2; number++ {
		p, id := chain.HeaderPlace(number), chain.BlockID{Number: number}
		add(2, KindPublication, p, encode(t, &chain.Publication{Block: id}))
		add(2, KindSnapshot, p, encode(t, &chain.SnapshotOffer{Block: id, Blob: []byte("snapshot")}))
		add(3, KindAttestation, p, attestation(t, 1, number, 1))
	}
	return words
}

// A listener is a node to which the test speaks.
type listener struct{ *Node }

// newListener makes one that knows the signatures of words, so that a fuzzer is not kept
// waiting by them.
func newListener(t testing.TB, words []saying) *listener {
	x := newWorld(t)
	cfg := x.config()
	type signed struct {
		hash common.Hash
		sig  [65]byte
	}
	known := make(map[signed]common.Address)
	learn := true
	cfg.Recover = func(hash common.Hash, sig *[65]byte) (common.Address, error) {
		if who, ok := known[signed{hash, *sig}]; ok {
			return who, nil
		}
		who, err := envelope.PureRecover(hash, sig)
		if learn && err == nil {
			known[signed{hash, *sig}] = who
		}
		return who, err
	}
	l := &listener{x.idle(cfg)}
	for _, w := range words {
		require.Equal(t, pubsub.ValidationAccept, l.say(w.topic, w.envelope), "%.4s", w.envelope)
	}
	learn = false
	return l
}

// forget makes it a new node.
func (l *listener) forget(t testing.TB) {
	l.shelf = newShelf(l.settings)
	var err error
	l.checker, err = envelope.NewChecker(envelope.Config{
		ChainID: l.ChainID, Genesis: l.Genesis, Signers: l.Signers, Limits: l.Sizes, Recover: l.Recover,
	})
	require.NoError(t, err)
}

func (l *listener) say(topic int, msg []byte) pubsub.ValidationResult {
	return l.hear("somebody", topicKinds[heardTopics[topic]], msg)
}

// counted is how many messages were judged, of those that were not accepted.
func (l *listener) counted() (sum uint64) {
	for i := range l.tally.refused {
		sum += l.tally.refused[i].Load()
	}
	for i := range l.tally.verdicts {
		sum += l.tally.verdicts[i].Load()
	}
	return sum
}

// kept is what there is to show for words that were heard.
func (l *listener) kept() (st status, attestations int, beat Heartbeat) {
	st = l.shelf.status()
	return status{feedEnd: st.feedEnd, bodiesEnd: st.bodiesEnd, newestPublication: st.newestPublication, newestSnapshot: st.newestSnapshot},
		len(l.shelf.attestations.items), l.shelf.heartbeat
}

// FuzzHear: whatever comes in whatever topic, true messages that come after it are taken,
// and what is refused is refused for a reason that is counted.
func FuzzHear(f *testing.F) {
	words := sampleWords(f)
	for _, w := range words {
		f.Add(w.topic, 0, byte(0), w.envelope)
		f.Add(w.topic+1, 0, byte(0), w.envelope)
		f.Add(w.topic, 130, byte(1), w.envelope)
		f.Add(w.topic, len(w.envelope)-1, byte(1), w.envelope)
	}
	n := newListener(f, words)
	all, attested, beat := n.kept()
	require.Equal(f, status{feedEnd: chain.Place{Number: 3}, bodiesEnd: chain.Place{Number: 2, Index: 1}, newestPublication: 2, newestSnapshot: 2}, all)
	require.Equal(f, 2, attested)
	f.Fuzz(func(t *testing.T, topic, at int, flip byte, msg []byte) {
		n.forget(t)
		topic = int(uint(topic) % uint(len(heardTopics)))
		msg = bytes.Clone(msg)
		if len(msg) > 0 {
			msg[uint(at)%uint(len(msg))] ^= flip
		}
		genuine := slices.ContainsFunc(words, func(w saying) bool { return w.topic == topic && bytes.Equal(msg, w.envelope) })
		before := n.counted()
		if n.say(topic, msg) == pubsub.ValidationAccept && !genuine {
			t.Fatalf("%x was taken", msg)
		} else if n.counted() == before {
			t.Fatalf("%x was neither taken nor refused", msg)
		}
		for _, w := range words {
			n.say(w.topic, w.envelope)
		}
		st, attestations, heard := n.kept()
		if genuine && len(n.shelf.bodies.slots) == 0 {
			st.bodiesEnd = all.bodiesEnd // the feed begins after all mini-blocks
		}
		if st != all || attestations != attested || heard != beat {
			t.Fatalf("after %x: %+v, %d attestations, %+v", msg, st, attestations, heard)
		}
	})
}

// FuzzSigned: whatever the signer says, who brings it does not answer for it; it is taken
// once, or is the signer's fault, or is of no use.
func FuzzSigned(f *testing.F) {
	words := sampleWords(f)
	for _, w := range words {
		h, err := envelope.Peek(w.envelope, nil)
		require.NoError(f, err)
		f.Add(byte(h.Kind), h.Place.Number, h.Place.Index, h.Term, w.body, true)
		f.Add(byte(h.Kind), h.Place.Number+1, h.Place.Index, h.Term+1, w.body, false)
		f.Add(byte(h.Kind), h.Place.Number, h.Place.Index, h.Term, w.body[:len(w.body)-1], true)
	}
	n := newListener(f, words)
	key := sampleKey(f)
	f.Fuzz(func(t *testing.T, kind byte, number uint64, index uint32, term uint64, body []byte, first bool) {
		topic := slices.IndexFunc(heardTopics, func(name string) bool { return slices.Contains(topicKinds[name], Kind(kind)) })
		h := envelope.Header{Kind: Kind(kind), ChainID: sampleChain, Genesis: sampleGenesis, Term: term, Place: chain.Place{Number: number, Index: index}}
		msg, err := envelope.Seal(nil, h, body, key)
		if topic < 0 || err != nil {
			return
		}
		n.forget(t)
		if !first {
			for _, w := range words {
				n.say(w.topic, w.envelope)
			}
		}
		_, err = n.checker.Peek(msg)
		before, faults := n.counted(), n.tally.refused[refusedFault].Load()
		v := n.say(topic, msg)
		faulty := n.tally.refused[refusedFault].Load() > faults
		switch {
		case n.counted() == before:
			t.Fatal("not counted")
		case (v == pubsub.ValidationReject) != (err != nil && !errors.Is(err, envelope.ErrTerm)):
			t.Fatalf("its bringer: %v; the envelope: %v", v, err)
		case v == pubsub.ValidationAccept && faulty:
			t.Fatal("taken, and wrong")
		case v == pubsub.ValidationAccept && n.say(topic, msg) != pubsub.ValidationIgnore:
			t.Fatal("taken twice")
		}
	})
}
