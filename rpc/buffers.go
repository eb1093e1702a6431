package rpc

import "sync"

// recycledBytes is the size from which the buffer of a body is used again: the pages
// of larger ones, and their collection, cost more than what is done with them when
// somebody sends nothing but large bodies.
const recycledBytes = 64 << 10

// buffers are those of bodies that are over, by size. The sizes are few: see grow.
var buffers sync.Map // of *sync.Pool of *[]byte, by capacity

// newBuffer is an empty buffer for size bytes.
func newBuffer(size int) []byte {
	if pool, ok := buffers.Load(size); ok {
		if b, ok := pool.(*sync.Pool).Get().(*[]byte); ok {
			return *b
		}
	}
	return make([]byte, 0, size)
}

// recycle takes a buffer that nothing refers to any more.
func recycle(b []byte) {
	if cap(b) < recycledBytes {
		return
	}
	b = b[:0]
	pool, _ := buffers.LoadOrStore(cap(b), new(sync.Pool))
	pool.(*sync.Pool).Put(&b)
}
