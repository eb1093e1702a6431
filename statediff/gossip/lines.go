package gossip

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/envelope"
)

// A series is what is said once about each block, ascending by number: publications.
// The caller of its methods holds the shelf's lock.
type series struct {
	items []envelope.Opened
}

// seriesKept is how many items a series keeps.
const seriesKept = 4096

func (s *series) search(number uint64) (int, bool) {
	return slices.BinarySearchFunc(s.items, number, func(o envelope.Opened, n uint64) int {
		switch {
		case o.Place.Number < n:
			return -1
		case o.Place.Number > n:
			return 1
		}
		return 0
	})
}

func (s *series) has(h *envelope.Header) Verdict {
	i, found := s.search(h.Place.Number)
	switch {
	case found && s.items[i].Content == h.Content:
		return Have
	case !found && i == 0 && len(s.items) == seriesKept:
		return Old
	}
	return Taken
}

// add takes an item; with a Contradiction comes the evidence. The word of a newer term
// counts.
func (s *series) add(o envelope.Opened) (Verdict, *envelope.Evidence) {
	if v := s.has(&o.Header); v != Taken {
		return v, nil
	}
	i, found := s.search(o.Place.Number)
	switch {
	case found && contradict(&s.items[i].Header, &o.Header):
		return Contradiction, &envelope.Evidence{First: envelope.WordOf(s.items[i].Envelope), Second: envelope.WordOf(o.Envelope)}
	case found && o.Term < s.items[i].Term:
		return Unfit, nil
	case found:
		s.items[i] = o
		return Taken, nil
	}
	s.items = slices.Insert(s.items, i, o)
	if len(s.items) > seriesKept {
		s.items = slices.Delete(s.items, 0, 1)
	}
	return Taken, nil
}

// first and last are numbers, 0 if there is nothing.
func (s *series) first() uint64 {
	if len(s.items) == 0 {
		return 0
	}
	return s.items[0].Place.Number
}

func (s *series) last() uint64 {
	if len(s.items) == 0 {
		return 0
	}
	return s.items[len(s.items)-1].Place.Number
}

// at is the item of a block, or nil.
func (s *series) at(number uint64) *envelope.Opened {
	if i, found := s.search(number); found {
		return &s.items[i]
	}
	return nil
}

// since is the envelopes from number on, without a gap.
func (s *series) since(number uint64, most, bytes int) (found [][]byte) {
	for i, ok := s.search(number); ok && i < len(s.items) && len(found) < most && s.items[i].Place.Number == number; i++ {
		if bytes -= len(s.items[i].Envelope); bytes < 0 {
			break
		}
		found = append(found, s.items[i].Envelope)
		number++
	}
	return found
}

// arrivals are what is said any number of times about a block, in the order in which
// they came: attestations, and where snapshots are. The caller of its methods holds
// the shelf's lock.
type arrivals struct {
	most, mostBytes int
	first           uint64 // number of items[0]
	items           []envelope.Opened
	seen            map[common.Hash]bool // contents of items
	said            map[speech]int       // how many of items are by whom about what
	bytes           int
}

type speech struct {
	signer common.Address
	number uint64
}

// speechMax is how often a signer may speak about one block: an honest prover does once,
// or once for each program that checks, and a sequencer tells what provers hand in at its
// door, once for each. Otherwise one key could push out all others.
const speechMax = 64

func newArrivals(most, bytes int) arrivals {
	return arrivals{most: most, mostBytes: bytes, seen: make(map[common.Hash]bool), said: make(map[speech]int)}
}

func (a *arrivals) has(h *envelope.Header) Verdict {
	if a.seen[h.Content] {
		return Have
	}
	return Taken
}

func (a *arrivals) add(o envelope.Opened) Verdict {
	by := speech{o.Signer, o.Place.Number}
	switch {
	case a.seen[o.Content]:
		return Have
	case a.said[by] == speechMax:
		return Unfit
	}
	a.seen[o.Content] = true
	a.said[by]++
	a.items = append(a.items, o)
	a.bytes += len(o.Envelope) + messageOverhead
	for len(a.items) > 1 && (len(a.items) > a.most || a.bytes > a.mostBytes) {
		a.drop()
	}
	return Taken
}

// drop drops the oldest.
func (a *arrivals) drop() {
	o := &a.items[0]
	by := speech{o.Signer, o.Place.Number}
	delete(a.seen, o.Content)
	if a.said[by]--; a.said[by] == 0 {
		delete(a.said, by)
	}
	a.bytes -= len(o.Envelope) + messageOverhead
	a.items[0] = envelope.Opened{}
	a.items = a.items[1:]
	a.first++
}

// newest is the one about the highest block, the last of those; nil if there is none.
func (a *arrivals) newest() *envelope.Opened {
	var best *envelope.Opened
	for i := range a.items {
		if o := &a.items[i]; best == nil || o.Place.Number >= best.Place.Number {
			best = o
		}
	}
	return best
}

// since is the envelopes about blocks from number on, the first of them that came.
func (a *arrivals) since(number uint64, most, bytes int) (found [][]byte) {
	for i := 0; i < len(a.items) && len(found) < most; i++ {
		if a.items[i].Place.Number < number {
			continue
		}
		if bytes -= len(a.items[i].Envelope); bytes < 0 {
			break
		}
		found = append(found, a.items[i].Envelope)
	}
	return found
}

// recent is the envelopes of the newest, in the order in which they came.
func (a *arrivals) recent(most, bytes int) (found [][]byte) {
	for i := len(a.items) - 1; i >= 0 && len(found) < most; i-- {
		if bytes -= len(a.items[i].Envelope); bytes < 0 {
			break
		}
		found = append(found, a.items[i].Envelope)
	}
	slices.Reverse(found)
	return found
}
