package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// Fullnode is a backend.Backend over a full node whose Config.History is the store.
type Fullnode struct {
	follower  *fullnode.Follower
	store     *history.Store
	config    *params.ChainConfig
	sequencer *upstream
	told      told
	began     uint64 // newest sealed block when it was made
}

var (
	_ backend.Backend   = (*Fullnode)(nil)
	_ backend.Forwarder = (*Fullnode)(nil)
	_ backend.Leader    = (*Fullnode)(nil)
)

// FullnodeOptions are what a full node's Backend may have. The zero value is useful.
type FullnodeOptions struct {
	// Sequencer is where what is the sequencer's business goes: see Dial. Without one,
	// who asks is told that the sequencer is not reachable. It is not closed.
	Sequencer *rpc.Client
	// Logger gets where the sequencer is not reachable and why, of which clients are not
	// told. Default: slog.Default.
	Logger *slog.Logger
}

// OfFullnode makes the Backend of a full node whose Config.History is store. If that keeps
// headers only, so does the door: what blocks held and did it asks the sequencer for, and
// without one says that it is not kept, as it always does of logs, and of what subscriptions
// and filters, except those for headers and hashes of blocks, would tell. Nobody can wait for
// a receipt there (eth_sendRawTransactionSync): such a transaction is not passed on.
func OfFullnode(f *fullnode.Follower, store *history.Store, config *params.ChainConfig, o FullnodeOptions) *Fullnode {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Fullnode{follower: f, store: store, config: config, sequencer: newUpstream(o.Sequencer, o.Logger), began: store.Head().Number}
}

// ChainConfig implements backend.Backend.
func (f *Fullnode) ChainConfig() *params.ChainConfig { return f.config }

// History implements backend.Backend.
func (f *Fullnode) History() *history.Store { return f.store }

// Latest implements backend.Backend.
func (f *Fullnode) Latest() (chain.StateView, *chain.Env) { return f.follower.Latest() }

// OpenEnv implements backend.Backend. The node hears of a block with its first
// mini-block, and that the block is closed with its last.
func (f *Fullnode) OpenEnv() *chain.Env { return f.follower.OpenEnv() }

// Header implements backend.Leader.
func (f *Fullnode) Header() *chain.Header { return f.follower.Header() }

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
	return f.sequencer.read(ctx, method, params...)
}

// Send implements backend.Backend.
func (f *Fullnode) Send(ctx context.Context, raw []byte) (common.Hash, error) {
	var hash common.Hash
	sched.Rest(ctx)
	err := f.sequencer.send(ctx, &hash, "eth_sendRawTransaction", hexutil.Bytes(raw))
	return hash, err
}

// errNoReceipts is for who wants to wait for a receipt that will not come.
var errNoReceipts = &wire.Error{Code: wire.CodeServer, Message: "this node keeps no receipts: eth_sendRawTransaction passes the transaction on"}

// Submit implements backend.Backend: the sequencer has acknowledged the transaction,
// and this node has it. It asks by realtime_sendRawTransaction, which as Submit does
// takes a nonce that is too high, where eth_sendRawTransactionSync does not.
func (f *Fullnode) Submit(ctx context.Context, raw []byte) (common.Hash, error) {
	var receipt struct {
		TransactionHash common.Hash    `json:"transactionHash"`
		BlockNumber     hexutil.Uint64 `json:"blockNumber"`
	}
	if f.store.HeadersOnly() {
		return common.Hash{}, errNoReceipts
	}
	sched.Rest(ctx)
	for {
		err := f.sequencer.send(ctx, &receipt, "realtime_sendRawTransaction", hexutil.Bytes(raw), remaining(ctx))
		if err == nil {
			break
		}
		// The sequencer may grant less time than ctx has. To send again is to go on.
		if !errors.Is(err, errExpired) {
			return common.Hash{}, err
		}
		if err := over(ctx); err != nil {
			return common.Hash{}, err
		}
	}
	return receipt.TransactionHash, f.awaitTx(ctx, receipt.TransactionHash, uint64(receipt.BlockNumber))
}

// awaitTx waits until history has a transaction of the block with that number. If the
// block is past and history has it not, it will never have: the error matches
// history.ErrNotKept. Should the block get into a gap while somebody waits, who sends
// again is told so.
func (f *Fullnode) awaitTx(ctx context.Context, hash common.Hash, number uint64) error {
	past := f.store.Head().Number >= number // asked first: the transaction is there before its block is sealed
	if _, _, err := f.store.Tx(hash); past && errors.Is(err, chain.ErrNotFound) {
		return fmt.Errorf("transaction %s of block %d: %w", hash, number, history.ErrNotKept)
	}
	_, _, err := f.store.WaitTx(ctx, hash)
	return err
}

// over is why ctx has ended. If its time is over, it waits for ctx to say so.
func over(ctx context.Context) error {
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		<-ctx.Done()
	}
	return ctx.Err()
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

// PendingNonce implements backend.Backend.
func (f *Fullnode) PendingNonce(ctx context.Context, addr common.Address) (uint64, error) {
	answer, err := f.sequencer.read(ctx, "eth_getTransactionCount", addr, "pending")
	if err != nil {
		return 0, err
	}
	var nonce hexutil.Uint64
	err = json.Unmarshal(answer, &nonce)
	return uint64(nonce), err
}

// Pool implements backend.Backend. It is not asked: see Forward.
func (f *Fullnode) Pool(context.Context) (backend.Pool, error) { return backend.Pool{}, nil }

// PoolStatus implements backend.Backend. It is not asked: see Forward.
func (f *Fullnode) PoolStatus(context.Context) (pending, queued int, err error) { return 0, 0, nil }

// lookupTime is how long the sequencer may take to say whether it knows a transaction.
const lookupTime = 2 * time.Second

// PoolTx implements backend.Backend. The transactions of a full node have executed; what
// waits, or has executed elsewhere and not here yet, the sequencer knows.
func (f *Fullnode) PoolTx(ctx context.Context, hash common.Hash) (*chain.Tx, error) {
	answers, err := f.sequencer.readAll(ctx, lookupTime,
		question{"eth_getTransactionByHash", []any{hash}}, question{"eth_getRawTransactionByHash", []any{hash}})
	if err != nil {
		return nil, err
	}
	var (
		place *struct{ BlockNumber *hexutil.Uint64 }
		raw   hexutil.Bytes
	)
	if err := errors.Join(json.Unmarshal(answers[0], &place), json.Unmarshal(answers[1], &raw)); err != nil {
		return nil, fmt.Errorf("the sequencer's answer for transaction %s: %w", hash, err)
	}
	switch {
	case place == nil || len(raw) == 0: // it may have come between the two questions
		return nil, nil
	case place.BlockNumber != nil && uint64(*place.BlockNumber) <= f.store.Head().Number:
		return nil, fmt.Errorf("transaction %s of block %d: %w", hash, *place.BlockNumber, history.ErrNotKept)
	case chain.Keccak256(raw) != hash:
		return nil, fmt.Errorf("the sequencer's answer for transaction %s: %w", hash, chain.ErrCorrupt)
	}
	return chain.NewTx(raw), nil
}
