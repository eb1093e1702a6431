package gossip

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A body is the envelope of a chain.MiniBody, opened.
type body struct {
	envelope.Opened
	frame common.Hash // digest of the frame that it belongs to
}

// readBodyHead reads which mini-block an encoded chain.MiniBody is of, and the digest of
// its frame. The lists are left to those who read them. The error matches
// chain.ErrCorrupt.
func readBodyHead(src []byte) (place chain.Place, frame common.Hash, err error) {
	r := rlp.NewReader(src).List()
	place.Number = r.Uint64()
	index := r.Uint64()
	r.Fixed(frame[:])
	if index >= chain.HeaderIndex {
		r.Fail(rlp.ErrSize)
	}
	place.Index = uint32(index)
	if err := r.Err(); err != nil {
		return chain.Place{}, frame, &chain.CorruptError{What: "mini-block's body", Offset: -1, Err: err}
	}
	return place, frame, nil
}

// readBody reads an opened envelope of a chain.MiniBody. An error is the signer's fault.
func readBody(o envelope.Opened) (*body, error) {
	place, frame, err := readBodyHead(o.Body)
	if err == nil && place != o.Place {
		err = &chain.MismatchError{Block: o.Place.Number, Field: "place", Got: place.String(), Want: o.Place.String()}
	}
	if err != nil {
		return nil, o.Fault(err)
	}
	return &body{o, frame}, nil
}

func (b *body) weight() int {
	n := len(b.Envelope) + messageOverhead
	if b.Packed {
		n += len(b.Body)
	}
	return n
}

// A bodyLine is the bodies in the order of the feed: a slot for each frame that the
// feed gave out. The caller of its methods holds the shelf's lock.
type bodyLine struct {
	limits Limits
	from   chain.Place // slots are of frames from here on; zero: there is no feed
	slots  []slot      // ascending by place
	early  []*body     // before their frames, ascending by place
	bytes  int         // of what is in slots
	ahead  int         // of what is early
}

type slot struct {
	place chain.Place
	frame common.Hash // digest
	*body             // nil until it comes
	since time.Time   // when the frame was given out
	lost  bool        // nobody has it
}

// begin empties the line: the feed goes on from p.
func (l *bodyLine) begin(p chain.Place) { *l = bodyLine{limits: l.limits, from: p} }

// cut forgets the mini-blocks from p on: the feed goes on from there with others.
func (l *bodyLine) cut(p chain.Place) {
	i, _ := l.search(p)
	for _, s := range l.slots[i:] {
		if s.body != nil {
			l.bytes -= s.body.weight()
		}
	}
	if i == 0 {
		l.from = p
	}
	l.slots = slices.Delete(l.slots, i, len(l.slots))
	l.early, l.ahead = nil, 0
}

// end is after the newest frame that was given out.
func (l *bodyLine) end() chain.Place {
	if n := len(l.slots); n > 0 {
		p := l.slots[n-1].place
		p.Index++
		return p
	}
	return l.from
}

// expect makes a slot for the body of a frame.
func (l *bodyLine) expect(m *message, now time.Time) {
	s := slot{place: m.Place, frame: m.Content, since: now}
	for len(l.early) > 0 && !m.Place.Before(l.early[0].Place) {
		if b := l.early[0]; b.Place == m.Place && b.frame == m.Content {
			s.body = b
			l.bytes += b.weight()
		}
		l.ahead -= l.early[0].weight()
		l.early = slices.Delete(l.early, 0, 1)
	}
	l.slots = append(l.slots, s)
	l.trim(now)
}

// trim drops the oldest slots, as an assembler's ring does. The newest stays.
func (l *bodyLine) trim(now time.Time) {
	then := now.Add(-l.limits.KeepFor)
	for len(l.slots) > 1 && (l.bytes > l.limits.KeepBytes || l.slots[0].since.Before(then)) {
		if b := l.slots[0].body; b != nil {
			l.bytes -= b.weight()
		}
		l.slots[0] = slot{}
		l.slots = l.slots[1:]
		l.from = l.slots[0].place
	}
}

// kept is from where on there are slots; zero if there are none.
func (l *bodyLine) kept() chain.Place {
	if len(l.slots) == 0 {
		return chain.Place{}
	}
	return l.from
}

// ready is up to where bodies can be given: to the first that is awaited.
func (l *bodyLine) ready() chain.Place {
	for i := range l.slots {
		if s := &l.slots[i]; s.body == nil && !s.lost {
			return s.place
		}
	}
	return l.end()
}

func (l *bodyLine) search(p chain.Place) (int, bool) {
	return slices.BinarySearchFunc(l.slots, p, func(s slot, p chain.Place) int { return s.place.Compare(p) })
}

func (l *bodyLine) searchEarly(p chain.Place) (int, bool) {
	return slices.BinarySearchFunc(l.early, p, func(b *body, p chain.Place) int { return b.Place.Compare(p) })
}

// has is the verdict about a body before it is opened.
func (l *bodyLine) has(h *envelope.Header) Verdict {
	if l.from == (chain.Place{}) {
		return Far
	}
	if h.Place.Before(l.from) {
		return Old
	}
	if h.Place.Number >= l.end().Number+l.limits.BlocksAhead {
		return Far
	}
	var have *body
	if i, found := l.search(h.Place); found {
		have = l.slots[i].body
	} else if h.Place.Before(l.end()) {
		return Unfit // there is no such mini-block
	} else if i, found := l.searchEarly(h.Place); found {
		have = l.early[i]
	}
	if have != nil && have.Content == h.Content {
		return Have
	}
	return Taken
}

// add takes a body; with a Contradiction comes the evidence.
func (l *bodyLine) add(b *body, now time.Time) (Verdict, *envelope.Evidence) {
	if v := l.has(&b.Header); v != Taken {
		return v, nil
	}
	i, found := l.search(b.Place)
	switch {
	case !found:
		return l.hold(b), nil
	case l.slots[i].frame != b.frame:
		return Unfit, nil
	case l.slots[i].body == nil:
		l.slots[i].body, l.slots[i].lost = b, false
		l.bytes += b.weight()
		l.trim(now)
		return Taken, nil
	case contradict(&l.slots[i].Header, &b.Header):
		return Contradiction, &envelope.Evidence{First: envelope.WordOf(l.slots[i].Envelope), Second: envelope.WordOf(b.Envelope)}
	}
	return Unfit, nil
}

// hold keeps a body that came before its frame, if there is room.
func (l *bodyLine) hold(b *body) Verdict {
	i, found := l.searchEarly(b.Place)
	if found {
		return Unfit // which of the two is true shows when the frame comes
	}
	if l.ahead+b.weight() > l.limits.BytesAhead {
		return Far
	}
	l.early = slices.Insert(l.early, i, b)
	l.ahead += b.weight()
	return Taken
}

// missing is the first slot without a body that was given out before then.
func (l *bodyLine) missing(then time.Time) (chain.Place, time.Time, bool) {
	for i := range l.slots {
		if s := &l.slots[i]; s.body == nil && !s.lost && s.since.Before(then) {
			return s.place, s.since, true
		}
	}
	return chain.Place{}, time.Time{}, false
}

// lose gives up the body at p, and those after it in a row that are missing and were given
// out before then. It returns how many.
func (l *bodyLine) lose(p chain.Place, then time.Time) (lost int) {
	i, found := l.search(p)
	for ; found && i < len(l.slots); i++ {
		s := &l.slots[i]
		if s.body != nil || s.lost || !s.since.Before(then) {
			break
		}
		s.lost = true
		lost++
	}
	return lost
}

// lost is the places of the first row of bodies from p on that were given up.
func (l *bodyLine) lost(p chain.Place) (row []chain.Place) {
	i, _ := l.search(p)
	for ; i < len(l.slots) && (l.slots[i].lost || len(row) == 0); i++ {
		if l.slots[i].lost {
			row = append(row, l.slots[i].place)
		}
	}
	return row
}

// after is the first body from p on, and whether there is a slot at all. ok is false
// if that is before what is kept.
func (l *bodyLine) after(p chain.Place) (b *body, wait, ok bool) {
	if l.from == (chain.Place{}) || p.Before(l.from) {
		return nil, false, false
	}
	i, _ := l.search(p)
	for ; i < len(l.slots) && l.slots[i].lost; i++ {
	}
	if i == len(l.slots) || l.slots[i].body == nil {
		return nil, true, true
	}
	return l.slots[i].body, false, true
}

// since is the envelopes from p on, up to the first that is awaited; those that are lost
// are left out. The error matches chain.ErrOutOfStep if p is before what is kept, or if
// there was something that cannot be given.
func (l *bodyLine) since(p chain.Place, most, bytes int) (found [][]byte, err error) {
	if l.from == (chain.Place{}) || p.Before(l.from) {
		return nil, fmt.Errorf("%w: bodies are kept from %s on", chain.ErrOutOfStep, l.from)
	}
	i, _ := l.search(p)
	for ; i < len(l.slots) && len(found) < most; i++ {
		b := l.slots[i].body
		if b == nil && l.slots[i].lost {
			continue
		}
		if b == nil {
			break
		}
		if bytes -= len(b.Envelope); bytes < 0 {
			break
		}
		found = append(found, b.Envelope)
	}
	if len(found) == 0 && p.Before(l.end()) {
		return nil, fmt.Errorf("%w: the body of %s is not here", chain.ErrOutOfStep, p)
	}
	return found, nil
}
