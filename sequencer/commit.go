package sequencer

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// commit is steps 5 and 6, behind the head: root, header, witness. The hash of
// block N is known, and N+1 may close, as soon as the root exists; all else of N
// is done while N+1 is open.
func (s *Sequencer) commit(ctx context.Context) error {
	for {
		select {
		case b := <-s.sealing:
			if err := s.seal(ctx, b); err != nil {
				return fmt.Errorf("block %d: %w", b.env.Number, err)
			}
			s.unrooted.Add(-1)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sequencer) seal(ctx context.Context, b *block) error {
	parent, err := s.ancestors.header(b.env.Number - 1)
	if err != nil {
		return err
	}
	commitment, err := s.root(ctx, b, parent)
	if err != nil {
		return err
	}
	// First the header into the journal, then its hash to whoever waits for it: so
	// it is logged and in the feed before the end of the next block.
	if err := s.enter(ctx, entry{kind: recordHeader, number: b.env.Number, block: b}); err != nil {
		return err
	}
	s.ancestors.sealed(b.header)
	return s.finish(ctx, b, parent, commitment)
}

// finish does what remains of a block once it has its header.
func (s *Sequencer) finish(ctx context.Context, b *block, parent *chain.Header, commitment chain.Commitment) error {
	claim, err := s.prove(ctx, b, parent, commitment)
	if err != nil {
		return err
	}
	if err := s.enter(ctx, entry{kind: recordClaim, number: b.env.Number, payload: claim.encode()}); err != nil {
		return err
	}
	s.collector.expect(claim)
	if err := wait(ctx, b.logged); err != nil {
		return err
	}
	if err := s.commitState(ctx, b); err != nil {
		return err
	}
	s.heads.update(func(h *Heads) { h.RootChecked = b.header.ID() })
	s.stats.blocks.Add(1)
	select {
	case s.window.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.window.entered(s.cfg.Now())
	s.publishes <- b // it has as much room as the window
	return nil
}

// root computes the block's root and with it the header.
func (s *Sequencer) root(ctx context.Context, b *block, parent *chain.Header) (chain.Commitment, error) {
	began := time.Now()
	commitment, err := s.Begin(ctx, parent.StateRoot)
	if err != nil {
		return nil, err
	}
	if err := commitment.Apply(b.result.Changes); err != nil {
		commitment.Discard()
		return nil, err
	}
	stateRoot, err := commitment.Root(ctx)
	if err != nil {
		commitment.Discard()
		return nil, err
	}
	b.header = sealHeader(b.env, parent.Hash(), b.result, trie.TransactionsRoot(b.txs),
		trie.ReceiptsRoot(b.result.Receipts), stateRoot, trie.WithdrawalsRoot(b.env.Withdrawals))
	s.stats.rootTime.Add(int64(time.Since(began)))
	s.committerMu.Lock()
	defer s.committerMu.Unlock()
	return commitment, commitment.Commit(ctx)
}

// prove makes what goes to the data-availability layer: the block's bytes, its
// witness and its diff.
func (s *Sequencer) prove(ctx context.Context, b *block, parent *chain.Header, commitment chain.Commitment) (*claim, error) {
	began := time.Now()
	accesses := b.result.Accesses
	witness, err := commitment.Witness(ctx, accesses)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	oldest := b.env.Number
	if len(accesses.Ancestors) > 0 {
		oldest = accesses.Ancestors[0]
	}
	if witness.Headers, err = s.ancestors.witnessHeaders(b.env.Number, oldest); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if witness.Codes, err = codesOf(accesses, b.prior); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	witness.Normalize()
	if b.witness, err = witness.AppendBinary(nil); err != nil {
		return nil, err
	}
	s.stats.witnessTime.Add(int64(time.Since(began)))
	s.stats.witnessBytes.Add(uint64(len(b.witness)))
	s.stats.witnessTxs.Add(uint64(len(b.txs)))

	sealed := &chain.Block{Header: b.header, Txs: b.txs, Withdrawals: b.env.Withdrawals}
	if b.body, err = sealed.AppendBinary(make([]byte, 0, bodySize(b.txs))); err != nil {
		return nil, err
	}
	b.diff, err = s.cfg.BlockDiff.AppendEncode(nil, b.result.Changes, b.prior, b.result.Hints)
	if err != nil {
		return nil, fmt.Errorf("diff: %w", err)
	}
	return newClaim(s.cfg, b, parent), nil
}

// bodySize is about the size of a block with txs: the most, but for many withdrawals.
func bodySize(txs []*chain.Tx) int {
	size := 2048
	for _, tx := range txs {
		size += len(tx.Raw()) + 4 // as RLP
	}
	return size
}

// codesOf collects the codes that a block read, from the state before it.
func codesOf(accesses *chain.AccessSet, prior chain.StateView) ([][]byte, error) {
	var (
		codes [][]byte
		seen  = make(map[common.Hash]bool)
	)
	for i := range accesses.Accounts {
		a := &accesses.Accounts[i]
		if !a.Code {
			continue
		}
		account, ok, err := prior.Account(a.Address)
		if err != nil {
			return nil, err
		}
		if !ok || account.CodeHash == chain.EmptyCodeHash || seen[account.CodeHash] {
			continue
		}
		seen[account.CodeHash] = true
		code, err := prior.Code(account.CodeHash)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// commitState makes the block the store's newest.
func (s *Sequencer) commitState(ctx context.Context, b *block) error {
	s.storeMu.Lock()
	defer s.storeMu.Unlock()
	if err := b.staged.Commit(ctx, b.header.ID()); err != nil {
		return err
	}
	b.committed = true
	return nil
}
