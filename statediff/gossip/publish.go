package gossip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A speaker is what the one who publishes must remember from message to message.
type speaker struct {
	mu    sync.Mutex
	since uint64                 // Config.Term
	term  uint64                 // of the newest frame
	ends  map[uint64]common.Hash // digests of the last frames of the newest blocks
	spoke bool                   // of the feed
	// newest is the furthest place of the feed that was spoken of here: what was heard may
	// be what an earlier life said and lost.
	newest chain.Place
	denied atomic.Uint64 // terms below this one are spoilt; see errDenied

	// What is to be sent. Headers and frames go before bodies and all else.
	first, later chan outgoing
}

type outgoing struct {
	topic string
	msg   []byte
}

// endsKept is for how many blocks a header may come after the block's last frame.
const endsKept = 64

func (s *speaker) init(term uint64) {
	s.since, s.term = term, term
	s.ends = make(map[uint64]common.Hash)
	s.first, s.later = make(chan outgoing, queueMax), make(chan outgoing, queueMax)
}

// errDenied: this key said something else at a place of the feed, in the same term. It
// did so in an earlier life, the end of which its log has lost. Nobody can go on with
// both; with a newer term the network takes back what is lost.
var errDenied = fmt.Errorf("%w: another process, or an earlier one, signed another feed with this key in this term: Config.Term must be higher", chain.ErrOutOfStep)

// deny makes what is said in a term, or an earlier one, an error.
func (s *speaker) deny(term uint64) {
	for old := s.denied.Load(); old <= term && !s.denied.CompareAndSwap(old, term+1); old = s.denied.Load() {
	}
}

// denies reports whether that must not be said. What an older term than the node's said is
// only said again, whoever contradicts it: what follows in the newer term counts. And an
// attestation is a prover's word, of the term of its block.
func (s *speaker) denies(h *envelope.Header) bool {
	return h.Kind != envelope.KindAttestation && s.since <= h.Term && h.Term < s.denied.Load()
}

var errNoSigner = errors.New("gossip: Config.Signer is nil: this node has nothing to say")

// Publish says something to the network: a message of a topic. It returns its number,
// which is the same at every node: SeqOf a mini-block's or header's place, and the number
// of the block for publications, snapshots and attestations.
//
// It signs, and keeps the message for readers and peers; to send it is for later, and
// neither waits nor fails here. An error says that the message makes no sense, or that
// it cannot be signed: then nobody would take it. One that matches chain.ErrOutOfStep says
// that this key must not go on with the feed in that term, because it said otherwise in it
// before: after a log has lost its end, Config.Term must be higher. The bytes are copied.
func (n *Node) Publish(_ context.Context, topic string, msg []byte) (uint64, error) {
	kind, payload, err := kindOf(topic, msg)
	if err != nil {
		return 0, fmt.Errorf("gossip: publish: %w", err)
	}
	return n.say(kind, payload, true)
}

// Backfill puts a message of a topic on the shelf that was published before, by this
// process or the one before it, for peers who ask. It does not send it. The messages of a
// topic come in the order in which they were published, before the first Publish. Each
// costs a signature.
func (n *Node) Backfill(_ context.Context, topic string, msg []byte) error {
	kind, payload, err := kindOf(topic, msg)
	if err != nil {
		return fmt.Errorf("gossip: backfill: %w", err)
	}
	_, err = n.say(kind, payload, false)
	return err
}

// kindOf is what a message of a topic is.
func kindOf(topic string, msg []byte) (envelope.Kind, []byte, error) {
	switch topic {
	case link.TopicFeed:
		kind, payload, err := link.ParseFeed(msg)
		if kind == link.FeedHeader {
			return envelope.KindHeader, payload, err
		}
		return envelope.KindFrame, payload, err
	case link.TopicBodies:
		return envelope.KindBodies, msg, nil
	case link.TopicPublications:
		return envelope.KindPublication, msg, nil
	case link.TopicSnapshots:
		return envelope.KindSnapshot, msg, nil
	case link.TopicAttestations:
		return envelope.KindAttestation, msg, nil
	}
	return 0, nil, fmt.Errorf("%w: topic %q", chain.ErrNotFound, topic)
}

// say seals, keeps, and sends if send.
func (n *Node) say(kind envelope.Kind, payload []byte, send bool) (uint64, error) {
	if n.Signer == nil {
		return 0, errNoSigner
	}
	n.speaker.mu.Lock()
	defer n.speaker.mu.Unlock()
	h, body, err := n.speaker.compose(kind, payload)
	if err != nil {
		return 0, fmt.Errorf("gossip: publish: %w", err)
	}
	if body == nil {
		return seqOf(kind, h.Place), nil // nobody needs it
	}
	if n.speaker.denies(&h) {
		return 0, fmt.Errorf("gossip: publish: %s %s of term %d: %w", kind, h.Place, h.Term, errDenied)
	}
	msg, err := n.seal(h, body)
	if err != nil {
		return 0, fmt.Errorf("gossip: publish: %w", err)
	}
	if send {
		n.speaker.enqueue(kind, msg, &n.tally)
	}
	return seqOf(kind, h.Place), nil
}

// seal signs a body and takes it as one of ours.
func (n *Node) seal(h envelope.Header, body []byte) ([]byte, error) {
	h.ChainID, h.Genesis = n.ChainID, n.Genesis
	msg, err := envelope.Seal(nil, h, body, n.Signer)
	if err != nil {
		return nil, err
	}
	o := envelope.Opened{Signer: n.Signer.Address(), Envelope: msg, Body: msg[envelope.Overhead:]}
	if o.Header, err = n.checker.Peek(msg); err != nil {
		return nil, err
	}
	if o.Packed {
		o.Body = append([]byte(nil), body...)
	}
	if _, err := n.take(o, true); err != nil {
		return nil, err
	}
	if n.speaker.denies(&h) {
		return nil, errDenied // shown by what was taken before
	}
	return msg, nil
}

// seqOf is the number of a message in its topic.
func seqOf(kind envelope.Kind, p chain.Place) uint64 {
	switch kind {
	case envelope.KindFrame, envelope.KindHeader, envelope.KindBodies:
		return link.SeqOf(p)
	}
	return p.Number
}

// compose makes head and body of what is said. A body of nil, without an error, is a
// header whose last frame nobody here knows: it was said before the first frame that
// was, and so was all that follows from it. The caller holds mu.
func (s *speaker) compose(kind envelope.Kind, payload []byte) (envelope.Header, []byte, error) {
	h := envelope.Header{Kind: kind, Term: s.term}
	switch kind {
	case envelope.KindFrame:
		f := new(chain.Frame)
		if err := f.UnmarshalBinary(payload); err != nil {
			return h, nil, err
		}
		s.frame(f, payload)
		h.Place, h.Term = f.Place(), f.Term
	case envelope.KindHeader:
		return s.header(h, payload)
	case envelope.KindBodies:
		place, _, err := readBodyHead(payload)
		if err != nil {
			return h, nil, err
		}
		h.Place = place
	case envelope.KindPublication:
		p := new(chain.Publication)
		if err := p.UnmarshalBinary(payload); err != nil {
			return h, nil, err
		}
		h.Place = chain.HeaderPlace(p.Block.Number)
	case envelope.KindSnapshot:
		o := new(chain.SnapshotOffer)
		if err := o.UnmarshalBinary(payload); err != nil {
			return h, nil, err
		}
		h.Place = chain.HeaderPlace(o.Block.Number)
	case envelope.KindAttestation:
		a := new(chain.Attestation)
		if err := a.UnmarshalBinary(payload); err != nil {
			return h, nil, err
		}
		h.Place, h.Term = chain.HeaderPlace(a.Block.Number), a.Term
	default:
		return h, nil, fmt.Errorf("%w: a %s is not published", chain.ErrNotFound, kind)
	}
	return h, payload, nil
}

// frame remembers what a frame says of those that come after it.
func (s *speaker) frame(f *chain.Frame, payload []byte) {
	s.term, s.spoke, s.newest = max(s.term, f.Term), true, later(s.newest, f.Place())
	if f.Last {
		s.ends[f.Number] = chain.Keccak256(payload)
		delete(s.ends, f.Number-endsKept)
	}
}

// header is a header whose block's last frame was said here; else nobody needs it.
func (s *speaker) header(h envelope.Header, payload []byte) (envelope.Header, []byte, error) {
	var sealed chain.Sealed
	if err := sealed.UnmarshalBinary(payload); err != nil {
		return h, nil, err
	}
	number := sealed.Header.Number
	h.Place, h.Term = chain.HeaderPlace(number), sealed.Header.Term()
	end, known := s.ends[number]
	switch {
	case !known:
		return h, nil, nil
	case end != sealed.Frame:
		return h, nil, &chain.MismatchError{Block: number, Field: "digest of the last frame", Got: sealed.Frame.Hex(), Want: end.Hex()}
	}
	s.newest = later(s.newest, h.Place)
	return h, payload, nil
}

// enqueue leaves a message to those who send. If they are so far behind that the queue
// is full, peers will ask for it.
func (s *speaker) enqueue(kind envelope.Kind, msg []byte, t *tally) {
	queue, topic := s.later, ""
	for name, kinds := range topicKinds {
		if slices.Contains(kinds, kind) {
			topic = name
		}
	}
	if topic == link.TopicFeed {
		queue = s.first
	}
	select {
	case queue <- outgoing{topic, msg}:
	default:
		t.unsent.Add(1)
	}
}

// send sends frames and headers, sendLater all else.
func (n *Node) send(ctx context.Context)      { n.drain(ctx, n.speaker.first) }
func (n *Node) sendLater(ctx context.Context) { n.drain(ctx, n.speaker.later) }

func (n *Node) drain(ctx context.Context, queue <-chan outgoing) {
	for {
		select {
		case out := <-queue:
			topic := n.topics[out.topic]
			if topic == nil {
				continue // bodies, of a node that leaves them out
			}
			if err := topic.Publish(ctx, out.msg); err != nil && ctx.Err() == nil {
				n.tally.unsent.Add(1)
				n.Logger.Warn("gossip: message is not sent; peers can ask for it", "topic", out.topic, "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// beat sends a Heartbeat each second, from the first frame on that was published here.
func (n *Node) beat(ctx context.Context) {
	for pause(ctx, HeartbeatInterval) {
		if err := n.beatOnce(time.Now()); err != nil {
			n.Logger.Error("gossip: heartbeat", "err", err)
		}
	}
}

func (n *Node) beatOnce(now time.Time) error {
	n.speaker.mu.Lock()
	defer n.speaker.mu.Unlock()
	if !n.speaker.spoke {
		return nil
	}
	beat := n.shelf.nextHeartbeat(n.speaker.newest, now)
	body, err := beat.AppendBinary(nil)
	if err != nil {
		return err
	}
	h := envelope.Header{Kind: envelope.KindHeartbeat, Term: n.speaker.term, Place: chain.HeaderPlace(beat.Newest.Number)}
	msg, err := n.seal(h, body)
	if err != nil {
		return err
	}
	n.speaker.enqueue(envelope.KindHeartbeat, msg, &n.tally)
	return nil
}

// nextHeartbeat is what there is to say now. Its time ascends, whatever the clock does.
func (s *shelf) nextHeartbeat(newest chain.Place, now time.Time) Heartbeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Heartbeat{Newest: newest, Published: s.publications.last(), Time: now}
	if least := s.heartbeat.Time.Add(time.Millisecond); h.Time.Before(least) {
		h.Time = least
	}
	return h
}
