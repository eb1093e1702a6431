package node

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
	"github.com/vivace-chain/vivace/rpc/realtime"
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

// OpenEnv implements backend.Backend. The node hears of a block with its first
// mini-block, and that the block is closed with its last.
func (f *Fullnode) OpenEnv() *chain.Env { return f.follower.OpenEnv() }

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
// and this node has it. It asks by realtime_sendRawTransaction, which as Submit does
// takes a nonce that is too high, where eth_sendRawTransactionSync does not.
func (f *Fullnode) Submit(ctx context.Context, raw []byte) (common.Hash, error) {
	var receipt struct {
		TransactionHash common.Hash `json:"transactionHash"`
	}
	for {
		err := f.sequencer.CallContext(ctx, &receipt, "realtime_sendRawTransaction", hexutil.Bytes(raw), remaining(ctx))
		if err == nil {
			break
		}
		// The sequencer may grant less time than ctx has. To send again is to go on.
		if err = refusal(err); !errors.Is(err, errExpired) {
			return common.Hash{}, err
		}
		if err := ctx.Err(); err != nil {
			return common.Hash{}, err
		}
	}
	_, _, err := f.store.WaitTx(ctx, receipt.TransactionHash)
	return receipt.TransactionHash, err
}

// remaining is the time that ctx has, in milliseconds and 1 at least; nil for any.
func remaining(ctx context.Context) *int64 {
	end, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	ms := max(0, time.Until(end).Milliseconds()) + 1
	return &ms
}

// errExpired says that the sequencer's time for a transaction is over.
var errExpired = errors.New(realtime.Expired)

// refusal is an error of the sequencer, with its code, text and data, that matches
// the sentinel from which wire.SendError made it there: so the door, which asks for
// them, answers as the sequencer's does.
func refusal(err error) error {
	coded := rpc.Error(nil)
	if !errors.As(err, &coded) {
		return err
	}
	out := &wire.Error{Code: coded.ErrorCode(), Message: coded.Error(), Err: err}
	if withData := rpc.DataError(nil); errors.As(err, &withData) {
		out.Data = withData.ErrorData()
	}
	switch {
	case out.Code == wire.CodeLimitExceeded:
		out.Err = chain.ErrBusy
	case out.Code != wire.CodeServer:
	case out.Message == realtime.Expired:
		out.Err = errExpired
	case strings.HasPrefix(out.Message, "node is shutting down"):
		out.Err = chain.ErrClosed
	}
	return out
}

// PendingNonce implements backend.Backend.
func (f *Fullnode) PendingNonce(ctx context.Context, addr common.Address) (uint64, error) {
	var nonce hexutil.Uint64
	err := f.sequencer.CallContext(ctx, &nonce, "eth_getTransactionCount", addr, "pending")
	return uint64(nonce), err
}

// Pool implements backend.Backend. It is not asked: see Forward.
func (f *Fullnode) Pool(context.Context) (backend.Pool, error) { return backend.Pool{}, nil }

// PoolStatus implements backend.Backend. It is not asked: see Forward.
func (f *Fullnode) PoolStatus(context.Context) (pending, queued int, err error) { return 0, 0, nil }

// PoolTx implements backend.Backend. The transactions of a full node have executed.
func (f *Fullnode) PoolTx(context.Context, common.Hash) (*chain.Tx, error) { return nil, nil }
