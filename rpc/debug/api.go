package debug

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Config bounds what witnesses may cost. The zero value is useful.
type Config struct {
	// Timeout is how long a witness may take. Default 30 s.
	Timeout time.Duration
	// Concurrency is how many witnesses are made at a time; other requests wait.
	// Default: GOMAXPROCS.
	Concurrency int
}

// An API is the namespace debug without traces. Its methods may be called
// concurrently.
type API struct {
	backend  backend.Backend
	executor chain.Executor
	timeout  time.Duration
	slots    chan struct{} // one for each witness in the making
}

// New returns the methods over a node. executor is that of b's chain.
func New(b backend.Backend, executor chain.Executor, config Config) *API {
	if config.Timeout <= 0 {
		config.Timeout = 30 * time.Second
	}
	if config.Concurrency <= 0 {
		config.Concurrency = runtime.GOMAXPROCS(0)
	}
	return &API{backend: b, executor: executor, timeout: config.Timeout, slots: make(chan struct{}, config.Concurrency)}
}

// GetRawHeader returns the RLP of a header. A number that no block has yet gives no
// bytes and a hash that no block has an error, as in go-ethereum; so do the others.
func (a *API) GetRawHeader(_ context.Context, at rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	b, err := a.block(at, "header")
	if b == nil || err != nil {
		return nil, err
	}
	return b.Header.AppendBinary(nil)
}

// GetRawBlock returns the RLP of a block.
func (a *API) GetRawBlock(_ context.Context, at rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	b, err := a.block(at, "block")
	if b == nil || err != nil {
		return nil, err
	}
	return body(b).AppendBinary(nil)
}

// GetRawReceipts returns the receipts of a block in their consensus form (EIP-2718).
func (a *API) GetRawReceipts(_ context.Context, at rpc.BlockNumberOrHash) ([]hexutil.Bytes, error) {
	b, err := a.block(at, "block")
	if b == nil || err != nil {
		return nil, err
	}
	raw := make([]hexutil.Bytes, len(b.Receipts))
	for i, r := range b.Receipts {
		raw[i] = r.AppendConsensus(nil)
	}
	return raw, nil
}

// GetRawTransaction returns the envelope (EIP-2718) of a transaction that is in a
// block, sealed or not, or waits in the pool; no bytes if it is unknown.
func (a *API) GetRawTransaction(ctx context.Context, hash common.Hash) (hexutil.Bytes, error) {
	tx, _, _, err := backend.FindTx(ctx, a.backend, hash)
	if tx == nil || err != nil {
		return nil, err
	}
	return tx.Raw(), nil
}

// block is the sealed block that a caller names; nil if it named a number that none
// has.
func (a *API) block(at rpc.BlockNumberOrHash, what string) (*history.Block, error) {
	b, err := a.sealed(at)
	if b != nil || err != nil {
		return b, err
	}
	if hash, ok := at.Hash(); ok {
		return nil, fmt.Errorf("%s %s not found", what, hash)
	}
	return nil, nil
}

// sealed is the sealed block that a caller names, or nil.
func (a *API) sealed(at rpc.BlockNumberOrHash) (*history.Block, error) {
	b, err := backend.SealedBlock(a.backend, at)
	return b, wire.NotKept(err)
}

// body is a sealed block as it travels.
func body(b *history.Block) *chain.Block {
	return &chain.Block{Header: b.Header, Txs: b.Txs, Ommers: b.Env.Ommers, Withdrawals: b.Env.Withdrawals}
}
