package gossip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A search is how a reader that is behind the shelf finds what it lacks.
type search struct {
	*Node
	failing time.Time // since when nobody has it; zero if that is not so
	given   bool      // something was
	hopes   int       // how often peers said when they were asked that they have it, in vain
	lacked  time.Time // when a peer last showed that it is past it, and does not have it

	// How often peers spoke of an oldest that was not to be had, and where that was.
	misses int
	missed chain.Place
}

// missesMax: who was misled so often takes peers at their word no more.
const missesMax = 3

// hopesMax: who hoped so often that peers will give what they say they have, waits no more.
const hopesMax = 3

// lackedFor is how long what a peer showed counts: the others may be told by then.
const lackedFor = 2 * goneAfter

// guessed reports whether err says that link.Oldest, which we took for p, is gone: nobody
// promised that, for there may have been none at all. Then we look again.
func (s *search) guessed(err error, from uint64, p chain.Place) bool {
	if s.given || from != link.Oldest || !errors.Is(err, chain.ErrOutOfStep) {
		return false
	}
	s.failing, s.missed = time.Time{}, p
	s.misses++
	return true
}

// around asks peers once, until use can go on with what one sent. Without that it
// pauses, and says at last that it is gone: when for a while nobody gave it, although
// the signer has said it, and peers show that they do not have it. What peers say of
// themselves is no more than whom to ask.
func (s *search) around(ctx context.Context, r request, has func(*status) coverage, use func([]envelope.Opened) bool) error {
	err := s.askAround(ctx, r, func(st *status) bool { return has(st) == hasIt }, func(a answer) bool {
		good := use(a.items)
		if good || asked(a.err) {
			s.peers.gave(a.from, r.question, good)
		}
		if good {
			s.peers.reward(a.from, scoreServed)
			return true
		}
		s.peers.charge(a.from, billAnswered, len(a.items))
		if a.lacks(r) {
			s.lacked = time.Now()
		}
		// That it is of no use need not be the peer's fault: the signer may contradict
		// himself, or have made a newer term of which the peer does not know. Who has
		// nothing is asked last, and that is all.
		if a.err == nil && len(a.items) > 0 && a.sent == len(a.items) && !r.meets(a.items) {
			s.blame(a.from, scoreWithheld, r, errNobody)
		}
		return false
	})
	if err == nil {
		s.failing, s.lacked, s.hopes = time.Time{}, time.Time{}, 0
		return nil
	}
	late := time.Since(s.lacked) < lackedFor || s.peers.count() == 0 && s.speaks()
	for _, st := range s.peers.statuses() {
		late = late || has(&st) == hasLater
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !late || !s.shelf.said(r):
		s.failing = time.Time{} // it may still come to be
	case s.failing.IsZero():
		s.failing = time.Now()
	case time.Since(s.failing) > goneAfter:
		if s.hopes < hopesMax && s.somebody(ctx, has) {
			s.failing = time.Time{}
			s.hopes++
			return nil
		}
		return fmt.Errorf("%w: %s from %s on: no peer keeps it", chain.ErrOutOfStep, r.question, r.from)
	}
	pause(ctx, mendAgain)
	return ctx.Err()
}

// said reports whether the signer has said what r asks for: else it may still come to be.
func (s *shelf) said(r request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.question == askPublications {
		return r.from.Number <= max(s.publications.last(), s.heartbeat.Published)
	}
	return !s.newest.Before(r.from)
}

// somebody reports whether a peer has it, by what all say when they are asked now. Each is
// asked seldom otherwise: one that had nothing yet when we met may have it for long.
func (s *search) somebody(ctx context.Context, has func(*status) coverage) bool {
	s.refresh(ctx, s.peers.count())
	return slices.ContainsFunc(s.peers.statuses(), func(st status) bool { return has(&st) == hasIt })
}

// coverage is what a peer's status says about a place.
type coverage int

const (
	hasNot coverage = iota // nothing, or nothing so new
	hasIt
	hasLater // it keeps only what is later
)

// covering says how what is kept from one place up to another covers p.
func covering(from, to, p chain.Place) coverage {
	switch {
	case from == chain.Place{}:
		return hasNot
	case p.Before(from):
		return hasLater
	case p.Before(to):
		return hasIt
	}
	return hasNot
}

// speaks reports whether the feed is published here: then nobody has more of it.
func (n *Node) speaks() bool {
	n.speaker.mu.Lock()
	defer n.speaker.mu.Unlock()
	return n.speaker.spoke
}

// A feedReader reads the feed: from the shelf, or, while it is behind that, what peers
// keep, brought into order by an assembler of its own.
type feedReader struct {
	search
	from uint64 // where to begin; link.Oldest
	set  bool   // place counts
	// place is what is wanted next, after a frame with the digest last, of a term.
	place chain.Place
	at    chain.Place // of that; zero: no frame was given out
	last  common.Hash
	term  uint64

	// bare: nobody gives the header before place, so that it is left out.
	bare bool

	generation uint64 // of the shelf's feed in which n counts; 0: none
	n          uint64

	own  *assembler // while behind
	came []*message // in order, not yet given out
}

func (r *feedReader) poll() (uint64, []byte, bool, error) {
	if !r.set {
		return 0, nil, true, nil
	}
	s := r.shelf
	if err := s.taken.voids(r.place, r.term); r.at.Number > 0 && err != nil {
		return 0, nil, false, err
	}
	for len(r.came) > 0 {
		m := r.came[0]
		r.came = r.came[1:]
		if s.taken.over(&m.Header) {
			r.came, r.own = nil, nil
			break
		}
		if m.Frame == nil || !m.Place.Before(r.place) {
			return r.give(m)
		}
	}
	if s.feed == nil {
		return 0, nil, true, nil
	}
	if r.generation != s.generation {
		if m := s.feed.kept.find(r.at); m != nil && m.Content != r.last {
			return 0, nil, false, fmt.Errorf("%w: the feed has another %s", chain.ErrOutOfStep, r.at)
		}
		if !r.enter(s) {
			return 0, nil, true, nil
		}
	}
	for {
		m, err := s.feed.At(r.n)
		if err != nil {
			r.generation = 0 // perhaps a peer keeps more
			return 0, nil, true, nil
		}
		if m == nil {
			return 0, nil, false, nil
		}
		r.n++
		if m.Frame != nil && m.Place.Before(r.place) {
			continue // was given out
		}
		return r.give(m)
	}
}

// give gives out a message, and says what is wanted after it. A feed that was given up and
// begun anew may go on with frames that do not follow those that were given out.
func (r *feedReader) give(m *message) (uint64, []byte, bool, error) {
	if m.Frame != nil && r.at.Number > 0 && m.Frame.Parent != r.last {
		return 0, nil, false, fmt.Errorf("%w: %s follows frame %s, and not %s, which was before it", chain.ErrOutOfStep, m.Place, m.Frame.Parent, r.last)
	}
	r.given = true
	// A header is wanted once, wherever it comes; frames say where we are.
	if m.Frame != nil || r.place.Before(m.Place) {
		r.place = m.after()
	}
	if m.Frame != nil {
		r.at, r.last, r.term = m.Place, m.Content, m.Term
	}
	return link.SeqOf(m.Place), feedBytes(m), false, nil
}

// enter goes on from the shelf, if what is wanted is there.
func (r *feedReader) enter(s *shelf) bool {
	n, err := s.feed.Seek(r.wanted())
	if err != nil {
		return false
	}
	r.generation, r.n, r.own = s.generation, n, nil
	return true
}

// wanted is the place to go on from: of the header that is due, or else of the frame.
func (r *feedReader) wanted() chain.Place {
	if r.own != nil && r.own.Header() < r.own.Place().Number {
		return chain.HeaderPlace(r.own.Header())
	}
	return r.place
}

// begin finds where to begin: at a number, or where the oldest is that somebody keeps,
// by what theirs says a peer has, up to where. That is asked anew: what peers said may be
// old. It must have been said by now, and one who is then found not to have it is not
// listened to the next time.
func (s *search) begin(ctx context.Context, what question, from uint64, theirs func(*status) (from, to chain.Place), ours func(*shelf) chain.Place) chain.Place {
	p := link.PlaceOf(from)
	if from == link.Oldest {
		s.refresh(ctx, askedPeers)
		s.shelf.mu.Lock()
		p = ours(s.shelf)
		s.shelf.mu.Unlock()
		for _, st := range s.peers.statuses() {
			q, to := theirs(&st)
			if q.Number > 0 && q.Before(to) && s.missed.Before(q) && s.shelf.said(request{question: what, from: q}) && (p == chain.Place{} || s.misses < missesMax && q.Before(p)) {
				p = q
			}
		}
	}
	if p.Number == 0 {
		return chain.Place{Number: 1} // nobody sequenced genesis
	}
	return p
}

// refresh asks peers what they have, at most so many.
func (n *Node) refresh(ctx context.Context, most int) {
	ids := n.peers.best(askStatus, func(*status) bool { return true })
	var group sync.WaitGroup
	for _, id := range ids[:min(len(ids), most)] {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
			defer cancel()
			_, _ = n.askStatusOf(ctx, id) // it said something before
		})
	}
	group.Wait()
}

const refreshTimeout = 2 * time.Second

// fetchMost is how many messages a reader asks for at once.
const fetchMost = 256

func (r *feedReader) fetch(ctx context.Context) error {
	if !r.set {
		r.set = true
		r.place = r.begin(ctx, askFeed, r.from, func(st *status) (from, to chain.Place) { return st.feed, st.feedEnd }, func(s *shelf) chain.Place {
			if s.feed == nil || s.feed.Empty() {
				return chain.Place{}
			}
			return s.feed.Kept()
		})
		return ctx.Err()
	}
	if r.own == nil {
		r.own = newAssembler(r.start(), r.Limits)
	}
	from := r.due()
	has := func(st *status) coverage { return covering(st.feed, st.feedEnd, from) }
	err := r.around(ctx, request{question: askFeed, from: from, most: fetchMost}, has, r.assemble)
	if r.own.Stats().Given == 0 {
		r.own = nil // what peers keep has changed, perhaps
	}
	switch {
	case r.guessed(err, r.from, r.place):
		r.set = false
		return nil
	case errors.Is(err, chain.ErrOutOfStep) && !r.given && !r.bare && r.kept(r.place):
		r.bare, r.own, r.failing = true, nil, time.Time{}
		return nil
	}
	return err
}

// due is the place that the reader's own assembler needs next.
func (r *feedReader) due() chain.Place {
	place := r.own.Place()
	if h := chain.HeaderPlace(r.own.Header()); h.Before(place) {
		return h
	}
	return place
}

// assemble brings an answer into order, and reports whether something came of it.
func (r *feedReader) assemble(items []envelope.Opened) bool {
	now := time.Now()
	for _, o := range items {
		m, err := readMessage(o)
		if err != nil {
			r.refuse(err)
			continue
		}
		r.own.Add(m, now)
		for m, ok := r.own.Next(now); ok; m, ok = r.own.Next(now) {
			r.came = append(r.came, m)
		}
	}
	return len(r.came) > 0
}

// start is where to begin asking peers. A place within a block may be after its last
// mini-block without anybody's knowing: the one before it says so. If nobody keeps that
// one, nor the header before, then the place itself.
func (r *feedReader) start() startPoint {
	p := r.place
	switch {
	case p == chain.Place{Number: 1}:
		return afterGenesis(r.Genesis)
	case p.IsHeader():
		return startPoint{Place: chain.Place{Number: p.Number + 1}, HeaderBefore: true}
	case p.Number > 1 && (r.bare || r.kept(p) && !r.kept(chain.HeaderPlace(p.Number-1))):
		return startPoint{Place: p}
	case p.Index > 0:
		p.Index--
	}
	return startPoint{Place: p, HeaderBefore: p.Number > 1}
}

// kept reports whether a peer says that it keeps the feed from p on.
func (s *search) kept(p chain.Place) bool {
	return slices.ContainsFunc(s.peers.statuses(), func(st status) bool {
		return covering(st.feed, st.feedEnd, p) == hasIt
	})
}
