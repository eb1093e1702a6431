package backend

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// FindTx finds a transaction: in a block, sealed or not, with its index there, or in
// the pool, without a block. All are zero, without an error, if there is none; where
// that cannot be said, because history has gaps or was pruned, it is wire.NotKept's
// error.
//
// An acknowledged transaction is put into history before it leaves the pool. So who
// finds it in neither, having asked in this order, asks history once more: it may have
// moved between the two questions.
func FindTx(ctx context.Context, b Backend, hash common.Hash) (*chain.Tx, *history.Block, int, error) {
	tx, block, i, err := findExecuted(b, hash)
	if tx != nil || err != nil {
		return tx, block, i, err
	}
	waits, elsewhere := b.PoolTx(ctx, hash)
	if waits != nil || elsewhere != nil && !errors.Is(elsewhere, history.ErrNotKept) {
		return waits, nil, 0, elsewhere
	}
	tx, block, i, err = findExecuted(b, hash)
	if tx != nil || err != nil {
		return tx, block, i, err
	}
	if _, asked := b.(Forwarder); !asked && !b.History().Complete() {
		elsewhere = fmt.Errorf("transaction %s: %w", hash, history.ErrNotKept)
	}
	return nil, nil, 0, wire.NotKept(elsewhere)
}

// FindExecuted is FindTx for who does not care for what waits: a sequencer elsewhere is
// asked only if history is not complete.
func FindExecuted(ctx context.Context, b Backend, hash common.Hash) (*history.Block, int, error) {
	_, block, i, err := findExecuted(b, hash)
	if block == nil && err == nil && !b.History().Complete() {
		_, block, i, err = FindTx(ctx, b, hash)
	}
	return block, i, err
}

func findExecuted(b Backend, hash common.Hash) (*chain.Tx, *history.Block, int, error) {
	block, i, err := b.History().Tx(hash)
	switch {
	case err == nil:
		return block.Txs[i], block, i, nil
	case errors.Is(err, chain.ErrNotFound):
		return nil, nil, 0, nil
	}
	return nil, nil, 0, err
}
