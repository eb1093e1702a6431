package gossip

import (
	"cmp"
	"iter"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/envelope"
)

// arrivals are what is said any number of times about a block: attestations, and where
// snapshots are. Each speaker has a share of its own in what a signer of envelopes signed,
// so that none pushes out what others say, whatever blocks it invents; and the words of
// many, which travel in the envelopes of one, reach as far back as those of a few. In a
// share, the words about the highest blocks are kept, not those that came last: an old one
// that somebody sends again pushes out nothing. The caller of the methods holds the shelf's
// lock.
type arrivals struct {
	most      int // of a share
	mostBytes int // of all that one signer signed
	signers   int // how many may sign

	items  []*arrival // in the order in which they came
	blocks []*arrival // the same, ascending by block, and then as they came
	next   uint64     // number of the next to come
	signed map[common.Address]*signed
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
// once for each program that checks. Otherwise he could fill the share of those that have
// none of their own.
const speechMax = 4

// signed is what one signer signed, of so many bytes.
type signed struct {
	shares map[common.Address]*share // by speaker; the zero address: of all others
	bytes  int
}

// speakersMax is how many speakers have a share of their own in what one signer signed:
// provers are a few, but a signer can invent some.
const speakersMax = 256

// A share is what one speaker said.
type share struct {
	items []*arrival // ascending by block, and then as they came
	bytes int
	floor uint64 // of blocks before this one nothing is taken any more
}

func newArrivals(most, bytes, signers int) arrivals {
	return arrivals{
		most: most, mostBytes: bytes, signers: signers,
		signed: make(map[common.Address]*signed), seen: make(map[common.Hash]bool), said: make(map[speech]int),
	}
}

// has is the verdict about what need not be opened. Who signed that is not known yet.
func (a *arrivals) has(h *envelope.Header) Verdict {
	if a.seen[h.Content] {
		return Have
	}
	if len(a.signed) < a.signers {
		return Taken
	}
	for s := range a.shares() {
		if h.Place.Number >= s.floor {
			return Taken
		}
	}
	return Old
}

// shares are those of everybody, in no order.
func (a *arrivals) shares() iter.Seq2[*share, *signed] {
	return func(yield func(*share, *signed) bool) {
		for _, by := range a.signed {
			for _, s := range by.shares {
				if !yield(s, by) {
					return
				}
			}
		}
	}
}

// shareOf is where words of speaker's go that signer signed.
func (a *arrivals) shareOf(signer, speaker common.Address) (*share, *signed) {
	by := a.signed[signer]
	if by == nil {
		by = &signed{shares: make(map[common.Address]*share)}
		a.signed[signer] = by
	}
	if by.shares[speaker] == nil && len(by.shares) >= speakersMax {
		speaker = common.Address{}
	}
	if by.shares[speaker] == nil {
		by.shares[speaker] = new(share)
	}
	return by.shares[speaker], by
}

// add takes a word of speaker's.
func (a *arrivals) add(o envelope.Opened, speaker common.Address) Verdict {
	if v := a.has(&o.Header); v != Taken {
		return v
	}
	s, by := a.shareOf(o.Signer, speaker)
	one := &arrival{Opened: o, number: a.next, speaker: speaker}
	switch {
	case a.said[one.speech()] == speechMax:
		return Unfit
	case o.Place.Number < s.floor:
		return Old
	}
	for full := a.full(s, by, one.weight()); full != nil; full = a.full(s, by, one.weight()) {
		if full == s && o.Place.Number <= s.items[0].Place.Number {
			s.floor = o.Place.Number + 1 // there is no room for what is so old
			return Old
		}
		a.drop(full, by)
	}
	a.insert(one, s, by)
	return Taken
}

// full is the share in which something must go before a word of that weight comes into s:
// s itself, or the largest if all that was signed is too much; nil if there is room.
func (a *arrivals) full(s *share, by *signed, weight int) *share {
	if len(s.items) == a.most {
		return s
	}
	if by.bytes == 0 || by.bytes+weight <= a.mostBytes {
		return nil
	}
	largest := s
	for _, other := range by.shares {
		if other.bytes > largest.bytes {
			largest = other
		}
	}
	return largest
}

// drop drops what is about the lowest block.
func (a *arrivals) drop(s *share, by *signed) {
	s.floor = s.items[0].Place.Number + 1
	a.remove(0, s, by)
}

// insert puts the next word everywhere.
func (a *arrivals) insert(one *arrival, s *share, by *signed) {
	a.next++
	a.items = append(a.items, one)
	a.blocks = insertByBlock(a.blocks, one)
	s.items = insertByBlock(s.items, one)
	s.bytes += one.weight()
	by.bytes += one.weight()
	a.seen[one.Content] = true
	a.said[one.speech()]++
}

// remove takes item i of a share out of everything.
func (a *arrivals) remove(i int, s *share, by *signed) {
	one := s.items[i]
	s.items = slices.Delete(s.items, i, i+1)
	s.bytes -= one.weight()
	by.bytes -= one.weight()
	j := a.search(one.number)
	a.items = slices.Delete(a.items, j, j+1)
	j, _ = slices.BinarySearchFunc(a.blocks, one, compareBlocks)
	a.blocks = slices.Delete(a.blocks, j, j+1)
	delete(a.seen, one.Content)
	if a.said[one.speech()]--; a.said[one.speech()] == 0 {
		delete(a.said, one.speech())
	}
}

func insertByBlock(list []*arrival, one *arrival) []*arrival {
	i, _ := slices.BinarySearchFunc(list, one, compareBlocks)
	return slices.Insert(list, i, one)
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

// recent is the envelopes about the highest blocks, of each speaker as many as of any
// other, in the order in which they came.
func (a *arrivals) recent(most, bytes int) (found [][]byte) {
	var list []*arrival
	for depth, deeper := 1, true; deeper; depth++ {
		deeper = false
		for s := range a.shares() {
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
	for s, by := range a.shares() {
		for i := len(s.items) - 1; i >= 0 && s.items[i].Place.Number >= number; i-- {
			if s.items[i].Term < term {
				a.remove(i, s, by)
			}
		}
	}
}
