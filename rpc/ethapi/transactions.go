package ethapi

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// tx is backend.FindTx.
func (a *API) tx(ctx context.Context, hash common.Hash) (*chain.Tx, *history.Block, int, error) {
	tx, b, i, err := backend.FindTx(ctx, a.backend, hash)
	return tx, b, i, wire.NotKept(err)
}

// shown reports whether the API shows what block b did.
func (a *API) shown(b *history.Block) bool {
	return b != nil && (b.Sealed() || a.options.Realtime)
}

// GetTransactionByHash is eth_getTransactionByHash: in its block or, as pending,
// from the pool or from a block that is not shown yet; null if there is none.
func (a *API) GetTransactionByHash(ctx context.Context, hash common.Hash) (*wire.Transaction, error) {
	tx, b, i, err := a.tx(ctx, hash)
	if tx == nil || err != nil {
		return nil, err
	}
	if a.shown(b) {
		return wire.NewTransaction(a.backend.ChainConfig(), b, i)
	}
	_, env := a.backend.Latest()
	return wire.NewPendingTransaction(a.backend.ChainConfig(), env, tx)
}

// GetRawTransactionByHash is eth_getRawTransactionByHash; 0x if there is none.
func (a *API) GetRawTransactionByHash(ctx context.Context, hash common.Hash) (hexutil.Bytes, error) {
	tx, _, _, err := a.tx(ctx, hash)
	if tx == nil || err != nil {
		return nil, err
	}
	return tx.Raw(), nil
}

// GetTransactionByBlockNumberAndIndex is eth_getTransactionByBlockNumberAndIndex;
// null if there is none.
func (a *API) GetTransactionByBlockNumberAndIndex(n rpc.BlockNumber, index hexutil.Uint) (*wire.Transaction, error) {
	return a.txAt(atNumber(n), index)
}

// GetTransactionByBlockHashAndIndex is eth_getTransactionByBlockHashAndIndex; null if
// there is none.
func (a *API) GetTransactionByBlockHashAndIndex(hash common.Hash, index hexutil.Uint) (*wire.Transaction, error) {
	return a.txAt(atHash(hash), index)
}

func (a *API) txAt(at rpc.BlockNumberOrHash, index hexutil.Uint) (*wire.Transaction, error) {
	b, err := a.block(at)
	if b == nil || err != nil || uint64(index) >= uint64(len(b.Txs)) {
		return nil, err
	}
	return wire.NewTransaction(a.backend.ChainConfig(), b, int(index))
}

// GetRawTransactionByBlockNumberAndIndex is
// eth_getRawTransactionByBlockNumberAndIndex; 0x if there is none.
func (a *API) GetRawTransactionByBlockNumberAndIndex(n rpc.BlockNumber, index hexutil.Uint) (hexutil.Bytes, error) {
	return a.rawAt(atNumber(n), index)
}

// GetRawTransactionByBlockHashAndIndex is eth_getRawTransactionByBlockHashAndIndex;
// 0x if there is none.
func (a *API) GetRawTransactionByBlockHashAndIndex(hash common.Hash, index hexutil.Uint) (hexutil.Bytes, error) {
	return a.rawAt(atHash(hash), index)
}

func (a *API) rawAt(at rpc.BlockNumberOrHash, index hexutil.Uint) (hexutil.Bytes, error) {
	b, err := a.block(at)
	if b == nil || err != nil || uint64(index) >= uint64(len(b.Txs)) {
		return nil, err
	}
	return b.Txs[index].Raw(), nil
}

// GetTransactionReceipt is eth_getTransactionReceipt; null until the transaction's
// block is shown.
func (a *API) GetTransactionReceipt(hash common.Hash) (*wire.Receipt, error) {
	b, i, err := a.backend.History().Tx(hash)
	switch {
	case errors.Is(err, chain.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, wire.NotKept(err)
	case !a.shown(b):
		return nil, nil
	}
	return wire.NewReceipt(a.backend.ChainConfig(), b, i)
}
