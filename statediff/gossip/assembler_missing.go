package gossip

import (
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// A span is places of the feed: from From, before To. Where a block's last frame is
// not known, it may name more than there is.
type span struct{ From, To chain.Place }

func (r span) String() string { return r.From.String() + " to " + r.To.String() }

// A sighting is a place of which we know, since when, and what may be the next.
type sighting struct {
	place, after chain.Place
	last         bool // the header of the block before should be there
	since        time.Time
}

// Reaches says that the sequencer's feed has come to p, at the time now: the word of
// whoever signed for it. What is missing up to there shows in Missing.
func (a *assembler) Reaches(p chain.Place, now time.Time) {
	if a.newest.place.Before(p) {
		a.newest = sighting{place: p, since: now}
	}
}

// Missing returns the places that are known to exist and did not come, although
// something after them came at least Limits.Patience before now. They are in order
// and do not overlap; what is beyond Limits.BlocksAhead is left for later. It says the
// same until something comes: how often to ask whom is the caller's affair.
//
// A header may be late without harm while the block after it is open. It is missing
// when that block's last frame is there, which waits for it, or something later.
func (a *assembler) Missing(now time.Time) []span {
	known := a.known()
	late := lateness(known, now.Add(-a.limits.Patience))
	var found []span
	gap := func(from, to chain.Place, late bool) {
		if late && from.Before(to) {
			found = append(found, span{from, to})
		}
	}
	cursor := a.next // the first place that is not known to be there
	if a.header < a.next.Number {
		cursor = chain.HeaderPlace(a.header)
	}
	for i, s := range known {
		if cursor.IsHeader() && cursor.Before(s.place) {
			next := chain.Place{Number: cursor.Number + 1}
			if j := overdue(cursor.Number, known, i); j >= 0 {
				gap(cursor, next, late[j])
			}
			cursor = later(next, a.next)
		}
		gap(cursor, s.place, late[i])
		cursor = later(s.after, a.next)
	}
	return found
}

// known is what is held, and where the feed ends as far as we know and hold it: that
// is after all the others.
func (a *assembler) known() []sighting {
	list := make([]sighting, 0, len(a.held)+1)
	for _, w := range a.held {
		list = append(list, sighting{w.Place, w.after(), w.Frame != nil && w.Frame.Last, w.since})
	}
	end := sighting{place: a.newest.place, since: a.newest.since}
	end.place.Index++
	if a.newest.place.IsHeader() {
		end.place, end.last = chain.Place{Number: a.newest.place.Number + 1}, true
	}
	if most := (chain.Place{Number: a.next.Number + a.limits.BlocksAhead}); most.Before(end.place) {
		end.place = most
	}
	end.after = end.place
	return append(list, end)
}

// lateness says of each whether it, or one after it, was seen at or before then.
func lateness(known []sighting, then time.Time) []bool {
	late, any := make([]bool, len(known)), false
	for i := len(known) - 1; i >= 0; i-- {
		any = any || !known[i].since.After(then)
		late[i] = any
	}
	return late
}

// overdue is the first sighting, from i on, that shows that header number should be
// there, or -1.
func overdue(number uint64, known []sighting, i int) int {
	for ; i < len(known); i++ {
		if p := known[i].place; p.Number > number+1 || p.Number == number+1 && known[i].last {
			return i
		}
	}
	return -1
}

func later(a, b chain.Place) chain.Place {
	if a.Before(b) {
		return b
	}
	return a
}
