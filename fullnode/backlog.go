package fullnode

import (
	"context"
	"math"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A backlog is what the feed brought and history does not have sealed yet, block by
// block. The feed's goroutine adds to it, whatever happens to a run: nothing that the
// state took is lost to history because somebody stopped in between. The keeper takes
// from it.
type backlog struct {
	max int // of bytes

	mu      sync.Mutex
	blocks  []*owed // ascending; at most two have no header
	minis   int     // whose bodies have not come
	bytes   int     // of their changes, and of blocks that came whole, about
	changed chan struct{}
}

// An owed is a block that history is to have. Its body, so far as it has come, stays
// here until history has the block for good, so that it can be told again. The
// backlog's lock guards all of it, but opened, which is the keeper's.
type owed struct {
	env    *chain.Env
	minis  []owedMini
	closed bool          // the last of minis is the block's last
	header *chain.Header // nil until the state has the block for good
	lost   bool          // it will not be in history, or is not of the chain any more
	had    bool          // history has it already, or a gap there: there is nothing to tell
	bare   bool          // history keeps headers only
	whole  bool          // it came whole, not by mini-blocks; txs and receipts are complete
	bytes  int           // in memory, about, of a block that came with its header
	// absent: its bodies do not come by mini-blocks. It has none of them, and is to be had
	// whole, once it has its header.
	absent bool
	// changes is the digest of the block's, to verify it by.
	changes common.Hash

	// What the keeper has done.
	opened   bool
	told     int // of minis, to history
	txs      []*chain.Tx
	receipts []*chain.Receipt
}

// An owedMini is a mini-block that history is to have.
type owedMini struct {
	frame   *chain.Frame // without its diff, which is the feed's memory
	digest  common.Hash
	changes *chain.Changes
	bytes   int
	hasBody bool
	firstTx int // of the block's, once it has its body
}

func newBacklog(max int) *backlog { return &backlog{max: max, changed: make(chan struct{})} }

// wake tells who waits that something has changed. The caller has the lock.
func (l *backlog) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// add adds a mini-block to its block, and a block with its first. It keeps changes.
func (l *backlog) add(b *owed, frame *chain.Frame, digest common.Hash, changes *chain.Changes) {
	kept := *frame
	kept.Diff = nil
	m := owedMini{frame: &kept, digest: digest, changes: changes, bytes: changesBytes(changes)}
	l.mu.Lock()
	defer l.mu.Unlock()
	b.closed = frame.Last
	if frame.Index == 0 {
		l.blocks = append(l.blocks, b)
	}
	if b.lost || b.had || b.bare || b.absent {
		return
	}
	b.minis = append(b.minis, m)
	l.minis++
	l.bytes += m.bytes
	l.wake()
}

// seal says that the block has its header, for good.
func (l *backlog) seal(b *owed, h *chain.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.header = h
	l.wake()
}

// sealed reports whether a block has its header.
func (l *backlog) sealed(b *owed) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return b.header != nil
}

// drop gives up the blocks without a header: no header vouches for them.
func (l *backlog) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, b := range l.blocks {
		if b.header == nil {
			for _, b := range l.blocks[i:] {
				l.release(b)
				b.lost = true
			}
			l.blocks = l.blocks[:i]
			break
		}
	}
	l.wake()
}

// skip says that the feed goes on after block h, of which, and of blocks before it,
// nothing came.
func (l *backlog) skip(h *chain.Header) {
	l.append(&owed{env: (&chain.Block{Header: h}).Env(), header: h, closed: true, lost: true})
}

// append adds a block that is sealed.
func (l *backlog) append(b *owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.blocks); n > 0 && b.lost && l.blocks[n-1].lost {
		l.blocks = l.blocks[:n-1] // one gap is as good as many
	}
	if !b.lost {
		b.bytes = blockBytes(b.txs, b.receipts)
		l.bytes += b.bytes
	}
	l.blocks = append(l.blocks, b)
	l.wake()
}

// lose gives up a block.
func (l *backlog) lose(b *owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(b)
	b.lost = true
	l.wake()
}

// miss gives up the mini-blocks of a block: it is absent.
func (l *backlog) miss(b *owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(b)
	b.absent = true
	l.wake()
}

// release forgets what a block has. The caller has the lock.
func (l *backlog) release(b *owed) {
	for i := range b.minis {
		l.arrived(&b.minis[i])
	}
	l.bytes -= b.bytes
	b.bytes = 0
	b.minis, b.txs, b.receipts = nil, nil, nil
}

// arrived takes a mini-block out of those that wait. The caller has the lock.
func (l *backlog) arrived(m *owedMini) {
	if !m.hasBody {
		m.hasBody = true
		l.minis--
		l.bytes -= m.bytes
		l.wake()
	}
}

// done takes away the oldest block, which history has sealed.
func (l *backlog) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(l.blocks[0])
	l.blocks = l.blocks[1:]
	l.wake()
}

// room returns when there is room for more, or ctx has ended. A mini-block that has its
// body does not count: it waits for nothing but a header, which the feed has yet to bring.
// A block that came whole counts until history has it: the layer brings them faster.
func (l *backlog) room(ctx context.Context) {
	for {
		l.mu.Lock()
		full, changed := l.bytes > l.max, l.changed
		l.mu.Unlock()
		if !full {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// waiting are the mini-blocks that wait for their bodies, and their bytes.
func (l *backlog) waiting() (minis, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.minis, l.bytes
}

// full reports whether the feed waits, or is about to.
func (l *backlog) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes > l.max
}

// changesBytes is about what changes take in memory.
func changesBytes(c *chain.Changes) int {
	const overhead, account, slot = 1024, 256, 128
	n := overhead + len(c.Accounts)*account
	for i := range c.Accounts {
		n += len(c.Accounts[i].Slots) * slot
	}
	for i := range c.Codes {
		n += len(c.Codes[i].Bytes)
	}
	return n
}

// blockBytes is about what a block takes in memory that waits for history.
func blockBytes(txs []*chain.Tx, receipts []*chain.Receipt) int {
	const overhead, tx, receipt, entry = 1024, 256, 256, 128
	n := overhead + len(txs)*tx + len(receipts)*receipt
	for _, t := range txs {
		n += len(t.Raw())
	}
	for _, r := range receipts {
		for i := range r.Logs {
			n += entry + len(r.Logs[i].Data)
		}
	}
	return n
}

// A task is what the keeper does next: to tell a mini-block, or else to seal the
// block with its header.
type task struct {
	block  *owed
	mini   owedMini
	header *chain.Header
}

// next waits for a task, until ctx ends. It is of no block when the feed waits for bodies
// and cannot bring the header that an absent block waits for.
func (l *backlog) next(ctx context.Context) (task, error) {
	for {
		full := l.full() // before peek: what the feed brings in between is a task, not a reason to give up
		t, ok, changed := l.peek()
		if err := ctx.Err(); ok || err != nil {
			return t, err
		}
		if full && len(l.unable()) > 0 {
			return task{}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return task{}, ctx.Err()
		}
	}
}

// peek is the task that next would return now, if there is one, and a channel that
// closes when something has changed.
func (l *backlog) peek() (t task, ok bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok = l.task()
	return t, ok, l.changed
}

// advance says that history has the block's next mini-block.
func (l *backlog) advance(b *owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.told++
}

// task is the oldest thing to be done now, if there is one. The feed has a third block
// only after the first's header; so a block after one that is lost, which is opened
// behind a gap, comes when all before are sealed. The caller has the lock.
func (l *backlog) task() (task, bool) {
	for len(l.blocks) > 0 && l.blocks[0].lost {
		l.blocks = l.blocks[1:]
	}
	for i, b := range l.blocks {
		switch {
		case b.told < len(b.minis):
			return task{block: b, mini: b.minis[b.told]}, true
		case i == 0 && b.header != nil:
			return task{block: b, header: b.header}, true
		case !b.closed || b.absent: // the blocks after it are told after it
			return task{}, false
		}
	}
	return task{}, false
}

// rewind begins all blocks anew.
func (l *backlog) rewind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		b.opened, b.told = false, 0
	}
}

// attach gives the block's next mini-block its body, if the block is still there.
func (l *backlog) attach(b *owed, body *chain.MiniBody) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.lost {
		return
	}
	m := &b.minis[b.told]
	m.firstTx = len(b.txs)
	b.txs = append(b.txs, body.Txs...)
	b.receipts = append(b.receipts, body.Receipts...)
	l.arrived(m)
}

// body is what has come of the block's body. It reports whether the block is still
// there.
func (l *backlog) body(b *owed) (txs []*chain.Tx, receipts []*chain.Receipt, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return b.txs, b.receipts, !b.lost
}

// lookUp is the digest of a mini-block that is not lost, and what the newest mini-block
// is. All of a lost block is known.
func (l *backlog) lookUp(id MiniID) (digest common.Hash, known bool, newest MiniID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		if b.env.Number == id.Number && int(id.Index) < len(b.minis) {
			digest, known = b.minis[id.Index].digest, true
		}
		newest = MiniID{b.env.Number, uint32(len(b.minis)) - 1}
		if b.lost {
			newest.Index = math.MaxUint32
		}
	}
	return digest, known, newest
}

// beyond reports that a block is here, and is to be told, and is closed, and has no such
// mini-block: whoever sends a body for it is wrong.
func (l *backlog) beyond(id MiniID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		if b.env.Number == id.Number {
			return b.closed && !b.lost && !b.had && !b.bare && !b.whole && int(id.Index) >= len(b.minis)
		}
	}
	return false
}

// unable are the blocks that cannot be told as far as they should be, for want of
// bodies.
func (l *backlog) unable() (out []*owed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.blocks {
		if !b.lost && len(b.minis) > 0 && !b.minis[len(b.minis)-1].hasBody {
			out = append(out, b)
		}
	}
	return out
}
