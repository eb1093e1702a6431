package node

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/sequencer"
)

// Sequencer is a backend.Backend over a sequencer whose Config.History is the store.
type Sequencer struct {
	*sequencer.Sequencer
	store *history.Store
}

var _ backend.Backend = (*Sequencer)(nil)

// OfSequencer makes the Backend of a sequencer whose Config.History is store.
func OfSequencer(s *sequencer.Sequencer, store *history.Store) *Sequencer {
	return &Sequencer{s, store}
}

// History implements backend.Backend.
func (s *Sequencer) History() *history.Store { return s.store }

// Heads implements backend.Backend.
func (s *Sequencer) Heads() backend.Heads {
	h := s.Sequencer.Heads()
	return backend.Heads{Sealed: h.RootChecked, Published: h.Published, Proven: h.Proven}
}

// Send implements backend.Backend.
func (s *Sequencer) Send(_ context.Context, raw []byte) (common.Hash, error) {
	return s.Sequencer.Send(raw)
}

// Submit implements backend.Backend.
func (s *Sequencer) Submit(ctx context.Context, raw []byte) (common.Hash, error) {
	receipt, err := s.Sequencer.Submit(ctx, raw)
	if err != nil {
		return common.Hash{}, err
	}
	return receipt.TxHash, nil
}

// PendingNonce implements backend.Backend.
func (s *Sequencer) PendingNonce(_ context.Context, addr common.Address) (uint64, error) {
	return s.Sequencer.PendingNonce(addr)
}

// Pool implements backend.Backend.
func (s *Sequencer) Pool(context.Context) (backend.Pool, error) {
	var pool backend.Pool
	for _, w := range s.Sequencer.Pool() {
		tx := backend.PoolTx{Tx: w.Tx, Sender: w.Sender, Nonce: w.Nonce}
		if w.Queued {
			pool.Queued = append(pool.Queued, tx)
		} else {
			pool.Pending = append(pool.Pending, tx)
		}
	}
	return pool, nil
}

// PoolStatus implements backend.Backend.
func (s *Sequencer) PoolStatus(context.Context) (pending, queued int, err error) {
	pending, queued = s.Sequencer.PoolStatus()
	return pending, queued, nil
}

// PoolTx implements backend.Backend.
func (s *Sequencer) PoolTx(_ context.Context, hash common.Hash) (*chain.Tx, error) {
	return s.Sequencer.PoolTx(hash), nil
}
