package backend

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// FindTx finds a transaction: in a block, sealed or not, with its index there, or in
// the pool, without a block. All are zero, without an error, if there is none.
//
// An acknowledged transaction is put into history before it leaves the pool. So who
// finds it in neither, having asked in this order, asks history once more: it may have
// moved between the two questions.
func FindTx(ctx context.Context, b Backend, hash common.Hash) (*chain.Tx, *history.Block, int, error) {
	tx, block, i, err := findExecuted(b, hash)
	if tx != nil || err != nil {
		return tx, block, i, err
	}
	if tx, err := b.PoolTx(ctx, hash); tx != nil || err != nil {
		return tx, nil, 0, err
	}
	return findExecuted(b, hash)
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
