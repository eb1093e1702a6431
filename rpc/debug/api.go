package debug

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
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
// bytes and a hash that no block has an error, as in go-ethereum; so do the others. What
// is not kept here a sequencer elsewhere is asked for; without one, that is the error of
// wire.NotKept.
func (a *API) GetRawHeader(ctx context.Context, at rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	h, err := backend.SealedHeader(a.backend, at)
	switch {
	case err != nil:
		var out hexutil.Bytes
		err = a.elsewhere(ctx, err, &out, "debug_getRawHeader", at)
		return out, err
	case h == nil:
		return nil, unknown(at, "header")
	}
	return h.AppendBinary(nil)
}

// GetRawBlock returns the RLP of a block.
func (a *API) GetRawBlock(ctx context.Context, at rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	b, err := backend.SealedBlock(a.backend, at)
	switch {
	case err != nil:
		var out hexutil.Bytes
		err = a.elsewhere(ctx, err, &out, "debug_getRawBlock", at)
		return out, err
	case b == nil:
		return nil, unknown(at, "block")
	}
	return body(b).AppendBinary(nil)
}

// GetRawReceipts returns the receipts of a block in their consensus form (EIP-2718).
func (a *API) GetRawReceipts(ctx context.Context, at rpc.BlockNumberOrHash) ([]hexutil.Bytes, error) {
	b, err := backend.SealedBlock(a.backend, at)
	switch {
	case err != nil:
		var out []hexutil.Bytes
		err = a.elsewhere(ctx, err, &out, "debug_getRawReceipts", at)
		return out, err
	case b == nil:
		return nil, unknown(at, "block")
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
	switch {
	case err != nil:
		var out hexutil.Bytes
		// The same, of a namespace that is served more often.
		err = a.elsewhere(ctx, err, &out, "eth_getRawTransactionByHash", hash)
		return out, err
	case tx == nil:
		return nil, nil
	}
	return tx.Raw(), nil
}

// elsewhere reads what backend.Elsewhere answers into out.
func (a *API) elsewhere(ctx context.Context, err error, out any, method string, params ...any) error {
	answer, err := backend.Elsewhere(ctx, a.backend, err, method, params...)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// unknown is the error for what no block is named by; nil for a number.
func unknown(at rpc.BlockNumberOrHash, what string) error {
	if hash, ok := at.Hash(); ok {
		return fmt.Errorf("%s %s not found", what, hash)
	}
	return nil
}

// body is a sealed block as it travels.
func body(b *history.Block) *chain.Block {
	return &chain.Block{Header: b.Header, Txs: b.Txs, Ommers: b.Env.Ommers, Withdrawals: b.Env.Withdrawals}
}
