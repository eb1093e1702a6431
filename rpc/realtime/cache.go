package realtime

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/fullnode/history"
)

// A cache keeps what events look like as JSON, so that the first subscriber who
// needs it writes it and the others send the same bytes. It may be used
// concurrently.
//
// When it is full the event with the lowest sequence goes, not the one that was
// asked for longest ago: all who keep up read the newest events within moments of
// each other, and one who resumes far back must not drive these out.
type cache struct {
	limit int // bytes, about

	mu      sync.Mutex
	size    int
	entries []*encoding // by seq, ascending
}

// A key names what is encoded. The digest (of a block: the hash) is part of it,
// because after dropped mini-blocks others come with the same sequence.
type key struct {
	kind   kind
	digest common.Hash
}

type kind uint8

const (
	kindHead kind = iota
	kindMini
	kindState
	kindLog
	kindSealedLog
	kindTx        // with its place
	kindPendingTx // without
)

// An encoding is an event in one kind: one notification or more.
type encoding struct {
	key   key
	seq   history.Seq
	cache *cache
	size  int // bytes; guarded by the cache's mu
	gone  bool
	items []item
}

type item struct {
	once sync.Once
	text json.RawMessage
	err  error
}

// itemBytes is about what an item takes before it has a text.
const itemBytes = 64

// get returns the encoding under k, which has n items; it is made if it is not
// there. An encoding stays valid for those who have it when the cache drops it.
func (c *cache) get(k key, seq history.Seq, n int) *encoding {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, _ := slices.BinarySearchFunc(c.entries, seq, func(e *encoding, seq history.Seq) int {
		if e.seq < seq {
			return -1
		}
		return 1 // also when equal: the first of them
	})
	for i := at; i < len(c.entries) && c.entries[i].seq == seq; i++ {
		if c.entries[i].key == k {
			return c.entries[i]
		}
	}
	e := &encoding{key: k, seq: seq, cache: c, items: make([]item, n)}
	c.entries = slices.Insert(c.entries, at, e)
	c.grow(e, n*itemBytes)
	return e
}

// grow counts n more bytes of e, and makes room. The caller has the lock.
func (c *cache) grow(e *encoding, n int) {
	if e.gone {
		return
	}
	e.size += n
	c.size += n
	drop := 0
	for c.size > c.limit && drop < len(c.entries)-1 {
		old := c.entries[drop]
		c.size -= old.size
		old.gone = true
		drop++
	}
	c.entries = slices.Delete(c.entries, 0, drop)
}

// item is notification i of the event, which write makes if nobody did before.
func (e *encoding) item(i int, write func() (json.RawMessage, error)) (json.RawMessage, error) {
	it := &e.items[i]
	it.once.Do(func() {
		it.text, it.err = write()
		e.cache.mu.Lock()
		defer e.cache.mu.Unlock()
		e.cache.grow(e, cap(it.text))
	})
	return it.text, it.err
}
