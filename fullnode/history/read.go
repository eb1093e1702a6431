package history

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Head is the newest sealed block.
func (s *Store) Head() chain.BlockID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head
}

// Oldest is the oldest block besides genesis from which on none is missing up to
// Head; the next block's number while there is none.
func (s *Store) Oldest() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := len(s.spans); n > 0 {
		return s.spans[n-1].first
	}
	return s.head.Number + 1
}

// HeadersOnly is Config.HeadersOnly.
func (s *Store) HeadersOnly() bool { return s.cfg.HeadersOnly }

// KeepBlocks is Config.KeepBlocks.
func (s *Store) KeepBlocks() uint64 { return s.cfg.KeepBlocks }

// Block returns a sealed block. ErrNotFound: it is not there yet. ErrNotKept, which
// does not match ErrNotFound: it was pruned, or never came.
func (s *Store) Block(number uint64) (*Block, error) {
	b, err := s.sealedInMemory(number)
	if err == nil && s.isHeaderOnly(number) {
		return nil, notKept(number)
	}
	if b != nil || err != nil {
		return b, err
	}
	b, age := s.cache.get(number)
	if b != nil {
		return b, nil
	}
	if b, err = s.disk.block(number); err != nil {
		return nil, err
	}
	s.cache.add(b, age)
	return b, nil
}

// Body returns the transactions and receipts of a sealed block; errors are those of
// Block. They are the store's: read only.
func (s *Store) Body(number uint64) ([]*chain.Tx, []*chain.Receipt, error) {
	b, err := s.Block(number)
	if err != nil {
		return nil, nil, err
	}
	return b.Txs, b.Receipts, nil
}

// isHeaderOnly reports whether there is only a header of a sealed block.
func (s *Store) isHeaderOnly(number uint64) bool {
	if !s.cfg.HeadersOnly || number == 0 {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !keeps(s.spans, number)
}

// sealedInMemory is a sealed block that is not on disk; nil without an error if it
// should be on disk.
func (s *Store) sealedInMemory(number uint64) (*Block, error) {
	if number == 0 {
		return s.genesis, nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, chain.ErrClosed
	}
	if number > s.head.Number {
		if number < s.gapEnd() {
			return nil, notKept(number) // and will not come
		}
		return nil, notFound(number)
	}
	if b := s.inMemory(number); b != nil {
		return b.sealed, nil
	}
	return nil, nil
}

// BlockByHash is Block by its hash; ErrNotFound for a hash that is not known: see
// Number.
func (s *Store) BlockByHash(hash common.Hash) (*Block, error) {
	number, err := s.Number(hash)
	if err != nil {
		return nil, err
	}
	return s.Block(number)
}

// Header returns the header of a sealed block, with Block's errors. Headers are kept
// where bodies are pruned.
func (s *Store) Header(number uint64) (*chain.Header, error) {
	b, err := s.sealedInMemory(number)
	if err != nil {
		return nil, err
	}
	if b == nil {
		b, _ = s.cache.get(number)
	}
	if b != nil {
		return b.Header, nil
	}
	h, err := s.disk.head(number)
	if err != nil {
		return nil, err
	}
	return h.block.Header, nil
}

// WaitHeader is Header that waits for a block that is open or closed but not sealed
// yet, or until ctx ends.
func (s *Store) WaitHeader(ctx context.Context, number uint64) (*chain.Header, error) {
	for {
		header, err := s.Header(number)
		if !errors.Is(err, chain.ErrNotFound) {
			return header, err
		}
		s.mu.RLock()
		b, head := s.inMemory(number), s.head.Number
		s.mu.RUnlock()
		if b == nil {
			if number <= head { // sealed meanwhile
				continue
			}
			return nil, err
		}
		select {
		case <-b.settled:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.closing:
			return nil, chain.ErrClosed
		}
	}
}

// Number is the number of the sealed block with the hash; ErrNotFound, also where the
// block is in a gap: CompleteHeaders tells whether it may be.
func (s *Store) Number(hash common.Hash) (uint64, error) {
	if hash == s.genesis.Hash {
		return 0, nil
	}
	if number, ok := s.numberInMemory(hash); ok {
		return number, nil
	}
	number, ok, err := s.disk.number(hash)
	if err == nil && !ok {
		err = fmt.Errorf("block %s: %w", hash, chain.ErrNotFound)
	}
	return number, err
}

func (s *Store) numberInMemory(hash common.Hash) (uint64, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, b := range s.mem {
		if b.sealed != nil && b.sealed.Hash == hash {
			return b.env.Number, true
		}
	}
	return 0, false
}

// Unsealed are the blocks after Head, oldest first: closed ones that wait for their
// header, then the open one; each a copy as of now, with all that is acknowledged.
// It costs the same however many transactions they have.
func (s *Store) Unsealed() []*Block {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*Block
	for _, b := range s.mem[s.firstUnsealed():] {
		out = append(out, b.view())
	}
	return out
}

// Tx finds a transaction, sealed or not, and its index in its block. ErrNotFound,
// also where its block was pruned or is in a gap: Complete tells whether it may be.
func (s *Store) Tx(hash common.Hash) (*Block, int, error) {
	if b, i := s.txInMemory(hash); b != nil {
		return b, i, nil
	}
	places, err := s.disk.txPlaces(hash)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range places {
		b, err := s.Block(p.Block)
		switch {
		case err == nil && int(p.Index) < len(b.Txs) && b.Txs[p.Index].Hash() == hash:
			return b, int(p.Index), nil
		case err != nil && !errors.Is(err, ErrNotKept) && !errors.Is(err, chain.ErrNotFound):
			return nil, 0, err
		}
	}
	return nil, 0, fmt.Errorf("transaction %s: %w", hash, chain.ErrNotFound)
}

func (s *Store) txInMemory(hash common.Hash) (*Block, int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := len(s.mem) - 1; i >= 0; i-- { // the newest are asked for most
		if at, ok := s.mem[i].index[hash]; ok {
			return s.mem[i].view(), int(at)
		}
	}
	return nil, 0
}

// A txWait is what those have in common who wait for one transaction.
type txWait struct {
	came  chan struct{}
	count int
}

// WaitTx is Tx that waits until the transaction is there, or ctx ends.
func (s *Store) WaitTx(ctx context.Context, hash common.Hash) (*Block, int, error) {
	for {
		// Who waits before he looks misses nothing.
		w := s.wait(hash)
		b, i, err := s.Tx(hash)
		if !errors.Is(err, chain.ErrNotFound) {
			s.leave(hash, w)
			return b, i, err
		}
		select {
		case <-w.came:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-s.closing:
			err = chain.ErrClosed
		}
		s.leave(hash, w)
		return nil, 0, err
	}
}

func (s *Store) wait(hash common.Hash) *txWait {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting[hash]
	if w == nil {
		w = &txWait{came: make(chan struct{})}
		s.waiting[hash] = w
	}
	w.count++
	return w
}

func (s *Store) leave(hash common.Hash, w *txWait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.count--; w.count == 0 && s.waiting[hash] == w {
		delete(s.waiting, hash)
	}
}

// wake lets those go on who wait for one of txs. The caller has the lock.
func (s *Store) wake(txs []*chain.Tx) {
	for _, tx := range txs {
		if w := s.waiting[tx.Hash()]; w != nil {
			delete(s.waiting, tx.Hash())
			close(w.came)
		}
	}
}
