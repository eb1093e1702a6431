package trie

import (
	"hash"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto/keccak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// A hasher encodes nodes and hashes them. It is for one goroutine; get one from
// hashers and put it back.
type hasher struct {
	keccak interface {
		hash.Hash
		Read([]byte) (int, error)
	}
	node []byte // the node under construction
	item []byte // a part of it
	sum  common.Hash
	// nibbles is room for a path, for whoever has the hasher.
	nibbles [pathSize]byte
	// sums counts the hashes since others were last let run.
	sums int
}

// sumsAtOnce is how many hashes are computed before others of the process get to run:
// some 50 microseconds. Go takes the processor from a goroutine only after 10 ms, and
// what hashes a whole block must not hold up for so long who answers clients.
const sumsAtOnce = 64

var hashers = sync.Pool{New: func() any {
	h := &hasher{node: make([]byte, 0, 1024), item: make([]byte, 0, 256)}
	h.keccak = keccak.NewLegacyKeccak256().(interface {
		hash.Hash
		Read([]byte) (int, error)
	})
	return h
}}

func (h *hasher) hash(b []byte) common.Hash {
	if h.sums++; h.sums == sumsAtOnce {
		h.sums = 0
		runtime.Gosched()
	}
	h.keccak.Reset()
	h.keccak.Write(b)
	h.keccak.Read(h.sum[:])
	return h.sum
}

// path appends the path of the hash of key, an address or a slot's number.
func (h *hasher) path(dst, key []byte) []byte {
	sum := h.hash(append(h.item[:0], key...))
	return appendPath(dst, sum[:])
}

// root makes everything below n clean and returns the root of the trie n: the
// hash of the top node, whatever its length.
func (h *hasher) root(n node) common.Hash {
	if n == nil {
		return chain.EmptyRoot
	}
	if b, ok := n.(*branch); ok && b.dirty() && crowded(b) {
		h.parallel(b)
	}
	h.clean(n)
	r := n.ref()
	if r.hashed() {
		return r.bytes
	}
	return h.hash(append(h.item[:0], r.bytes[:r.size]...))
}

// crowdedMin is the number of dirty nodes two levels below a branch from which
// on goroutines pay: 64 paths of some 3 hashes each take 100 microseconds.
const crowdedMin = 64

// crowded tells whether enough of the trie below b is dirty to share the work.
func crowded(b *branch) bool {
	n := 0
	for _, child := range b.children {
		c, ok := child.(*branch)
		if !ok || !c.dirty() {
			continue
		}
		for _, below := range c.children {
			if below != nil && below.ref().dirty() {
				n++
			}
		}
	}
	return n >= crowdedMin && runtime.GOMAXPROCS(0) > 1
}

// parallel makes the children of b clean, in as many goroutines as there are
// processors: more would be in the way of others. Dirty nodes have one parent, so they
// share nothing.
func (h *hasher) parallel(b *branch) {
	var (
		wait sync.WaitGroup
		next atomic.Int32
	)
	for range min(runtime.GOMAXPROCS(0), terminator) {
		wait.Go(func() {
			h := hashers.Get().(*hasher)
			defer hashers.Put(h)
			for i := next.Add(1) - 1; i < terminator; i = next.Add(1) - 1 {
				if child := b.children[i]; child != nil && child.ref().dirty() {
					h.clean(child)
				}
			}
		})
	}
	wait.Wait()
}

// clean computes the references of n and of everything below it that is dirty.
func (h *hasher) clean(n node) {
	r := n.ref()
	if !r.dirty() {
		return
	}
	switch n := n.(type) {
	case *branch:
		for _, child := range n.children[:terminator] {
			if child != nil {
				h.clean(child)
			}
		}
	case *extension:
		h.clean(n.child)
	case *leaf:
		if n.account != nil {
			h.root(n.account.storage)
		}
	}
	if enc := h.encode(n); len(enc) < len(r.bytes) {
		r.size = uint8(copy(r.bytes[:], enc))
	} else {
		*r = hashReference(h.hash(enc))
	}
}

// headerMax is the room for a list header in front of a node.
const headerMax = 9

// encode returns the RLP of n, whose children must be clean. It is valid until
// the next call of a method of h.
func (h *hasher) encode(n node) []byte {
	buf := append(h.node[:0], make([]byte, headerMax)...)
	switch n := n.(type) {
	case *branch:
		for _, child := range n.children[:terminator] {
			buf = appendReference(buf, child)
		}
		if l, ok := n.children[terminator].(*leaf); ok {
			buf = rlp.AppendBytes(buf, l.value)
		} else {
			buf = append(buf, emptyString)
		}
	case *extension:
		h.item = appendCompact(h.item[:0], n.path)
		buf = appendReference(rlp.AppendBytes(buf, h.item), n.child)
	case *leaf:
		h.item = appendCompact(h.item[:0], n.path)
		buf = rlp.AppendBytes(buf, h.item)
		if n.account == nil {
			buf = rlp.AppendBytes(buf, n.value)
		} else {
			h.item = n.account.append(h.item[:0])
			buf = rlp.AppendBytes(buf, h.item)
		}
	}
	h.node = buf
	return prependList(buf)
}

const emptyString = 0x80 // the RLP of no bytes

func appendReference(dst []byte, n node) []byte {
	if n == nil {
		return append(dst, emptyString)
	}
	r := n.ref()
	if r.hashed() {
		dst = append(dst, emptyString+32)
	}
	return append(dst, r.bytes[:r.size]...)
}

// prependList writes the list header of the payload buf[headerMax:] directly in
// front of it, so that the payload need not move, and returns the list.
func prependList(buf []byte) []byte {
	size := len(buf) - headerMax
	if size < 56 {
		buf[headerMax-1] = 0xc0 + byte(size)
		return buf[headerMax-1:]
	}
	at := headerMax
	for rest := size; rest > 0; rest >>= 8 {
		at--
		buf[at] = byte(rest)
	}
	buf[at-1] = 0xf7 + byte(headerMax-at)
	return buf[at-1:]
}
