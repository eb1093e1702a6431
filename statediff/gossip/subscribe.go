package gossip

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A reader is one subscription: how its topic says what comes next.
type reader interface {
	// poll returns the next message, if it is on the shelf. Else it says whether it
	// may be at peers. The caller holds the shelf's lock.
	poll() (seq uint64, msg []byte, behind bool, err error)
	// fetch asks peers for what poll lacks. An error is final.
	fetch(ctx context.Context) error
}

// Subscribe reads a topic from a number on: see Publish. Numbers of the feed ascend with
// gaps, but for headers, which may have lower ones than the frames before them; those of
// the other topics are numbers of blocks. Oldest is the oldest that this node or a peer
// of it keeps when Next is first called.
//
// What this node does not keep, peers are asked for. If none of them does, for two
// seconds, although it was said, the error of Next matches chain.ErrOutOfStep. Without a
// peer Next waits. It ends with ctx, and with chain.ErrClosed when the node does. The
// bytes belong to the caller. A Next is for one goroutine.
//
// Of attestations and snapshots, which are in the order in which they came here, peers
// are not asked for older ones: this node asked when it met them. See Recall. Of each
// speaker's, those about the highest blocks are kept, and what is dropped before it is read
// is left out.
func (n *Node) Subscribe(_ context.Context, topic string, from uint64) (Next, error) {
	var r reader
	switch topic {
	case link.TopicFeed:
		r = &feedReader{search: search{Node: n}, from: from}
	case link.TopicBodies:
		if !n.shelf.bodied {
			return nil, fmt.Errorf("%w: this node leaves out bodies", chain.ErrNotFound)
		}
		r = &bodyReader{search: search{Node: n}, from: from}
	case link.TopicPublications:
		r = &seriesReader{search: search{Node: n}, from: from}
	case link.TopicSnapshots:
		r = newArrivalReader(&n.shelf.snapshots, from)
	case link.TopicAttestations:
		r = newArrivalReader(&n.shelf.attestations, from)
	default:
		return nil, fmt.Errorf("%w: topic %q", chain.ErrNotFound, topic)
	}
	return func(ctx context.Context) (uint64, []byte, error) { return n.next(ctx, r) }, nil
}

// next waits for what a reader reads next.
func (n *Node) next(ctx context.Context, r reader) (uint64, []byte, error) {
	for {
		if n.ctx.Err() != nil {
			return 0, nil, errClosed
		}
		n.shelf.mu.Lock()
		seq, msg, behind, err := r.poll()
		grown := n.shelf.grown
		n.shelf.mu.Unlock()
		switch {
		case err != nil || msg != nil:
			return seq, msg, err
		case behind:
			if err := r.fetch(ctx); err != nil {
				return 0, nil, n.ended(ctx, err)
			}
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-n.ctx.Done():
			return 0, nil, errClosed
		}
	}
}

// ended is why a reader does not go on.
func (n *Node) ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case n.ctx.Err() != nil:
		return errClosed
	}
	return err
}

// Recall asks peers for the attestations that they keep about block number and those
// after it, and puts on the shelf, for who subscribes, what this node did not have: the
// first thousand or so. One that was lost on the way shows in nothing that follows; who
// counts them knows that it is missing. The error matches chain.ErrNotFound for other
// topics, and when no peer has anything new; else it is ctx's.
func (n *Node) Recall(ctx context.Context, topic string, number uint64) error {
	if topic != link.TopicAttestations {
		return fmt.Errorf("%w: topic %q is not recalled", chain.ErrNotFound, topic)
	}
	everybody := func(*status) bool { return true }
	r := request{question: askAttestations, from: chain.Place{Number: number}, fresh: true}
	err := n.askAround(ctx, r, everybody, func(a answer) bool { return n.takeAll(a) > 0 })
	if errors.Is(err, errNotKept) {
		return errNobody
	}
	return err
}

// Latest is the newest message of a topic that this node keeps: of attestations and
// snapshots, the newest about the highest block. chain.ErrNotFound if there is none; a
// node that has just started knows none until Await returns.
func (n *Node) Latest(_ context.Context, topic string) (uint64, []byte, error) {
	s := n.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	var o *envelope.Opened
	switch topic {
	case link.TopicFeed:
		if m := s.newestGiven(); m != nil {
			return link.SeqOf(m.Place), feedBytes(m), nil
		}
	case link.TopicBodies:
		if b := s.bodies.newest(); b != nil {
			return link.SeqOf(b.Place), clone(b.Body), nil
		}
	case link.TopicPublications:
		o = s.publications.at(s.publications.last())
	case link.TopicSnapshots:
		o = s.snapshots.newest()
	case link.TopicAttestations:
		o = s.attestations.newest()
	}
	if o == nil {
		return 0, nil, fmt.Errorf("%w: no message of %s", chain.ErrNotFound, topic)
	}
	return o.Place.Number, clone(o.Body), nil
}

// newestGiven is the newest message of the feed; the caller holds mu.
func (s *shelf) newestGiven() *message {
	if s.feed == nil || s.feed.Empty() {
		return nil
	}
	msgs := s.feed.kept.msgs
	return msgs[len(msgs)-1].message
}

// newest is the newest body that is there, or nil.
func (l *bodyLine) newest() *body {
	for i := len(l.slots) - 1; i >= 0; i-- {
		if b := l.slots[i].body; b != nil {
			return b
		}
	}
	return nil
}

func clone(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

// feedBytes is a message of link.TopicFeed.
func feedBytes(m *message) []byte {
	if m.Frame != nil {
		return link.AppendFeed(make([]byte, 0, len(m.Body)+16), link.FeedFrame, m.Body)
	}
	return link.AppendFeed(nil, link.FeedHeader, m.Body)
}

// Await returns when this node has met a peer, and knows what that peer has: who wants
// to know what there is, asks then. It ends with ctx, or with chain.ErrClosed when the
// node does.
func (n *Node) Await(ctx context.Context) error {
	select {
	case <-n.peers.met:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ctx.Done():
		return errClosed
	}
}
