package gossip

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A shelf is what a node keeps of what was said, for its own readers and for peers.
// All methods may be called concurrently, unless they say that the caller holds mu.
type shelf struct {
	limits  Limits
	genesis common.Hash
	bodied  bool // bodies are kept too

	mu    sync.Mutex
	grown chan struct{} // closed and replaced when there is something for readers

	// feed is nil until the first message of it came. It begins anew, as another
	// generation, when what it lacks is kept by nobody, and when a newer term takes
	// something of it back.
	feed       *assembler
	moved      time.Time // when it last gave something out
	generation uint64
	own        bool // something of it was published here
	taken      taking
	doubt      chain.Place // where a newer term is, if that is before the feed's end; or zero
	bodies     bodyLine

	publications series
	snapshots    arrivals
	attestations arrivals

	term      uint64              // the newest in which the signer spoke
	newest    chain.Place         // that it spoke of in that
	words     uint64              // how often it said that the feed goes on
	fenced    taking              // by the newest term of a header
	heartbeat Heartbeat           // the newest
	beat      envelope.Header     // of that
	heard     time.Time           // when that came, by our clock
	evidence  []envelope.Evidence // of what is not the feed, and of feeds given up
}

func newShelf(of *settings) *shelf {
	s := &shelf{limits: of.Limits, genesis: of.Genesis, bodied: !of.WithoutBodies, grown: make(chan struct{})}
	s.bodies.limits = of.Limits
	s.snapshots = newArrivals(snapshotsKept, snapshotsBytes, of.signers(envelope.KindSnapshot))
	s.attestations = newArrivals(attestationsKept, attestationsBytes, of.signers(envelope.KindAttestation))
	return s
}

// signers is how many keys are believed in a kind.
func (s *settings) signers(kind envelope.Kind) (n int) {
	for who := range s.Signers {
		if s.believes(who, kind) {
			n++
		}
	}
	return n
}

// believes reports whether a key is believed in a kind.
func (s *settings) believes(who common.Address, kind envelope.Kind) bool {
	grant, ok := s.Signers[who]
	return ok && (grant.Kinds == nil || slices.Contains(grant.Kinds, kind))
}

// What is kept: so many of each speaker, and so many bytes of each signer. The words of
// twenty provers, all signed by their sequencer, are of more than two thousand blocks.
const (
	snapshotsKept, snapshotsBytes       = 16, 1 << 20
	attestationsKept, attestationsBytes = 4096, 64 << 20
)

// wake tells readers to look. The caller holds mu.
func (s *shelf) wake() {
	close(s.grown)
	s.grown = make(chan struct{})
}

// takeFeed takes a message of the feed. own: it is published here, so that what comes
// before it was said before, or never.
func (s *shelf) takeFeed(m *message, own bool, now time.Time) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed != nil && s.feed.takesBack(&m.Header) {
		s.takeBack(m, own)
	}
	s.reach(m.Term, m.Place)
	if s.feed == nil && !s.begin(m, own) {
		return Far
	}
	denied := own && s.feed.contradicted(&m.Header)
	v := s.feed.Add(m, now)
	s.drain(now)
	if own && s.astray(m, v) {
		s.abandon()
		s.begin(m, own)
		v = s.feed.Add(m, now)
		s.drain(now)
	}
	s.own = s.own || own
	if denied {
		return Contradiction
	}
	return v
}

// reach notes how far the feed is, as a signer says. A newer term counts from its first
// word on, although an older one may have spoken of more.
func (s *shelf) reach(term uint64, p chain.Place) {
	if term > s.term || term == s.term && s.newest.Before(p) {
		s.term, s.newest = term, p
		s.words++
	}
}

// astray reports whether the feed is elsewhere than our own message m, whose verdict is v:
// the signer's own word is where the feed is, whatever was heard before. A feed that was
// heard alone may have begun after m; one that is our own has come past it.
func (s *shelf) astray(m *message, v Verdict) bool {
	switch v {
	case Have, Contradiction:
		return false
	case Old:
		return !s.own
	}
	return !s.feed.given(m.Place)
}

// A taking is that a newer term takes something back.
type taking struct {
	from chain.Place // what was said of places from here on is void
	term uint64      // unless in this term, or a newer one
}

// voids is an error that matches chain.ErrOutOfStep if what a reader read, up to next and
// in a term, was taken back.
func (t *taking) voids(next chain.Place, term uint64) error {
	if term >= t.term || !t.from.Before(next) {
		return nil
	}
	return fmt.Errorf("%w: what term %d said from %s on was taken back by term %d", chain.ErrOutOfStep, term, t.from, t.term)
}

// over reports whether that was taken back.
func (t *taking) over(h *envelope.Header) bool { return h.Term < t.term && !h.Place.Before(t.from) }

// takeBack takes the feed back to m, which is of a newer term: its sequencer does not know
// of what an older one said from there on, which is lost. What came before stays, if m
// names it. The caller holds mu.
func (s *shelf) takeBack(m *message, own bool) {
	s.taken = taking{m.Place, m.Term}
	if m.Frame == nil || !s.feed.Rewind(m) {
		if s.abandon(); !own { // our own message begins the feed itself
			s.beginAt(s.startOf(chain.Place{Number: m.Place.Number}))
		}
		return
	}
	s.generation++
	s.bodies.cut(m.Place)
	s.wake()
}

// fence forgets what was said under earlier terms about a block from which on a term
// reigns, as a header says, and about those after it.
func (s *shelf) fence(number, term uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if term < s.fenced.term || term == s.fenced.term && number >= s.fenced.from.Number {
		return
	}
	s.fenced = taking{chain.Place{Number: number}, term}
	s.publications.fence(number, term)
	s.snapshots.fence(number, term)
	s.attestations.fence(number, term)
}

// drain moves what is in order to the readers. The caller holds mu.
func (s *shelf) drain(now time.Time) {
	moved := false
	for m, ok := s.feed.Next(now); ok; m, ok = s.feed.Next(now) {
		moved = true
		if m.Frame != nil && s.bodied {
			s.bodies.expect(m, now)
		}
	}
	if moved {
		s.moved = now
		s.wake()
	}
}

// begin makes an assembler that begins with m. An old message does not, although it is
// true: whoever sends it first would lead the feed back there. The caller holds mu.
func (s *shelf) begin(m *message, own bool) bool {
	if !own && m.Place.Number+s.limits.BlocksAhead < s.newest.Number {
		return false
	}
	switch {
	case m.Frame != nil && own:
		s.beginAt(startPoint{Place: m.Place, Parent: m.Frame.Parent})
	case m.Frame == nil && own:
		s.beginAt(startPoint{Place: m.after(), Parent: m.Sealed.Frame, HeaderBefore: true})
	default:
		s.beginAt(s.startOf(m.Place))
	}
	return true
}

// startOf is where to begin with the feed when p is what we know of it: with the block,
// of which p need not be what came first, only what was checked first.
func (s *shelf) startOf(p chain.Place) startPoint {
	switch {
	case p.IsHeader():
		return startPoint{Place: chain.Place{Number: p.Number + 1}, HeaderBefore: true}
	case p.Number == 1:
		return afterGenesis(s.genesis)
	}
	return startPoint{Place: chain.Place{Number: p.Number}, HeaderBefore: true}
}

func (s *shelf) beginAt(start startPoint) {
	s.feed = newAssembler(start, s.limits)
	s.generation++
	s.bodies.begin(start.Place)
	s.wake()
}

// abandon gives the feed up, to begin anew where it is now. The caller holds mu.
func (s *shelf) abandon() {
	if s.feed == nil {
		return
	}
	for _, e := range s.feed.Evidence() {
		s.keepEvidence(e)
	}
	s.feed, s.own = nil, false
}

// giveUp abandons a feed that still stands at p.
func (s *shelf) giveUp(p chain.Place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed == nil || s.feed.Place() != p {
		return false
	}
	s.abandon()
	return true
}

// keepEvidence keeps a contradiction, once. The caller holds mu.
func (s *shelf) keepEvidence(e envelope.Evidence) {
	if len(s.evidence) < s.limits.Evidence && !slices.Contains(s.evidence, e) {
		s.evidence = append(s.evidence, e)
	}
}

func (s *shelf) allEvidence() []envelope.Evidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.evidence)
	if s.feed != nil {
		all = append(all, s.feed.Evidence()...)
	}
	return all
}

// takeHeartbeat takes the signer's word of where it is. An older one than the newest
// is Old; one of a newer term is not, whatever the clocks were.
func (s *shelf) takeHeartbeat(h Heartbeat, head *envelope.Header, now time.Time) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if head.Term < max(s.beat.Term, s.term) || head.Term == s.beat.Term && !h.Time.After(s.heartbeat.Time) {
		return Old
	}
	s.heartbeat, s.beat, s.heard = h, *head, now
	s.reach(head.Term, h.Newest)
	if h.Newest.Number > 0 {
		if s.feed == nil {
			s.beginAt(s.startOf(h.Newest))
		}
		s.feed.Reaches(h.Newest, now)
		if s.feed.begun && head.Term > s.feed.term && s.feed.given(h.Newest) {
			s.doubt = chain.Place{Number: h.Newest.Number}
		}
		if !h.Newest.Before(s.feed.Place()) {
			s.words++
		}
	}
	return Taken
}

// hasBeat is the verdict about a heartbeat that was not opened.
func (s *shelf) hasBeat(h *envelope.Header) Verdict {
	switch {
	case h.Content == s.beat.Content:
		return Have
	case h.Term < s.beat.Term:
		return Old
	}
	return Taken
}

// takeBody takes the body of a mini-block.
func (s *shelf) takeBody(b *body, now time.Time) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bodied || s.feed == nil {
		return Far
	}
	v, e := s.bodies.add(b, now)
	if e != nil {
		s.keepEvidence(*e)
	}
	if v == Taken {
		s.wake()
	}
	return v
}

func (s *shelf) takePublication(o envelope.Opened) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced.over(&o.Header) {
		return Old // it was opened before that was known
	}
	v, e := s.publications.add(o)
	if e != nil {
		s.keepEvidence(*e)
	}
	if v == Taken {
		s.wake()
	}
	return v
}

func (s *shelf) takeArrival(a *arrivals, o envelope.Opened, speaker common.Address) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced.over(&o.Header) {
		return Old
	}
	v := a.add(o, speaker)
	if v == Taken {
		s.wake()
	}
	return v
}

// has says what Add would, of what it says without opening it: Taken if it is worth
// opening.
func (s *shelf) has(h *envelope.Header) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h.Kind {
	case envelope.KindFrame, envelope.KindHeader:
		return s.hasFeed(h)
	case envelope.KindBodies:
		return s.bodies.has(h)
	case envelope.KindPublication:
		return s.publications.has(h)
	case envelope.KindSnapshot:
		return s.snapshots.has(h)
	case envelope.KindAttestation:
		return s.attestations.has(h)
	case envelope.KindHeartbeat:
		return s.hasBeat(h)
	}
	return Taken
}

func (s *shelf) hasFeed(h *envelope.Header) Verdict {
	if s.feed == nil || s.feed.takesBack(h) {
		return Taken
	}
	switch next := s.feed.Place(); {
	case h.Place.Number >= next.Number+s.limits.BlocksAhead:
		return Far
	case h.Place.Number+blocksBehind < next.Number:
		return Old
	}
	if m := s.feed.have(h.Place); m != nil && m.Content == h.Content {
		return Have
	}
	if s.feed.isAside(h) {
		return Unfit
	}
	return Taken
}

// blocksBehind: what is so many blocks old is not looked at, not even for evidence.
const blocksBehind = 2
