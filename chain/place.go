package chain

import (
	"cmp"
	"math"
	"strconv"
)

// HeaderIndex is the Index of a Place that is a block's header: after all
// mini-blocks of the block, before those of the next.
const HeaderIndex = math.MaxUint32

// A Place is a point of the stream of frames and headers, by what is there and not
// by any transport's numbers: a mini-block, or with HeaderIndex a block's header.
// To go on from a Place is to want it and all that compares as later. The zero
// Place is before everything.
type Place struct {
	Number uint64 // of the block
	Index  uint32 // of the mini-block in the block, or HeaderIndex
}

// HeaderPlace is the place of the header of block number.
func HeaderPlace(number uint64) Place { return Place{number, HeaderIndex} }

// Place is where the frame is in the stream.
func (f *Frame) Place() Place { return Place{f.Number, f.Index} }

// IsHeader reports whether p is a block's header.
func (p Place) IsHeader() bool { return p.Index == HeaderIndex }

// Compare is negative if p is before other, positive if after, and 0 if they are
// the same. A stream may carry header N later than this order says, among the
// mini-blocks of N+1; see the Last of Frame.
func (p Place) Compare(other Place) int {
	if c := cmp.Compare(p.Number, other.Number); c != 0 {
		return c
	}
	return cmp.Compare(p.Index, other.Index)
}

// Before reports whether p is before other.
func (p Place) Before(other Place) bool { return p.Compare(other) < 0 }

// String is "12/3" for mini-block 3 of block 12 and "12/header" for its header.
func (p Place) String() string {
	number := strconv.FormatUint(p.Number, 10)
	if p.IsHeader() {
		return number + "/header"
	}
	return number + "/" + strconv.FormatUint(uint64(p.Index), 10)
}
