// Package backend is what the door asks of a node: the seam between package rpc and
// the roles. A sequencer and a full node each have an adapter; so can anything else
// that has a state, a history and somebody who takes transactions.
package backend

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// A Backend is a node. All methods may be called concurrently.
type Backend interface {
	ChainConfig() *params.ChainConfig
	// History has blocks, receipts and logs, and the feed of new ones.
	History() *history.Store
	// Heads are the heads that block tags stand for.
	Heads() Heads

	// Latest is the newest state that may be shown, and the environment of the block
	// that it is in or after: with everything that is acknowledged at a sequencer, at
	// the newest mini-block elsewhere.
	Latest() (chain.StateView, *chain.Env)
	// OpenEnv is the environment of the block that is open now, in which a transaction
	// that is sent now executes at the earliest; nil if the node does not know it. It is
	// newer than Latest's while nothing has executed in that block.
	OpenEnv() *chain.Env
	// StateAt is the state after a sealed block. It matches chain.ErrNotFound when
	// the node does not reach back so far.
	StateAt(id chain.BlockID) (chain.StateView, error)
	// Begin starts a commitment on a state root, for proofs, witnesses and roots of
	// simulated blocks; it is never committed. It matches chain.ErrNotFound when the
	// node does not reach back so far.
	Begin(ctx context.Context, root common.Hash) (chain.Commitment, error)

	// Send takes a raw transaction and does not wait for it. Errors match
	// chain.ErrInvalidTx, ErrBusy, ErrTooLarge or ErrClosed, or come from a sequencer
	// elsewhere, as an rpc.Error.
	Send(ctx context.Context, raw []byte) (common.Hash, error)
	// Submit takes a raw transaction and waits until it is acknowledged and in
	// History. The errors are Send's, and that of ctx; one matches history.ErrNotKept
	// if it is acknowledged, and in a block that is not kept here.
	Submit(ctx context.Context, raw []byte) (common.Hash, error)
	// PendingNonce is the nonce of the account's next transaction, those counted that
	// wait in the pool with no gap before them.
	PendingNonce(ctx context.Context, addr common.Address) (uint64, error)
	// Pool is what waits.
	Pool(ctx context.Context) (Pool, error)
	// PoolStatus is how many wait, as Pool has them, without listing them.
	PoolStatus(ctx context.Context) (pending, queued int, err error)
	// PoolTx is a transaction that waits, or nil. A Forwarder asks its sequencer for
	// what this node has not executed: nil says that there is none there either, and
	// history.ErrNotKept that it is in a block that is not kept here.
	PoolTx(ctx context.Context, hash common.Hash) (*chain.Tx, error)
}

// Heads are how far a node is, and how sure. The zero BlockID is a head that the node
// does not know.
type Heads struct {
	Sealed    chain.BlockID // latest
	Published chain.BlockID // safe
	Proven    chain.BlockID // finalized
	// Unknown is why the node cannot say which they are, for clients, where they are
	// zero; nil if there are none.
	Unknown error
}

// A Pool is what waits for execution.
type Pool struct {
	Pending []PoolTx // can execute, in the order of their nonces
	Queued  []PoolTx // wait for one before them
}

// A PoolTx is a transaction that waits.
type PoolTx struct {
	Tx     *chain.Tx
	Sender common.Address
	Nonce  uint64
}

// A Forwarder is a Backend whose transactions go to a sequencer elsewhere. The door
// passes whole calls on (those of namespace txpool, and who asks for pending nonces, for
// what is not kept here, or for the base fee of a block that the node does not know yet)
// and gives back what it answers. Errors are rpc.Errors, or that of ctx.
type Forwarder interface {
	Forward(ctx context.Context, method string, params ...any) (json.RawMessage, error)
}

// A Syncer is a Backend that follows a sequencer elsewhere and may be behind.
type Syncer interface {
	Progress(ctx context.Context) Progress
}

// A Leader is a Backend whose state can be ahead of its History, as a full node's is that
// waits for bodies.
type Leader interface {
	// Header is the newest sealed block's of the state; nil if it is not known.
	Header() *chain.Header
}

// Progress is how far a Syncer is: numbers of sealed blocks.
type Progress struct {
	Starting uint64 // where it began
	Current  uint64 // what it shows
	Highest  uint64 // what it knows of: at least Current
}
