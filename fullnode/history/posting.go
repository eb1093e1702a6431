package history

import (
	"cmp"
	"encoding/binary"
	"errors"

	"github.com/vivace-chain/vivace/chain"
)

// A posting says that something with the hash key stands at a place in the chain: a
// transaction, a block, or an address or topic of a log. Who finds one looks whether
// it is true: keys are short, and blocks are taken back.
type posting struct {
	key   uint64 // keyBits bits of a hash
	block uint64
	index uint32 // of the transaction or log in the block
}

// keyBits is how long keys are. With 2^32 entries in the index, one search of 65,000
// finds something that is not there, and looks at a block in vain; each bit more
// costs an eighth of a byte per posting.
const keyBits = 48

// keyOf is the key of what is a uniform hash already.
func keyOf(hash []byte) uint64 { return binary.BigEndian.Uint64(hash) >> (64 - keyBits) }

func (p posting) compare(q posting) int {
	return cmp.Or(cmp.Compare(p.key, q.key), cmp.Compare(p.block, q.block), cmp.Compare(p.index, q.index))
}

// appendPosting appends p, which comes after prev, in few bytes: in a run the keys
// are dense, and where they are equal the places are. base is a block not above any.
// Before the first of a page is the posting {block: base}.
func appendPosting(dst []byte, base uint64, prev, p posting) []byte {
	dst = binary.AppendUvarint(dst, p.key-prev.key)
	if p.key != prev.key {
		prev.block, prev.index = base, 0
	}
	dst = binary.AppendUvarint(dst, p.block-prev.block)
	if p.block != prev.block {
		prev.index = 0
	}
	return binary.AppendUvarint(dst, uint64(p.index-prev.index))
}

// A page is a sealed piece of a run: postings in ascending order. It begins with
//
//	uvarint  base, a block not above any of the run
//	byte     1 if another page follows in the run, and then its first posting
//
// So a page says up to where it is the one to look in, and its place in the file from
// where on: a search that a damaged tree led astray shows.
type page struct {
	low   posting // the page is about postings from here on
	high  posting // and before here
	last  bool    // high is infinite
	base  uint64
	rest  []byte
	prev  posting // the last one read
	begun bool
}

// appendPage begins a page.
func appendPage(dst []byte, base uint64, last bool, high posting) []byte {
	dst = binary.AppendUvarint(dst, base)
	if last {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.AppendUvarint(dst, high.key)
	dst = binary.AppendUvarint(dst, high.block)
	return binary.AppendUvarint(dst, uint64(high.index))
}

var errPage = errors.New("malformed page")

// readPage reads how a page begins.
func readPage(low posting, src []byte) (page, error) {
	p := page{low: low, rest: src}
	ok := p.uvarint(&p.base) && len(p.rest) > 0 && p.rest[0] <= 1
	if !ok {
		return p, errPage
	}
	p.last, p.rest = p.rest[0] == 0, p.rest[1:]
	if p.last {
		return p, nil
	}
	var index uint64
	if !p.uvarint(&p.high.key) || !p.uvarint(&p.high.block) || !p.uvarint(&index) || index > 1<<32-1 {
		return p, errPage
	}
	p.high.index = uint32(index)
	return p, nil
}

func (p *page) uvarint(v *uint64) bool {
	got, n := binary.Uvarint(p.rest)
	if n <= 0 {
		return false
	}
	*v, p.rest = got, p.rest[n:]
	return true
}

// covers reports whether q, if it is in the run, is in this page.
func (p *page) covers(q posting) bool {
	return p.low.compare(q) <= 0 && (p.last || q.compare(p.high) < 0)
}

// next is the page's next posting; ok is false at its end.
func (p *page) next() (q posting, ok bool, err error) {
	if len(p.rest) == 0 {
		return q, false, nil
	}
	var key, block, index uint64
	if !p.uvarint(&key) || !p.uvarint(&block) || !p.uvarint(&index) {
		return q, false, errPage
	}
	if q = p.prev; key != 0 || !p.begun {
		q = posting{q.key + key, p.base, 0}
	}
	if block != 0 {
		q.block, q.index = q.block+block, 0
	}
	index += uint64(q.index)
	if index > 1<<32-1 || p.begun && key == 0 && block == 0 && uint32(index) == q.index {
		return q, false, errPage
	}
	q.index = uint32(index)
	if !p.covers(q) || p.begun && q.compare(p.prev) <= 0 {
		return q, false, errPage
	}
	p.prev, p.begun = q, true
	return q, true, nil
}

func corrupt(what string, err error) error {
	return &chain.CorruptError{What: what, Offset: -1, Err: err}
}
