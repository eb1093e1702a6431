package ethapi

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// shown reports whether the API shows what block b did.
func (a *API) shown(b *history.Block) bool {
	return b != nil && (b.Sealed() || a.options.Realtime)
}

// GetTransactionByHash is eth_getTransactionByHash: in its block or, as pending,
// from the pool or from a block that is not shown yet; null if there is none.
func (a *API) GetTransactionByHash(ctx context.Context, hash common.Hash) (any, error) {
	tx, b, i, err := backend.FindTx(ctx, a.backend, hash)
	switch {
	case err != nil:
		return a.elsewhere(ctx, err, "eth_getTransactionByHash", hash)
	case tx == nil:
		return nil, nil
	case a.shown(b):
		return wire.NewTransaction(a.backend.ChainConfig(), b, i)
	}
	_, env := a.backend.Latest()
	return wire.NewPendingTransaction(a.backend.ChainConfig(), env, tx)
}

// GetRawTransactionByHash is eth_getRawTransactionByHash; 0x if there is none.
func (a *API) GetRawTransactionByHash(ctx context.Context, hash common.Hash) (hexutil.Bytes, error) {
	tx, _, _, err := backend.FindTx(ctx, a.backend, hash)
	switch {
	case err != nil:
		return a.bytesElsewhere(ctx, err, "eth_getRawTransactionByHash", hash)
	case tx == nil:
		return nil, nil
	}
	return tx.Raw(), nil
}

// bytesElsewhere is elsewhere for bytes.
func (a *API) bytesElsewhere(ctx context.Context, err error, method string, params ...any) (out hexutil.Bytes, _ error) {
	answer, err := backend.Elsewhere(ctx, a.backend, err, method, params...)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(answer, &out)
	return out, err
}

// GetTransactionByBlockNumberAndIndex is eth_getTransactionByBlockNumberAndIndex;
// null if there is none.
func (a *API) GetTransactionByBlockNumberAndIndex(ctx context.Context, n rpc.BlockNumber, index hexutil.Uint) (any, error) {
	tx, err := a.txAt(atNumber(n), index)
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getTransactionByBlockNumberAndIndex", n, index)
	}
	return tx, nil
}

// GetTransactionByBlockHashAndIndex is eth_getTransactionByBlockHashAndIndex; null if
// there is none.
func (a *API) GetTransactionByBlockHashAndIndex(ctx context.Context, hash common.Hash, index hexutil.Uint) (any, error) {
	tx, err := a.txAt(atHash(hash), index)
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getTransactionByBlockHashAndIndex", hash, index)
	}
	return tx, nil
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
func (a *API) GetRawTransactionByBlockNumberAndIndex(ctx context.Context, n rpc.BlockNumber, index hexutil.Uint) (hexutil.Bytes, error) {
	raw, err := a.rawAt(atNumber(n), index)
	if err != nil {
		return a.bytesElsewhere(ctx, err, "eth_getRawTransactionByBlockNumberAndIndex", n, index)
	}
	return raw, nil
}

// GetRawTransactionByBlockHashAndIndex is eth_getRawTransactionByBlockHashAndIndex;
// 0x if there is none.
func (a *API) GetRawTransactionByBlockHashAndIndex(ctx context.Context, hash common.Hash, index hexutil.Uint) (hexutil.Bytes, error) {
	raw, err := a.rawAt(atHash(hash), index)
	if err != nil {
		return a.bytesElsewhere(ctx, err, "eth_getRawTransactionByBlockHashAndIndex", hash, index)
	}
	return raw, nil
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
func (a *API) GetTransactionReceipt(ctx context.Context, hash common.Hash) (any, error) {
	b, i, err := backend.FindExecuted(ctx, a.backend, hash)
	switch {
	case err != nil:
		return a.elsewhere(ctx, err, "eth_getTransactionReceipt", hash)
	case !a.shown(b):
		return nil, nil
	}
	return wire.NewReceipt(a.backend.ChainConfig(), b, i)
}
