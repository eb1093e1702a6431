// Package link carries bytes between the roles of a chain: named streams of
// messages, each message numbered. Bus and Directory number from 0; a transport that has
// no memory of its own numbers by what is said (SeqOf), so that numbers mean the same at
// every node and after every restart; there they ascend with gaps. The sequencer publishes frames, headers
// and publications; full nodes and provers subscribe, from any number on that is
// still kept; provers publish attestations, which the sequencer reads.
//
// Nothing but bytes crosses, and every reader gets a copy of its own, so that
// roles in one process share no memory. Two transports implement the seam that the
// roles declare for themselves (Publisher and Subscriber): Bus within a process,
// and Directory between processes on one machine.
package link

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
)

// Topics, and what their messages are.
const (
	TopicFeed         = "feed"         // see AppendFeed
	TopicBodies       = "bodies"       // chain.MiniBody, right after its frame is in the feed
	TopicPublications = "publications" // chain.Publication
	TopicAttestations = "attestations" // chain.Attestation
	TopicSnapshots    = "snapshots"    // where a snapshot is and where to go on from it
)

// The kinds of messages of TopicFeed.
const (
	FeedFrame  = 'f' // chain.Frame
	FeedHeader = 'h' // chain.Sealed
)

// feedCheck is the length of the checksum that ends a message of TopicFeed.
const feedCheck = 8

// AppendFeed appends a message of TopicFeed: the kind, the payload, and the first
// bytes of keccak256 over both. It tells damage on the way from what the sequencer
// said; against malice there is nothing in it.
func AppendFeed(dst []byte, kind byte, payload []byte) []byte {
	sum := chain.Keccak256([]byte{kind}, payload)
	dst = append(append(dst, kind), payload...)
	return append(dst, sum[:feedCheck]...)
}

// ParseFeed splits a message of TopicFeed. The payload is a view of msg. The error
// matches chain.ErrCorrupt.
func ParseFeed(msg []byte) (kind byte, payload []byte, err error) {
	if len(msg) < 1+feedCheck {
		return 0, nil, &chain.CorruptError{What: "feed message", Offset: int64(len(msg)), Err: errors.New("too short")}
	}
	body, check := msg[:len(msg)-feedCheck], msg[len(msg)-feedCheck:]
	if sum := chain.Keccak256(body); string(check) != string(sum[:feedCheck]) {
		return 0, nil, &chain.CorruptError{What: "feed message", Offset: 0, Err: errors.New("checksum does not fit")}
	}
	if body[0] != FeedFrame && body[0] != FeedHeader {
		return 0, nil, &chain.CorruptError{What: "feed message", Offset: 0, Err: fmt.Errorf("unknown kind %q", body[0])}
	}
	return body[0], body[1:], nil
}

// indexBits are the low bits of SeqOf: a block has fewer mini-blocks.
const indexBits = 24

// SeqOf is the number of what is said about a place, in a transport that numbers by it:
// block number << 24 | index, where a header has the highest index. Block numbers have 40
// bits. A header that comes among the mini-blocks of the block after it has a lower number
// than they have; who goes on from a number gets all headers that he may lack.
func SeqOf(p chain.Place) uint64 { return p.Number<<indexBits | uint64(min(p.Index, 1<<indexBits-1)) }

// PlaceOf is the place whose SeqOf is seq.
func PlaceOf(seq uint64) chain.Place {
	p := chain.Place{Number: seq >> indexBits, Index: uint32(seq & (1<<indexBits - 1))}
	if p.Index == 1<<indexBits-1 {
		p.Index = chain.HeaderIndex
	}
	return p
}

// Oldest, given to Subscribe in place of a number, is the oldest message that is
// kept when Next is first called.
const Oldest = math.MaxUint64

// A Next returns the messages of a subscription, one after the other. It waits
// until there is one, and ends with ctx. The bytes are valid until the next call;
// who keeps them copies them. When the subscriber fell so far behind that the next
// message is gone, the error matches chain.ErrOutOfStep, for good. A Next is for
// one goroutine.
type Next = func(ctx context.Context) (seq uint64, msg []byte, err error)

// A Bus is a transport within one process. It keeps the newest messages of each
// topic, up to a number of bytes, and never waits for a subscriber. All methods
// may be called concurrently.
type Bus struct {
	keep int

	mu     sync.Mutex
	topics map[string]*topic
	tap    func(topic string, msg []byte) []byte
}

type topic struct {
	first uint64 // number of messages[0]
	msgs  [][]byte
	bytes int
	grown chan struct{} // closed and replaced when a message arrives
}

// NewBus makes a Bus that keeps about keepBytes of messages per topic, and always
// the newest one.
func NewBus(keepBytes int) *Bus {
	return &Bus{keep: keepBytes, topics: make(map[string]*topic)}
}

// Tap lets f see and replace every message as it is published, for tests that
// damage what is on the way. Call it before the first Publish.
func (b *Bus) Tap(f func(topic string, msg []byte) []byte) { b.tap = f }

// Publish appends a copy of msg to the topic and returns its number.
func (b *Bus) Publish(_ context.Context, name string, msg []byte) (uint64, error) {
	own := append(make([]byte, 0, len(msg)), msg...)
	if b.tap != nil {
		own = b.tap(name, own)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topic(name)
	seq := t.first + uint64(len(t.msgs))
	t.msgs = append(t.msgs, own)
	t.bytes += len(own)
	for t.bytes > b.keep && len(t.msgs) > 1 {
		t.bytes -= len(t.msgs[0])
		t.msgs[0] = nil
		t.msgs = t.msgs[1:]
		t.first++
	}
	close(t.grown)
	t.grown = make(chan struct{})
	return seq, nil
}

func (b *Bus) topic(name string) *topic {
	t := b.topics[name]
	if t == nil {
		t = &topic{grown: make(chan struct{})}
		b.topics[name] = t
	}
	return t
}

// Subscribe reads the topic from message number from on. A number that is not
// kept any more shows at the first Next.
func (b *Bus) Subscribe(_ context.Context, name string, from uint64) (Next, error) {
	var buf []byte
	return func(ctx context.Context) (uint64, []byte, error) {
		if invariants.Enabled {
			invariants.Mangle(buf)
			buf = nil
		}
		for {
			msg, grown, err := b.read(name, &from)
			if err != nil {
				return 0, nil, err
			}
			if msg != nil {
				buf = append(buf[:0], msg...)
				from++
				return from - 1, buf, nil
			}
			select {
			case <-grown:
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
		}
	}, nil
}

// read returns message number seq, or else the channel that closes when more
// arrive. It resolves Oldest. Messages are never altered once they are in the
// topic, so the slice outlives the lock.
func (b *Bus) read(name string, seq *uint64) (msg []byte, grown chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topic(name)
	if *seq == Oldest {
		*seq = t.first
	}
	if *seq < t.first {
		return nil, nil, fmt.Errorf("%w: message %d of %s is gone, the oldest kept is %d", chain.ErrOutOfStep, *seq, name, t.first)
	}
	if i := *seq - t.first; i < uint64(len(t.msgs)) {
		return t.msgs[i], nil, nil
	}
	return nil, t.grown, nil
}

// Latest returns a copy of the newest message of a topic; chain.ErrNotFound if
// there is none.
func (b *Bus) Latest(_ context.Context, name string) (uint64, []byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topic(name)
	n := len(t.msgs)
	if n == 0 {
		return 0, nil, fmt.Errorf("%w: no message of %s", chain.ErrNotFound, name)
	}
	return t.first + uint64(n) - 1, append([]byte(nil), t.msgs[n-1]...), nil
}
