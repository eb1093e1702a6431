package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// OpenBlock begins the block of env, which follows the newest known block, sealed or
// not. A block that is known already is not begun anew: a writer that recovers
// repeats itself, and repetitions of what is known, here and in the other methods,
// do nothing; what differs from it matches chain.ErrMismatch, receipts too. A number beyond the
// next is a gap, which stays: its blocks match ErrNotKept. There is no gap behind
// unsealed blocks: that is chain.ErrOutOfStep.
func (s *Store) OpenBlock(env *chain.Env) error {
	if b := s.unsealed(env.Number); b != nil {
		b.repeated = 0
		return sameEnv(b.env, env)
	}
	head := s.Head()
	if env.Number <= head.Number {
		header, err := s.Header(env.Number)
		if errors.Is(err, ErrNotKept) {
			return nil
		}
		if err != nil {
			return err
		}
		return envOfHeader(env, header)
	}
	gap, err := s.begin(env, head)
	if gap {
		s.feed.skip(env.Number)
		s.cfg.Logger.Warn("history has a gap: blocks that did not come are not kept", "first", head.Number+1, "last", env.Number-1)
	}
	return err
}

// begin adds a block that is new. It reports whether blocks are missing before it.
func (s *Store) begin(env *chain.Env, head chain.BlockID) (gap bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, chain.ErrClosed
	}
	b := newMemBlock(env)
	if newest := s.newestUnsealed(); newest != nil {
		if env.Number != newest.env.Number+1 {
			return false, outOfStep(env.Number, "opened when %d is the newest and not sealed", newest.env.Number)
		}
		newest.closed = true
	} else {
		b.gap = env.Number != head.Number+1
	}
	s.mem = append(s.mem, b)
	return b.gap, nil
}

// sameEnv compares a block's environment with the one that it was opened with.
func sameEnv(known, env *chain.Env) error {
	want, _ := known.AppendBinary(nil)
	got, _ := env.AppendBinary(nil)
	if !bytes.Equal(want, got) {
		return mismatch(env.Number, "environment", chain.Keccak256(got), chain.Keccak256(want))
	}
	return nil
}

// envOfHeader compares what a block is opened with to its header.
func envOfHeader(env *chain.Env, h *chain.Header) error {
	known := (&chain.Block{Header: h, Withdrawals: env.Withdrawals, Ommers: env.Ommers}).Env()
	return sameEnv(known, env)
}

// Acknowledge adds transactions to the open block number, with their receipts, of
// which what the transaction and the block imply may be missing (see
// chain.AppendReceipts). From when it returns they are found. It keeps both slices'
// elements.
func (s *Store) Acknowledge(number uint64, txs []*chain.Tx, receipts []*chain.Receipt) error {
	if len(txs) != len(receipts) {
		return outOfStep(number, "%d transactions with %d receipts", len(txs), len(receipts))
	}
	b, err := s.toWrite(number)
	if b == nil || s.cfg.HeadersOnly {
		return err
	}
	known := b.txs[b.repeated:]
	for len(known) > 0 && len(txs) > 0 {
		if got, want := txs[0].Hash(), known[0].Hash(); got != want {
			return mismatch(number, "transaction", got, want)
		}
		if err := sameReceipt(number, b.receipts[b.repeated], receipts[0]); err != nil {
			return err
		}
		known, txs, receipts = known[1:], txs[1:], receipts[1:]
		b.repeated++
	}
	if len(txs) == 0 {
		return nil
	}
	if b.closed {
		return outOfStep(number, "%d transactions after its end", len(txs))
	}
	if err := b.complete(txs, receipts); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return chain.ErrClosed
	}
	b.append(txs, receipts)
	if len(s.waiting) > 0 {
		s.wake(txs)
	}
	return nil
}

// sameReceipt compares what cannot be computed from the transaction: who repeats a
// transaction may have its receipt from elsewhere, and one of the two is wrong.
func sameReceipt(number uint64, known, r *chain.Receipt) error {
	if known.Status == r.Status && known.HasPostState == r.HasPostState && known.PostState == r.PostState &&
		known.GasUsed == r.GasUsed && slices.EqualFunc(known.Logs, r.Logs, sameLog) {
		return nil
	}
	digest := func(r *chain.Receipt) common.Hash {
		return chain.Keccak256(chain.AppendReceipts(nil, []*chain.Receipt{r}))
	}
	return mismatch(number, fmt.Sprintf("receipt of transaction %d", known.TransactionIndex), digest(r), digest(known))
}

func sameLog(a, b chain.Log) bool {
	return a.Address == b.Address && slices.Equal(a.Topics, b.Topics) && bytes.Equal(a.Data, b.Data)
}

// complete fills in what receipts from another node leave out. Those of our own
// executor are complete, and others read them already.
func (b *memBlock) complete(txs []*chain.Tx, receipts []*chain.Receipt) error {
	for i, r := range receipts {
		if r.TxHash == (common.Hash{}) {
			after := b.lastReceipt(len(b.txs))
			if i > 0 {
				after = receipts[i-1]
			}
			return chain.CompleteReceipts(b.env.Number, after, txs[i:], receipts[i:])
		}
		if at := uint32(len(b.txs) + i); r.TransactionIndex != at || r.BlockNumber != b.env.Number {
			return outOfStep(b.env.Number, "transaction %d has the receipt of transaction %d in block %d", at, r.TransactionIndex, r.BlockNumber)
		}
	}
	return nil
}

// SealMini ends a mini-block of an unsealed block: the next frame.TxCount of the
// block's acknowledged transactions. digest is the frame's. Subscribers get it.
// changes may be nil; they are kept.
func (s *Store) SealMini(frame *chain.Frame, digest common.Hash, changes *chain.Changes) error {
	b, err := s.toWrite(frame.Number)
	if b == nil || s.cfg.HeadersOnly {
		return err
	}
	if int(frame.Index) < len(b.minis) {
		if want := b.minis[frame.Index].digest; digest != want {
			return mismatch(frame.Number, "digest of a mini-block", digest, want)
		}
		return nil
	}
	before := b.end()
	after := miniEnd{digest, before.txs + int(frame.TxCount), frame.GasUsed}
	switch {
	case int(frame.Index) > len(b.minis) || b.closed:
		return outOfStep(frame.Number, "mini-block %d after %d", frame.Index, len(b.minis))
	case after.txs > len(b.txs) || frame.Last && after.txs < len(b.txs):
		return outOfStep(frame.Number, "mini-block %d ends with transaction %d of %d", frame.Index, after.txs, len(b.txs))
	case after.gasUsed < before.gasUsed:
		return outOfStep(frame.Number, "mini-block %d ends with %d gas used, began with %d", frame.Index, after.gasUsed, before.gasUsed)
	}
	mini := &Mini{
		Seq: SeqOf(frame.Number, frame.Index), Number: frame.Number, Index: frame.Index,
		Digest: digest, Parent: frame.Parent, Env: b.env,
		FirstTx: uint32(before.txs), FirstLog: logsBefore(b.lastReceipt(before.txs)),
		GasBefore: before.gasUsed, GasUsed: after.gasUsed - before.gasUsed, Last: frame.Last,
		Txs: b.txs[before.txs:after.txs:after.txs], Receipts: b.receipts[before.txs:after.txs:after.txs],
		Changes: changes,
	}
	s.mu.Lock()
	b.minis = append(b.minis, after)
	b.closed = frame.Last
	s.mu.Unlock()
	s.feed.post(entry{event: Event{Mini: mini}, bytes: mini.bytes()})
	return nil
}

// logsBefore is how many logs the block has up to and with receipt r.
func logsBefore(r *chain.Receipt) uint32 {
	if r == nil {
		return 0
	}
	return r.FirstLogIndex + uint32(len(r.Logs))
}

// Seal gives the oldest unsealed block its header; from now on it is a sealed block.
// It does not check the header's roots. withdrawals are in the block's Env.
func (s *Store) Seal(h *chain.Header) error {
	hash, head := h.Hash(), s.Head()
	if h.Number <= head.Number {
		return s.Check(h)
	}
	s.mu.RLock()
	var b *memBlock
	if i := s.firstUnsealed(); i < len(s.mem) {
		b = s.mem[i]
	}
	s.mu.RUnlock()
	switch {
	case b == nil || b.env.Number != h.Number:
		return outOfStep(h.Number, "not the oldest unsealed block")
	case !b.gap && h.ParentHash != head.Hash:
		return mismatch(h.Number, "parentHash", h.ParentHash, head.Hash)
	}
	n := len(b.txs)
	block := &Block{Env: b.env, Header: h, Hash: hash, Txs: b.txs[:n:n], Receipts: b.receipts[:n:n]}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return chain.ErrClosed
	}
	b.sealed, b.closed = block, true
	s.head = chain.BlockID{Number: h.Number, Hash: hash}
	s.heads = extend(s.heads, h.Number)
	if !s.cfg.HeadersOnly {
		s.spans = extend(s.spans, h.Number)
	}
	close(b.settled)
	s.mu.Unlock()
	s.feed.post(entry{event: Event{Sealed: block}, bytes: blockOverhead})
	return nil
}

// Check compares h with the sealed block of its number, by hash: another matches
// chain.ErrMismatch, and none is no error. After Rewind a writer sees with it that the
// store has the chain that it has itself.
func (s *Store) Check(h *chain.Header) error {
	known, err := s.Header(h.Number)
	if errors.Is(err, ErrNotKept) || errors.Is(err, chain.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if got, want := h.Hash(), known.Hash(); got != want {
		return mismatch(h.Number, "hash", got, want)
	}
	return nil
}

// Drop forgets the unsealed blocks: a full node does whose header did not bear them
// out. Subscribers get an error.
func (s *Store) Drop() {
	s.mu.Lock()
	from := s.cutMemory(s.firstUnsealed())
	s.mu.Unlock()
	if from > 0 {
		s.feed.post(entry{dropped: true, from: from})
	}
}

// cutMemory forgets mem[i:]. It returns the number of its first block; 0 if there is
// none. The caller has the lock.
func (s *Store) cutMemory(i int) (from uint64) {
	if i == len(s.mem) {
		return 0
	}
	from = s.mem[i].env.Number
	for _, b := range s.mem[i:] {
		if b.sealed == nil {
			close(b.settled)
		}
	}
	s.mem = slices.Delete(s.mem, i, len(s.mem))
	return from
}

// toWrite is the unsealed block number, nil without an error if the block is sealed
// already.
func (s *Store) toWrite(number uint64) (*memBlock, error) {
	if b := s.unsealed(number); b != nil {
		return b, nil
	}
	if head := s.Head(); number > head.Number {
		return nil, outOfStep(number, "not open, the head is %d", head.Number)
	}
	return nil, nil
}

func (s *Store) unsealed(number uint64) *memBlock {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.inMemory(number); b != nil && b.sealed == nil {
		return b
	}
	return nil
}

// inMemory is the block if it is not on disk yet, or nil. The caller has the lock.
func (s *Store) inMemory(number uint64) *memBlock {
	i, ok := slices.BinarySearchFunc(s.mem, number, func(b *memBlock, n uint64) int { return cmp.Compare(b.env.Number, n) })
	if !ok {
		return nil
	}
	return s.mem[i]
}

// firstUnsealed is the place in mem where the unsealed blocks begin. The caller has
// the lock.
func (s *Store) firstUnsealed() int {
	i := len(s.mem)
	for i > 0 && s.mem[i-1].sealed == nil {
		i--
	}
	return i
}

// newestUnsealed is the block that is open, or nil. The caller has the lock.
func (s *Store) newestUnsealed() *memBlock {
	if n := len(s.mem); n > 0 && s.mem[n-1].sealed == nil {
		return s.mem[n-1]
	}
	return nil
}
