package history

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A Seq names a mini-block's place in the feed: block number << 24 | index in the
// block. It grows, is the same at every node and after every restart, and a float64
// holds it exactly for the first 2^29 blocks.
type Seq uint64

// SeqOf is the Seq of a mini-block.
func SeqOf(number uint64, index uint32) Seq { return Seq(number<<24 | uint64(index)) }

// An Event is something new: a mini-block, or the header of a block that was sealed.
type Event struct {
	Mini   *Mini  // or nil
	Sealed *Block // or nil
}

// A Mini is a mini-block as subscribers see it. It is read only.
type Mini struct {
	Seq       Seq
	Number    uint64
	Index     uint32
	Digest    common.Hash // of its frame
	Parent    common.Hash // digest of the frame before
	Env       *chain.Env
	FirstTx   uint32 // index in the block of Txs[0]
	FirstLog  uint32 // index in the block of the first log
	GasBefore uint64 // used in the block before it
	GasUsed   uint64 // used in it
	Last      bool   // of its block
	Txs       []*chain.Tx
	Receipts  []*chain.Receipt
	Changes   *chain.Changes // may be nil
}

// bytes is about what the feed keeps alive by keeping the mini-block.
func (m *Mini) bytes() int {
	n := blockOverhead
	for i, tx := range m.Txs {
		n += txBytes(tx) + receiptBytes(m.Receipts[i])
	}
	if m.Changes != nil {
		n += changesBytes(m.Changes)
	}
	return n
}

func changesBytes(c *chain.Changes) int {
	const account, slot = 256, 128
	n := len(c.Accounts) * account
	for i := range c.Accounts {
		n += len(c.Accounts[i].Slots) * slot
	}
	for i := range c.Codes {
		n += len(c.Codes[i].Bytes)
	}
	return n
}

// A feed is the newest events, each with a place of its own in the order of all. The
// writer puts them in and never waits: subscribers come and read.
//
// Readers that are at the end sleep on a channel, and closing a channel wakes them
// one by one, which takes 10 ms where there are 50,000. So the writer only pokes a
// goroutine of the feed's, which wakes them.
type feed struct {
	most  int           // bytes
	poked chan struct{} // an event came
	done  chan struct{} // closed when the goroutine has ended

	mu      sync.RWMutex
	entries []entry // ascending; the first is at place first
	first   uint64
	bytes   int
	drops   []drop // the marks in entries that blocks were dropped
	doubted Seq    // who resumes up to here may have seen what was dropped by a mark that is not kept
	past    uint64 // the newest block that is sealed: none of its mini-blocks will come
	seen    bool   // a mini-block came
	newest  Seq    // of those that came
	closed  bool
	more    chan struct{} // closed when entries came after it was made
}

// An entry is an event in the feed, or the mark that blocks were dropped, or that there
// is a gap.
type entry struct {
	event   Event
	dropped bool
	gap     bool
	from    uint64 // the first block dropped, or after the gap
	bytes   int
}

// markBytes is about what a mark takes.
const markBytes = 256

// A drop is a mark that blocks were dropped.
type drop struct {
	place  uint64
	from   uint64 // the first block dropped
	newest Seq    // of the mini-blocks dropped
}

func newFeed(most int, past uint64) *feed {
	f := &feed{most: most, past: past, poked: make(chan struct{}, 1), done: make(chan struct{}), more: make(chan struct{})}
	go f.wake()
	return f
}

// wake tells sleepers of new entries, until the feed is closed.
func (f *feed) wake() {
	defer close(f.done)
	for range f.poked {
		f.mu.Lock()
		sleepers := f.more
		f.more = make(chan struct{})
		f.mu.Unlock()
		close(sleepers)
	}
	close(f.more)
}

// post adds an entry, and lets go of the oldest ones that exceed the bound.
func (f *feed) post(e entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.note(&e)
	if e.dropped || e.gap {
		e.bytes = markBytes
	}
	f.entries = append(f.entries, e)
	f.bytes += e.bytes
	drop := 0
	for f.bytes > f.most && drop < len(f.entries)-1 {
		f.bytes -= f.entries[drop].bytes
		drop++
	}
	if drop > 0 {
		clear(f.entries[:drop])
		f.entries = f.entries[drop:] // append moves to a new array when this one is used up
		f.first += uint64(drop)
		for len(f.drops) > 0 && f.drops[0].place < f.first {
			f.doubted = max(f.doubted, f.drops[0].newest+1)
			f.drops = f.drops[1:]
		}
	}
	select {
	case f.poked <- struct{}{}:
	default: // the goroutine is about to look anyway
	}
}

// note keeps up with what came.
func (f *feed) note(e *entry) {
	switch {
	case e.dropped:
		f.drops = append(f.drops, drop{f.end(), e.from, f.newest})
		f.newest = min(f.newest, SeqOf(e.from, 0)-1)
		f.past = min(f.past, e.from-1)
	case e.event.Mini != nil:
		f.newest, f.seen = e.event.Mini.Seq, true
	case e.event.Sealed != nil:
		f.past = e.event.Sealed.Number()
	}
}

// skip says that the next block is after a gap. Who has subscribed before anything came
// misses nothing by it.
func (f *feed) skip(next uint64) {
	f.mu.Lock()
	f.past = max(f.past, next-1)
	seen := f.seen
	f.mu.Unlock()
	if seen {
		f.post(entry{gap: true, from: next})
	}
}

func (f *feed) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	close(f.poked)
	<-f.done
}

// size is how many entries are kept, and about how many bytes.
func (f *feed) size() (entries, bytes int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.entries), f.bytes
}

// oldest is the Seq of the oldest mini-block that is kept and not doubted, or is to come.
// The caller has the lock.
func (f *feed) oldest() Seq {
	for i := range f.entries {
		switch e := &f.entries[i]; {
		case e.event.Mini != nil:
			return max(e.event.Mini.Seq, f.doubted+1)
		case e.gap:
			return max(SeqOf(e.from, 0), f.doubted+1)
		}
	}
	return 0
}

// at is the place from which a reader gets everything from mini-block seq on, or
// false if some of it is not kept. Who may have seen what was dropped before seq begins
// at the mark that says so, and gets again what came instead; without the mark nobody
// can tell, and it is as if seq were not kept. The caller has the lock.
func (f *feed) at(seq Seq) (place uint64, ok bool) {
	if seq <= f.doubted {
		return 0, false
	}
	place, ok = f.next(seq)
	for _, d := range f.drops {
		if ok && d.place < place && SeqOf(d.from, 0) < seq && seq <= d.newest+1 {
			return d.place, true
		}
	}
	return place, ok
}

// next is the place of mini-block seq, or after the newest of those before it. The
// caller has the lock.
func (f *feed) next(seq Seq) (place uint64, ok bool) {
	for i := len(f.entries) - 1; i >= 0; i-- {
		switch m := f.entries[i].event.Mini; {
		case f.entries[i].gap && seq == SeqOf(f.entries[i].from, 0):
			return f.first + uint64(i) + 1, true
		case m == nil:
		case m.Seq == seq:
			return f.first + uint64(i), true
		case m.Seq < seq: // there is none with this number (yet): seq is after the block's last
			return f.first + uint64(i) + 1, true
		}
	}
	return f.end(), !f.came(seq)
}

// came reports whether mini-block seq, or one after it, came before now. The caller
// has the lock.
func (f *feed) came(seq Seq) bool { return uint64(seq)>>24 <= f.past || f.seen && seq <= f.newest }

// A Subscription reads the feed. It is for one goroutine. Subscribers cost the
// writer nothing: one that is slow falls behind, and out of what is kept.
type Subscription struct {
	feed *feed
	next uint64 // place of the next event
}

// Subscribe reads the feed from now on.
func (s *Store) Subscribe() *Subscription {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	return &Subscription{s.feed, s.feed.end()}
}

func (f *feed) end() uint64 { return f.first + uint64(len(f.entries)) }

// SubscribeFrom reads it from the mini-block seq on, or from the next if it has not
// come yet. One that is not kept in memory any more is a LagError, which does not know
// how many events that misses.
func (s *Store) SubscribeFrom(seq Seq) (*Subscription, error) {
	s.feed.mu.RLock()
	defer s.feed.mu.RUnlock()
	place, ok := s.feed.at(seq)
	if !ok {
		return nil, &LagError{Oldest: s.feed.oldest()}
	}
	return &Subscription{s.feed, place}, nil
}

// Next waits for the next event. When the subscriber fell so far behind that it is
// gone, the error is a LagError, once: the call after it goes on with the oldest
// event that is kept; so where the blocks have a gap, and the call after it goes on
// behind the gap. When the writer dropped blocks (see Drop) it is a
// DroppedError, once. After Close of the store, and what was kept then, it matches
// chain.ErrClosed.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		e, sleep, err := s.take()
		if sleep == nil {
			return e.event, err
		}
		select {
		case <-sleep:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// take is the next entry, or a channel to wait on until there is one.
func (s *Subscription) take() (e entry, sleep chan struct{}, err error) {
	f := s.feed
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch {
	case s.next < f.first:
		err = &LagError{Missed: f.first - s.next, Oldest: f.oldest()}
		s.next = f.first
	case s.next < f.end():
		e = f.entries[s.next-f.first]
		s.next++
		switch {
		case e.gap:
			err = &LagError{Oldest: SeqOf(e.from, 0)}
		case e.dropped:
			err = &DroppedError{First: e.from}
		}
	case f.closed:
		err = chain.ErrClosed
	default:
		sleep = f.more
	}
	return e, sleep, err
}
