package gossip

import (
	"fmt"
	"sort"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// A ring is what was given out lately, in that order, numbered from 0.
type ring struct {
	from  chain.Place // what was given out from here on is kept
	gone  chain.Place // of the newest frame that is not
	first uint64      // number of msgs[0]
	msgs  []kept
	at    map[chain.Place]uint64 // numbers
	bytes int
}

type kept struct {
	*message
	frame chain.Place // of the newest frame that was given out by then: ascending
	since time.Time
}

func (r *ring) end() uint64 { return r.first + uint64(len(r.msgs)) }

func (r *ring) add(m *message, now time.Time) {
	frame := m.Place
	if n := len(r.msgs); m.Frame == nil && n > 0 {
		frame = r.msgs[n-1].frame
	} else if m.Frame == nil {
		frame = chain.Place{} // before whatever is wanted
	}
	if r.at == nil {
		r.at = make(map[chain.Place]uint64)
	}
	r.at[m.Place] = r.end()
	r.msgs = append(r.msgs, kept{m, frame, now})
	r.bytes += m.weight()
}

// trim drops the oldest while they are more than bytes, or from before then. The
// newest stays.
func (r *ring) trim(bytes int, then time.Time) {
	for len(r.msgs) > 1 && (r.bytes > bytes || r.msgs[0].since.Before(then)) {
		m := r.msgs[0].message
		r.from = later(r.from, m.after())
		if m.Frame != nil {
			r.gone = m.Place
		}
		delete(r.at, m.Place)
		r.bytes -= m.weight()
		r.msgs[0] = kept{}
		r.msgs = r.msgs[1:]
		r.first++
	}
}

func (r *ring) find(p chain.Place) *message {
	if n, ok := r.at[p]; ok {
		return r.msgs[n-r.first].message
	}
	return nil
}

// wanted says what someone at p wants: frames from the place on, and headers from the
// number on. The header of the block before comes again: it may not have come before
// the frames that were taken.
func wanted(p chain.Place) (frames chain.Place, header uint64) {
	if p.IsHeader() {
		return chain.Place{Number: p.Number + 1}, p.Number
	}
	return p, max(p.Number, 1) - 1
}

// Empty reports whether nothing is kept.
func (a *assembler) Empty() bool { return len(a.kept.msgs) == 0 }

// Kept is the first place from which on everything is kept.
func (a *assembler) Kept() chain.Place { return a.kept.from }

// Seek returns the number of the message to begin with, for At, to follow the feed
// from p on. Messages from there on may be of places before p. The error matches
// chain.ErrOutOfStep if what comes after p is not kept any more.
func (a *assembler) Seek(p chain.Place) (uint64, error) {
	r := &a.kept
	// After a block's last frame one may not know that it was the last: the place after
	// it is as good as the header's.
	between := r.from == chain.HeaderPlace(p.Number) && r.gone.Number == p.Number && r.gone.Before(p)
	if p.Before(r.from) && !between {
		return 0, fmt.Errorf("%w: %s is gone from the feed, which is kept from %s on", chain.ErrOutOfStep, p, r.from)
	}
	frames, header := wanted(p)
	i := sort.Search(len(r.msgs), func(i int) bool { return !r.msgs[i].frame.Before(frames) })
	begin := r.first + uint64(i)
	if n, ok := r.at[chain.HeaderPlace(header)]; ok {
		begin = min(begin, n)
	}
	return begin, nil
}

// At returns message number n of those that were given out, or nil if it has not
// been. The error matches chain.ErrOutOfStep if it is not kept any more.
func (a *assembler) At(n uint64) (*message, error) {
	r := &a.kept
	switch {
	case n < r.first:
		return nil, fmt.Errorf("%w: message %d is gone from the feed, the oldest kept is %d", chain.ErrOutOfStep, n, r.first)
	case n >= r.end():
		return nil, nil
	}
	return r.msgs[n-r.first].message, nil
}

// Since returns what was given out from p on, in order: at most so many messages, and
// no more than bytes of envelopes unless the first alone is larger. The header of the
// block before p's comes along if it is kept. The error is Seek's.
func (a *assembler) Since(p chain.Place, most, bytes int) ([]*message, error) {
	n, err := a.Seek(p)
	if err != nil {
		return nil, err
	}
	var found []*message
	frames, _ := wanted(p)
	for _, m := range a.kept.msgs[n-a.kept.first:] {
		if m.Frame != nil && m.Place.Before(frames) {
			continue
		}
		bytes -= len(m.Envelope)
		if len(found) == most || len(found) > 0 && bytes < 0 {
			break
		}
		found = append(found, m.message)
	}
	return found, nil
}
