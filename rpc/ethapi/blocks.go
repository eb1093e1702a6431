package ethapi

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
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
	b, err := backend.SealedBlock(a.backend, at)
	return b, wire.NotKept(err)
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

// GetBlockByNumber is eth_getBlockByNumber; null if there is no such block. On the
// standard path pending is the newest sealed block.
func (a *API) GetBlockByNumber(n rpc.BlockNumber, full bool) (*wire.Block, error) {
	return a.getBlock(atNumber(n), full)
}

// GetBlockByHash is eth_getBlockByHash; null if there is no such block.
func (a *API) GetBlockByHash(hash common.Hash, full bool) (*wire.Block, error) {
	return a.getBlock(atHash(hash), full)
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
func (a *API) GetHeaderByNumber(n rpc.BlockNumber) (*wire.Header, error) {
	if n == rpc.PendingBlockNumber {
		return nil, nil
	}
	return a.header(atNumber(n))
}

// GetHeaderByHash is eth_getHeaderByHash; null if there is no such block.
func (a *API) GetHeaderByHash(hash common.Hash) (*wire.Header, error) { return a.header(atHash(hash)) }

func (a *API) header(at rpc.BlockNumberOrHash) (*wire.Header, error) {
	h, err := a.sealedHeader(at)
	if h == nil || err != nil {
		return nil, err
	}
	return wire.NewHeader(h), nil
}

// sealedHeader is the header of the sealed block that a call names, or nil.
func (a *API) sealedHeader(at rpc.BlockNumberOrHash) (*chain.Header, error) {
	n, err := backend.SealedNumber(a.backend, at)
	if err == nil {
		var h *chain.Header
		if h, err = a.backend.History().Header(n); err == nil {
			return h, nil
		}
	}
	if errors.Is(err, chain.ErrNotFound) || errors.Is(err, backend.ErrHeaderNotFound) {
		return nil, nil
	}
	return nil, wire.NotKept(err)
}

// GetBlockTransactionCountByNumber is eth_getBlockTransactionCountByNumber.
func (a *API) GetBlockTransactionCountByNumber(n rpc.BlockNumber) (*hexutil.Uint, error) {
	return a.count(atNumber(n), func(b *history.Block) int { return len(b.Txs) })
}

// GetBlockTransactionCountByHash is eth_getBlockTransactionCountByHash.
func (a *API) GetBlockTransactionCountByHash(hash common.Hash) (*hexutil.Uint, error) {
	return a.count(atHash(hash), func(b *history.Block) int { return len(b.Txs) })
}

// GetUncleCountByBlockNumber is eth_getUncleCountByBlockNumber; 0 since the Merge.
func (a *API) GetUncleCountByBlockNumber(n rpc.BlockNumber) (*hexutil.Uint, error) {
	return a.count(atNumber(n), func(b *history.Block) int { return len(b.Env.Ommers) })
}

// GetUncleCountByBlockHash is eth_getUncleCountByBlockHash; 0 since the Merge.
func (a *API) GetUncleCountByBlockHash(hash common.Hash) (*hexutil.Uint, error) {
	return a.count(atHash(hash), func(b *history.Block) int { return len(b.Env.Ommers) })
}

// count counts something in a block; null if there is no such block.
func (a *API) count(at rpc.BlockNumberOrHash, of func(*history.Block) int) (*hexutil.Uint, error) {
	b, err := a.block(at)
	if b == nil || err != nil {
		return nil, err
	}
	n := hexutil.Uint(of(b))
	return &n, nil
}

// GetUncleByBlockNumberAndIndex is eth_getUncleByBlockNumberAndIndex; null since the
// Merge.
func (a *API) GetUncleByBlockNumberAndIndex(n rpc.BlockNumber, index hexutil.Uint) (*wire.Uncle, error) {
	return a.uncle(atNumber(n), index)
}

// GetUncleByBlockHashAndIndex is eth_getUncleByBlockHashAndIndex; null since the
// Merge.
func (a *API) GetUncleByBlockHashAndIndex(hash common.Hash, index hexutil.Uint) (*wire.Uncle, error) {
	return a.uncle(atHash(hash), index)
}

func (a *API) uncle(at rpc.BlockNumberOrHash, index hexutil.Uint) (*wire.Uncle, error) {
	b, err := a.block(at)
	if b == nil || err != nil || uint64(index) >= uint64(len(b.Env.Ommers)) {
		return nil, err
	}
	return wire.NewUncle(b.Env.Ommers[index]), nil
}

// GetBlockReceipts is eth_getBlockReceipts; null if there is no such block.
func (a *API) GetBlockReceipts(at rpc.BlockNumberOrHash) (wire.Receipts, error) {
	b, err := a.block(at)
	if b == nil || err != nil {
		return nil, err
	}
	return wire.NewReceipts(a.backend.ChainConfig(), b)
}
