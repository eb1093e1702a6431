package gossip

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/envelope"
)

// arrivals are what is said any number of times about a block: attestations, and where
// snapshots are. Each signer of envelopes has a share of its own, so that none pushes out
// what others say, whatever blocks it invents. In a share, the words about the highest
// blocks are kept, not those that came last: an old one that somebody sends again pushes
// out nothing. The caller of the methods holds the shelf's lock.
type arrivals struct {
	most, mostBytes int // of a share
	signers         int // how many may have a share

	items  []*arrival // in the order in which they came
	blocks []*arrival // the same, ascending by block, and then as they came
	next   uint64     // number of the next to come
	gone   uint64     // number after the newest that was dropped
	shares map[common.Address]*share
	seen   map[common.Hash]bool // contents of items
	said   map[speech]int       // how many of items are by whom about what
}

type arrival struct {
	envelope.Opened
	number  uint64
	speaker common.Address // whose word it is: he need not be who signed the envelope
}

func (a *arrival) speech() speech { return speech{a.speaker, a.Place.Number} }

// compareBlocks orders by block, and then as they came.
func compareBlocks(x, y *arrival) int {
	return cmp.Or(cmp.Compare(x.Place.Number, y.Place.Number), cmp.Compare(x.number, y.number))
}

func (a *arrival) weight() int { return len(a.Envelope) + messageOverhead }

// A speech is all that somebody says about one block.
type speech struct {
	speaker common.Address
	number  uint64
}

// speechMax is how often somebody may speak about one block: an honest one does once, or
// once for each program that checks. Otherwise he could fill a share that is not his own:
// the sequencer's, in whose envelopes the words of provers travel.
const speechMax = 4

// A share is what one signer said.
type share struct {
	items []*arrival // ascending by block, and then as they came
	bytes int
	floor uint64 // of blocks before this one nothing is taken any more
}

func newArrivals(most, bytes, signers int) arrivals {
	return arrivals{
		most: most, mostBytes: bytes, signers: signers,
		shares: make(map[common.Address]*share), seen: make(map[common.Hash]bool), said: make(map[speech]int),
	}
}

// has is the verdict about what need not be opened. Who signed that is not known yet.
func (a *arrivals) has(h *envelope.Header) Verdict {
	if a.seen[h.Content] {
		return Have
	}
	if len(a.shares) < a.signers {
		return Taken
	}
	for _, s := range a.shares {
		if h.Place.Number >= s.floor {
			return Taken
		}
	}
	return Old
}

// add takes a word of speaker's.
func (a *arrivals) add(o envelope.Opened, speaker common.Address) Verdict {
	if v := a.has(&o.Header); v != Taken {
		return v
	}
	s := a.shares[o.Signer]
	if s == nil {
		s = new(share)
		a.shares[o.Signer] = s
	}
	one := &arrival{Opened: o, number: a.next, speaker: speaker}
	switch {
	case a.said[one.speech()] == speechMax:
		return Unfit
	case o.Place.Number < s.floor:
		return Old
	case a.full(s, one.weight()) && o.Place.Number <= s.items[0].Place.Number:
		s.floor = o.Place.Number + 1 // there is no room for what is so old
		return Old
	}
	for a.full(s, one.weight()) {
		a.drop(s)
	}
	a.next++
	a.items = append(a.items, one)
	i, _ := slices.BinarySearchFunc(a.blocks, one, compareBlocks)
	a.blocks = slices.Insert(a.blocks, i, one)
	a.seen[o.Content] = true
	a.said[one.speech()]++
	i, _ = slices.BinarySearchFunc(s.items, one, compareBlocks)
	s.items = slices.Insert(s.items, i, one)
	s.bytes += one.weight()
	return Taken
}

// full reports whether something must go before a word of that weight comes.
func (a *arrivals) full(s *share, weight int) bool {
	return len(s.items) > 0 && (len(s.items) == a.most || s.bytes+weight > a.mostBytes)
}

// drop drops what is about the lowest block.
func (a *arrivals) drop(s *share) {
	one := s.items[0]
	s.floor = one.Place.Number + 1
	a.gone = max(a.gone, one.number+1)
	a.remove(s, 0)
}

// remove takes item i of a share out of everything.
func (a *arrivals) remove(s *share, i int) {
	one := s.items[i]
	s.items = slices.Delete(s.items, i, i+1)
	s.bytes -= one.weight()
	j := a.search(one.number)
	a.items = slices.Delete(a.items, j, j+1)
	j, _ = slices.BinarySearchFunc(a.blocks, one, compareBlocks)
	a.blocks = slices.Delete(a.blocks, j, j+1)
	delete(a.seen, one.Content)
	if a.said[one.speech()]--; a.said[one.speech()] == 0 {
		delete(a.said, one.speech())
	}
}

// search is the index of the first item that has this number, or a higher one.
func (a *arrivals) search(number uint64) int {
	i, _ := slices.BinarySearchFunc(a.items, number, func(one *arrival, n uint64) int { return cmp.Compare(one.number, n) })
	return i
}

// newest is the one about the highest block, the last of those; nil if there is none.
func (a *arrivals) newest() *envelope.Opened {
	if len(a.blocks) == 0 {
		return nil
	}
	return &a.blocks[len(a.blocks)-1].Opened
}

// tail is what there is about blocks from number on, ascending by block.
func (a *arrivals) tail(number uint64) []*arrival {
	i, _ := slices.BinarySearchFunc(a.blocks, number, func(one *arrival, n uint64) int { return cmp.Compare(one.Place.Number, n) })
	return a.blocks[i:]
}

// since is the envelopes about blocks from number on, those about the lowest first. It
// costs no more than what it finds: any peer may ask for anything.
func (a *arrivals) since(number uint64, most, bytes int) (found [][]byte) {
	for _, one := range a.tail(number) {
		if bytes -= len(one.Envelope); bytes < 0 || len(found) == most {
			break
		}
		found = append(found, one.Envelope)
	}
	return found
}

// recent is the envelopes about the highest blocks, of each signer as many as of any
// other, in the order in which they came.
func (a *arrivals) recent(most, bytes int) (found [][]byte) {
	var list []*arrival
	for depth, deeper := 1, true; deeper; depth++ {
		deeper = false
		for _, s := range a.shares {
			i := len(s.items) - depth
			if i < 0 {
				continue
			}
			if bytes -= len(s.items[i].Envelope); bytes < 0 || len(list) == most {
				deeper = false
				break
			}
			list, deeper = append(list, s.items[i]), true
		}
	}
	slices.SortFunc(list, func(x, y *arrival) int { return cmp.Compare(x.number, y.number) })
	for _, one := range list {
		found = append(found, one.Envelope)
	}
	return found
}

// fence drops what was said under an earlier term about block number and those after it.
func (a *arrivals) fence(number, term uint64) {
	for _, s := range a.shares {
		for i := len(s.items) - 1; i >= 0 && s.items[i].Place.Number >= number; i-- {
			if s.items[i].Term < term {
				a.remove(s, i)
			}
		}
	}
}
