package gossip

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A startPoint is where an assembler begins.
type startPoint struct {
	Place chain.Place // of the first frame to give out
	// Parent is the digest that the first frame must name; zero if that is not known:
	// then the first frame that comes is believed.
	Parent common.Hash
	// HeaderBefore: the header of the block before Place's is to be given out too.
	HeaderBefore bool
}

// afterGenesis is the start of a chain's feed.
func afterGenesis(genesis common.Hash) startPoint {
	return startPoint{Place: chain.Place{Number: 1}, Parent: genesis}
}

// afterHeader is the start after a block whose header is there: after a snapshot, or
// after whatever message of the feed.
func afterHeader(s *chain.Sealed) startPoint {
	return startPoint{Place: chain.Place{Number: s.Header.Number + 1}, Parent: s.Frame}
}

// Limits bound an assembler. The zero value of each is its default.
type Limits struct {
	BlocksAhead uint64        // from the block of the next frame on, how many are held; default 4
	BytesAhead  int           // of what waits for others; default 64 MiB. One frame may exceed it.
	KeepBytes   int           // of what was given out; default 64 MiB. The newest is always kept.
	KeepFor     time.Duration // how long that is kept; default 2 min
	Patience    time.Duration // how late a message may be before it is missing; default 20 ms
	Evidence    int           // how many pairs are kept; default 64
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.BlocksAhead, 4)
	orDefault(&l.BytesAhead, 64<<20)
	orDefault(&l.KeepBytes, 64<<20)
	orDefault(&l.KeepFor, 2*time.Minute)
	orDefault(&l.Patience, 20*time.Millisecond)
	orDefault(&l.Evidence, 64)
	return l
}

func orDefault[T uint64 | int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// A Verdict is what became of a message.
type Verdict int

// Verdicts of Add.
const (
	// Taken: it is new, and is held until it is its turn.
	Taken Verdict = iota
	// Have: the same was taken before.
	Have
	// Old: it is of a place before those that are kept. Whether it is the same as what
	// was there is not known any more.
	Old
	// Far: it is further ahead than is held. It is asked for again when its time comes.
	Far
	// Unfit: it is not what its neighbours name, or of a term that is over there. The
	// sender may not know.
	Unfit
	// Contradiction: its signer said something else at the same place. See Evidence.
	Contradiction
)

func (v Verdict) String() string {
	return [...]string{"taken", "have", "old", "far", "unfit", "contradiction"}[v]
}

// assemblerStats is what an assembler counted. HeldBytes and KeptBytes are now.
type assemblerStats struct {
	Verdicts             [Contradiction + 1]uint64 // by Verdict
	Given                uint64                    // messages of the feed
	Evicted              uint64                    // taken, and given up for what was nearer
	HeldBytes, KeptBytes int
}

// An assembler brings messages of the feed into their order; see the package comment.
// It is used by one goroutine at a time.
type assembler struct {
	limits Limits

	// Where the feed is. The header before that of next is given, or is header.
	next   chain.Place // of the next frame
	parent common.Hash // digest of the frame before; zero if unknown
	header uint64      // number of the next header; next.Number or the one before
	end    common.Hash // digest of the last frame of block header, if that was given
	begun  bool        // a frame was given
	term   uint64      // of the newest that was

	held      []*waiting // ascending by place, each place once
	heldBytes int
	newest    sighting // the furthest place of which we know

	kept     ring
	unfit    []aside // the newest
	evidence []envelope.Evidence
	stats    assemblerStats
}

type waiting struct {
	*message
	since time.Time
}

// An aside is what remains of a message that did not fit: if another one at its place
// does, the two are evidence.
type aside struct {
	envelope.Header
	word envelope.Word
}

// newAssembler makes an assembler.
func newAssembler(start startPoint, limits Limits) *assembler {
	a := &assembler{
		limits: limits.withDefaults(), next: start.Place, parent: start.Parent, header: start.Place.Number,
	}
	a.kept.from = start.Place
	if start.HeaderBefore {
		a.header--
		if start.Place.Index == 0 {
			a.end, a.kept.from = start.Parent, chain.HeaderPlace(a.header)
		}
	}
	return a
}

// Add takes a message, at the time now. It keeps m if it is Taken, and for evidence.
func (a *assembler) Add(m *message, now time.Time) Verdict {
	v := a.add(m, now)
	a.stats.Verdicts[v]++
	return v
}

func (a *assembler) add(m *message, now time.Time) Verdict {
	if a.given(m.Place) {
		return a.compare(m, a.kept.find(m.Place))
	}
	if a.begun && m.Term < a.term && !m.Place.Before(a.next) {
		return a.putAside(m) // terms do not fall
	}
	if m.Place.Number-a.next.Number >= a.limits.BlocksAhead && m.Place.Number > a.next.Number {
		a.Reaches(m.Place, now)
		return Far
	}
	if !a.fits(m) {
		return a.putAside(m)
	}
	a.Reaches(m.Place, now)
	i, found := a.search(m.Place)
	if found {
		if v := a.compare(m, a.held[i].message); v != Unfit || m.Term < a.held[i].Term {
			return v
		}
		a.remove(i) // the newer term counts
	}
	if !a.makeRoom(m) {
		return Far
	}
	i, _ = a.search(m.Place)
	a.held = slices.Insert(a.held, i, &waiting{m, now})
	a.heldBytes += m.weight()
	for i := range a.unfit {
		if u := &a.unfit[i]; contradict(&u.Header, &m.Header) {
			a.keepEvidence(u.word, m)
		}
	}
	return Taken
}

// given reports whether what is at p was given out, or lies before the start.
func (a *assembler) given(p chain.Place) bool {
	if p.IsHeader() {
		return p.Number < a.header
	}
	return p.Before(a.next)
}

// compare is the verdict about a message at a place where have is. It is nil if that
// is not known any more.
func (a *assembler) compare(m, have *message) Verdict {
	switch {
	case have == nil:
		return Old
	case m.Content == have.Content:
		return Have
	case contradict(&have.Header, &m.Header):
		a.keepEvidence(envelope.WordOf(have.Envelope), m)
		return Contradiction
	}
	return Unfit // of another term
}

// contradict reports whether one signer cannot have meant both.
func contradict(a, b *envelope.Header) bool { return a.Same(b) && a.Content != b.Content }

// keepEvidence keeps a contradiction, once.
func (a *assembler) keepEvidence(first envelope.Word, m *message) {
	if len(a.evidence) == a.limits.Evidence {
		return
	}
	e := envelope.Evidence{First: first, Second: envelope.WordOf(m.Envelope)}
	if !slices.Contains(a.evidence, e) {
		a.evidence = append(a.evidence, e)
	}
}

// fits reports whether m is what the messages before it demand, as far as they have
// been given out.
func (a *assembler) fits(m *message) bool {
	if m.Frame != nil {
		return m.Place != a.next || a.parent == common.Hash{} || m.Frame.Parent == a.parent
	}
	return m.Place.Number != a.header || a.end == common.Hash{} || m.Sealed.Frame == a.end
}

// asideMax is how many messages that did not fit are remembered.
const asideMax = 16

// putAside does not take m, but remembers it.
func (a *assembler) putAside(m *message) Verdict {
	if a.isAside(&m.Header) {
		return Unfit
	}
	if len(a.unfit) == asideMax {
		a.unfit = slices.Delete(a.unfit, 0, 1)
	}
	a.unfit = append(a.unfit, aside{m.Header, envelope.WordOf(m.Envelope)})
	return Unfit
}

// isAside reports whether that did not fit before: it never will.
func (a *assembler) isAside(h *envelope.Header) bool {
	return slices.ContainsFunc(a.unfit, func(u aside) bool { return u.Same(h) && u.Content == h.Content })
}

// contradicted reports whether something that did not fit contradicts that.
func (a *assembler) contradicted(h *envelope.Header) bool {
	return slices.ContainsFunc(a.unfit, func(u aside) bool { return contradict(&u.Header, h) })
}

// makeRoom gives up what is further ahead than m, and reports whether there is room
// then. For the next frame there always is: without it nothing would move.
func (a *assembler) makeRoom(m *message) bool {
	for len(a.held) > 0 && a.heldBytes+m.weight() > a.limits.BytesAhead {
		last := len(a.held) - 1
		if a.held[last].Place.Before(m.Place) {
			return m.Place == a.next
		}
		a.remove(last)
		a.stats.Evicted++
	}
	return true
}

func (a *assembler) search(p chain.Place) (int, bool) {
	return slices.BinarySearchFunc(a.held, p, func(w *waiting, p chain.Place) int { return w.Place.Compare(p) })
}

func (a *assembler) remove(i int) *message {
	m := a.held[i].message
	a.held = slices.Delete(a.held, i, i+1)
	a.heldBytes -= m.weight()
	return m
}

// Next gives out the next message of the feed, if it is there, at the time now. The
// message is kept for Since and At. It is called until it has none.
func (a *assembler) Next(now time.Time) (*message, bool) {
	m := a.dueHeader()
	if m == nil {
		m = a.dueFrame()
	}
	if m == nil {
		return nil, false
	}
	a.stats.Given++
	a.kept.add(m, now)
	a.kept.trim(a.limits.KeepBytes, now.Add(-a.limits.KeepFor))
	return m, true
}

// due takes what is held at p, if it fits. What does not is put aside, and the place
// is empty again.
func (a *assembler) due(p chain.Place) *message {
	i, found := a.search(p)
	if !found {
		return nil
	}
	if !a.fits(a.held[i].message) {
		a.putAside(a.remove(i))
		return nil
	}
	return a.held[i].message
}

func (a *assembler) dueHeader() *message {
	if a.header >= a.next.Number {
		return nil // the block's frames have not all been given out
	}
	m := a.due(chain.HeaderPlace(a.header))
	if m == nil {
		return nil
	}
	a.header++
	a.end = common.Hash{}
	a.purge()
	return m
}

func (a *assembler) dueFrame() *message {
	m := a.due(a.next)
	if m == nil || m.Frame.Last && a.header < a.next.Number {
		return nil // the last of a block waits for the header of the block before
	}
	a.parent, a.begun, a.term = m.Content, true, m.Term
	if m.Frame.Last {
		a.end = m.Content
		a.next = chain.Place{Number: a.next.Number + 1}
	} else {
		a.next.Index++
	}
	a.purge()
	return m
}

// purge drops what has been given out, and frames after the last of their block.
func (a *assembler) purge() {
	i := 0
	for i < len(a.held) && a.held[i].Place.Before(a.next) {
		if a.given(a.held[i].Place) {
			a.remove(i)
			continue
		}
		i++ // the header that is due
	}
}

// Place is where the feed is: of the first mini-block that was not given out.
func (a *assembler) Place() chain.Place { return a.next }

// Header is the number of the first header that was not given out.
func (a *assembler) Header() uint64 { return a.header }

// Evidence returns the contradictions that were seen, oldest first; the slice is the
// caller's. What comes once Limits.Evidence are kept is counted in Stats only.
func (a *assembler) Evidence() []envelope.Evidence { return slices.Clone(a.evidence) }

// Stats returns what was counted.
func (a *assembler) Stats() assemblerStats {
	s := a.stats
	s.HeldBytes, s.KeptBytes = a.heldBytes, a.kept.bytes
	return s
}

// have is the message at p that is held or kept, or nil.
func (a *assembler) have(p chain.Place) *message {
	if i, found := a.search(p); found {
		return a.held[i].message
	}
	return a.kept.find(p)
}
