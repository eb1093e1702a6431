package node

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
)

// Fullnode is a backend.Backend over a full node whose Config.History is the store.
type Fullnode struct {
	follower  *fullnode.Follower
	store     *history.Store
	config    *params.ChainConfig
	sequencer *rpc.Client
}

var (
	_ backend.Backend   = (*Fullnode)(nil)
	_ backend.Forwarder = (*Fullnode)(nil)
)

// OfFullnode makes the Backend of a full node whose Config.History is store. What is
// the sequencer's business goes to it over the client.
func OfFullnode(f *fullnode.Follower, store *history.Store, config *params.ChainConfig, sequencer *rpc.Client) *Fullnode {
	return &Fullnode{f, store, config, sequencer}
}

// ChainConfig implements backend.Backend.
func (f *Fullnode) ChainConfig() *params.ChainConfig { return f.config }

// History implements backend.Backend.
func (f *Fullnode) History() *history.Store { return f.store }

// Heads implements backend.Backend. A full node does not collect attestations: what is
// published and proven it does not know, and says genesis.
func (f *Fullnode) Heads() backend.Heads {
	heads := backend.Heads{Sealed: f.store.Head()}
	if genesis, err := f.store.Header(0); err == nil {
		heads.Published = genesis.ID()
		heads.Proven = heads.Published
	}
	return heads
}

// Latest implements backend.Backend.
func (f *Fullnode) Latest() (chain.StateView, *chain.Env) { return f.follower.Latest() }

// StateAt implements backend.Backend.
func (f *Fullnode) StateAt(id chain.BlockID) (chain.StateView, error) {
	return f.follower.Store().View(id)
}

// Begin implements backend.Backend.
func (f *Fullnode) Begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	return f.follower.Begin(ctx, root)
}

// Forward implements backend.Forwarder.
func (f *Fullnode) Forward(ctx context.Context, method string, params ...any) (json.RawMessage, error) {
	var answer json.RawMessage
	err := f.sequencer.CallContext(ctx, &answer, method, params...)
	return answer, err
}

// Send implements backend.Backend.
func (f *Fullnode) Send(ctx context.Context, raw []byte) (common.Hash, error) {
	var hash common.Hash
	err := f.sequencer.CallContext(ctx, &hash, "eth_sendRawTransaction", hexutil.Bytes(raw))
	return hash, err
}

// Submit implements backend.Backend: the sequencer has acknowledged the transaction,
// and this node has it.
func (f *Fullnode) Submit(ctx context.Context, raw []byte) (common.Hash, error) {
	var receipt struct {
		TransactionHash common.Hash `json:"transactionHash"`
	}
	if err := f.sequencer.CallContext(ctx, &receipt, "realtime_sendRawTransaction", hexutil.Bytes(raw)); err != nil {
		return common.Hash{}, err
	}
	_, _, err := f.store.WaitTx(ctx, receipt.TransactionHash)
	return receipt.TransactionHash, err
}

// PendingNonce implements backend.Backend.
func (f *Fullnode) PendingNonce(ctx context.Context, addr common.Address) (uint64, error) {
	var nonce hexutil.Uint64
	err := f.sequencer.CallContext(ctx, &nonce, "eth_getTransactionCount", addr, "pending")
	return uint64(nonce), err
}

// Pool implements backend.Backend. It is not asked: see Forward.
func (f *Fullnode) Pool(context.Context) (backend.Pool, error) { return backend.Pool{}, nil }

// PoolTx implements backend.Backend. The transactions of a full node have executed.
func (f *Fullnode) PoolTx(context.Context, common.Hash) (*chain.Tx, error) { return nil, nil }
