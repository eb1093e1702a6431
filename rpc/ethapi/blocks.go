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

// block is the block that a call names; nil without an error if there is none, or
// none that is shown.
func (a *API) block(at rpc.BlockNumberOrHash) (*history.Block, error) {
	if b := a.unsealed(at); b != nil {
		return b, nil
	}
	return backend.SealedBlock(a.backend, at)
}

// elsewhere passes a call on whose answer is not kept here, as err says; other errors
// it gives back. See backend.Elsewhere.
func (a *API) elsewhere(ctx context.Context, err error, method string, params ...any) (any, error) {
	answer, err := backend.Elsewhere(ctx, a.backend, err, method, params...)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// unsealed is the block that a call names, if it is one that is not sealed yet and
// is shown nevertheless.
func (a *API) unsealed(at rpc.BlockNumberOrHash) *history.Block {
	n, ok := at.Number()
	if !ok || !a.options.Realtime {
		return nil
	}
	open := a.backend.History().Unsealed()
	if len(open) == 0 {
		return nil
	}
	if n == rpc.LatestBlockNumber || n == rpc.PendingBlockNumber {
		return open[len(open)-1]
	}
	first := open[0].Number()
	if n < 0 || uint64(n) < first || uint64(n)-first >= uint64(len(open)) {
		return nil
	}
	return open[uint64(n)-first]
}

func atNumber(n rpc.BlockNumber) rpc.BlockNumberOrHash { return rpc.BlockNumberOrHashWithNumber(n) }

func atHash(h common.Hash) rpc.BlockNumberOrHash { return rpc.BlockNumberOrHashWithHash(h, false) }

// GetBlockByNumber is eth_getBlockByNumber: a *wire.Block, or what a sequencer elsewhere
// has where it is not kept here, as in all methods that answer so; null if there is no
// such block. On the standard path pending is the newest sealed block.
func (a *API) GetBlockByNumber(ctx context.Context, n rpc.BlockNumber, full bool) (any, error) {
	b, err := a.getBlock(atNumber(n), full)
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getBlockByNumber", n, full)
	}
	return b, nil
}

// GetBlockByHash is eth_getBlockByHash; null if there is no such block.
func (a *API) GetBlockByHash(ctx context.Context, hash common.Hash, full bool) (any, error) {
	b, err := a.getBlock(atHash(hash), full)
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getBlockByHash", hash, full)
	}
	return b, nil
}

func (a *API) getBlock(at rpc.BlockNumberOrHash, full bool) (*wire.Block, error) {
	b, err := a.block(at)
	if b == nil || err != nil {
		return nil, err
	}
	out, err := wire.NewBlock(a.backend.ChainConfig(), b, full)
	if err != nil || b.Sealed() {
		return out, err
	}
	if parent, err := a.backend.History().Header(b.Number() - 1); err == nil {
		out.WithParent(parent.Hash())
	}
	return out, nil
}

// GetHeaderByNumber is eth_getHeaderByNumber, of sealed blocks; null for pending and
// if there is no such block.
func (a *API) GetHeaderByNumber(ctx context.Context, n rpc.BlockNumber) (any, error) {
	if n == rpc.PendingBlockNumber {
		return nil, nil
	}
	h, err := a.header(atNumber(n))
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getHeaderByNumber", n)
	}
	return h, nil
}

// GetHeaderByHash is eth_getHeaderByHash; null if there is no such block.
func (a *API) GetHeaderByHash(ctx context.Context, hash common.Hash) (any, error) {
	h, err := a.header(atHash(hash))
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getHeaderByHash", hash)
	}
	return h, nil
}

func (a *API) header(at rpc.BlockNumberOrHash) (*wire.Header, error) {
	h, err := backend.SealedHeader(a.backend, at)
	if h == nil || err != nil {
		return nil, err
	}
	return wire.NewHeader(h), nil
}

// GetBlockTransactionCountByNumber is eth_getBlockTransactionCountByNumber.
func (a *API) GetBlockTransactionCountByNumber(ctx context.Context, n rpc.BlockNumber) (*hexutil.Uint, error) {
	return a.count(ctx, atNumber(n), countTxs, "eth_getBlockTransactionCountByNumber", n)
}

// GetBlockTransactionCountByHash is eth_getBlockTransactionCountByHash.
func (a *API) GetBlockTransactionCountByHash(ctx context.Context, hash common.Hash) (*hexutil.Uint, error) {
	return a.count(ctx, atHash(hash), countTxs, "eth_getBlockTransactionCountByHash", hash)
}

// GetUncleCountByBlockNumber is eth_getUncleCountByBlockNumber; 0 since the Merge.
func (a *API) GetUncleCountByBlockNumber(ctx context.Context, n rpc.BlockNumber) (*hexutil.Uint, error) {
	return a.count(ctx, atNumber(n), countUncles, "eth_getUncleCountByBlockNumber", n)
}

// GetUncleCountByBlockHash is eth_getUncleCountByBlockHash; 0 since the Merge.
func (a *API) GetUncleCountByBlockHash(ctx context.Context, hash common.Hash) (*hexutil.Uint, error) {
	return a.count(ctx, atHash(hash), countUncles, "eth_getUncleCountByBlockHash", hash)
}

func countTxs(b *history.Block) int    { return len(b.Txs) }
func countUncles(b *history.Block) int { return len(b.Env.Ommers) }

// count counts something in a block; null if there is no such block.
func (a *API) count(ctx context.Context, at rpc.BlockNumberOrHash, of func(*history.Block) int, method string, params ...any) (*hexutil.Uint, error) {
	b, err := a.block(at)
	if err != nil {
		answer, err := backend.Elsewhere(ctx, a.backend, err, method, params...)
		if err != nil {
			return nil, err
		}
		var n *hexutil.Uint
		err = json.Unmarshal(answer, &n)
		return n, err
	}
	if b == nil {
		return nil, nil
	}
	n := hexutil.Uint(of(b))
	return &n, nil
}

// GetUncleByBlockNumberAndIndex is eth_getUncleByBlockNumberAndIndex; null since the
// Merge.
func (a *API) GetUncleByBlockNumberAndIndex(ctx context.Context, n rpc.BlockNumber, index hexutil.Uint) (any, error) {
	u, err := a.uncle(atNumber(n), index)
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getUncleByBlockNumberAndIndex", n, index)
	}
	return u, nil
}

// GetUncleByBlockHashAndIndex is eth_getUncleByBlockHashAndIndex; null since the
// Merge.
func (a *API) GetUncleByBlockHashAndIndex(ctx context.Context, hash common.Hash, index hexutil.Uint) (any, error) {
	u, err := a.uncle(atHash(hash), index)
	if err != nil {
		return a.elsewhere(ctx, err, "eth_getUncleByBlockHashAndIndex", hash, index)
	}
	return u, nil
}

func (a *API) uncle(at rpc.BlockNumberOrHash, index hexutil.Uint) (*wire.Uncle, error) {
	b, err := a.block(at)
	if b == nil || err != nil || uint64(index) >= uint64(len(b.Env.Ommers)) {
		return nil, err
	}
	return wire.NewUncle(b.Env.Ommers[index]), nil
}

// GetBlockReceipts is eth_getBlockReceipts; null if there is no such block.
func (a *API) GetBlockReceipts(ctx context.Context, at rpc.BlockNumberOrHash) (any, error) {
	b, err := a.block(at)
	switch {
	case err != nil:
		return a.elsewhere(ctx, err, "eth_getBlockReceipts", at)
	case b == nil:
		return nil, nil
	}
	return wire.NewReceipts(a.backend.ChainConfig(), b)
}
