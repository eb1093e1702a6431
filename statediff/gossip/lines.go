package gossip

import (
	"fmt"
	"slices"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A series is what is said once about each block, ascending by number: publications.
// The caller of its methods holds the shelf's lock.
type series struct {
	items []envelope.Opened
	bytes int
	floor uint64 // what is of blocks before this one was dropped, or would be
}

// How much a series keeps: the highest blocks.
const seriesKept, seriesBytes = 4096, 32 << 20

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
	case h.Place.Number < s.floor:
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
		s.remove(i)
	}
	s.items = slices.Insert(s.items, i, o)
	s.bytes += len(o.Envelope) + messageOverhead
	for len(s.items) > 1 && (len(s.items) > seriesKept || s.bytes > seriesBytes) {
		s.floor = s.items[0].Place.Number + 1
		s.remove(0)
	}
	if o.Place.Number < s.floor {
		return Old, nil
	}
	return Taken, nil
}

func (s *series) remove(i int) {
	s.bytes -= len(s.items[i].Envelope) + messageOverhead
	s.items = slices.Delete(s.items, i, i+1)
}

// fence drops what was said under an earlier term about block number and those after it.
func (s *series) fence(number, term uint64) {
	for i := len(s.items) - 1; i >= 0 && s.items[i].Place.Number >= number; i-- {
		if s.items[i].Term < term {
			s.remove(i)
		}
	}
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

// since is the envelopes from number on, without a gap. The error matches
// chain.ErrOutOfStep if there is a later one, but not this one.
func (s *series) since(number uint64, most, bytes int) (found [][]byte, err error) {
	if number <= s.last() && s.at(number) == nil {
		return nil, fmt.Errorf("%w: publication %d is not kept, those from %d to %d are, with gaps", chain.ErrOutOfStep, number, s.first(), s.last())
	}
	for i, ok := s.search(number); ok && i < len(s.items) && len(found) < most && s.items[i].Place.Number == number; i++ {
		if bytes -= len(s.items[i].Envelope); bytes < 0 {
			break
		}
		found = append(found, s.items[i].Envelope)
		number++
	}
	return found, nil
}
