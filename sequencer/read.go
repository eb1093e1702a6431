package sequencer

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// View is the state at the newest mini-block that is logged.
func (s *Sequencer) View() (chain.StateView, MiniID) {
	r := s.readable.Load()
	return r.view, r.mini
}

// Latest is the state with every transaction whose receipt was returned, and the
// environment of the block that the last of them is in.
func (s *Sequencer) Latest() (chain.StateView, *chain.Env) {
	r := s.readable.Load()
	return r, r.env
}

// OpenEnv is the environment of the block that is open now: what admission holds
// transactions to. Nothing of the block need be logged yet.
func (s *Sequencer) OpenEnv() *chain.Env { return s.env.Load() }

// A sealedState is the state after the newest block whose header is logged.
type sealedState struct {
	id   chain.BlockID
	view chain.StateView
}

// StateAt is the state after a sealed block: the newest, or one of some before it;
// chain.ErrNotFound for others.
func (s *Sequencer) StateAt(id chain.BlockID) (chain.StateView, error) {
	// A block is sealed a moment before the store has it.
	if newest := s.sealedState.Load(); newest != nil && newest.id == id {
		return newest.view, nil
	}
	return s.store.View(id)
}

// Begin starts a commitment on the state with the given root, for proofs and
// simulations; nobody commits it. chain.ErrNotFound if the root is not kept.
func (s *Sequencer) Begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	s.committerMu.Lock()
	defer s.committerMu.Unlock()
	return s.cfg.Committer.Begin(ctx, root)
}

// ChainConfig is Config.ChainConfig, read only.
func (s *Sequencer) ChainConfig() *params.ChainConfig { return s.cfg.ChainConfig }

// Executor is what executes blocks here.
func (s *Sequencer) Executor() Executor { return s.cfg.Executor }

// PendingNonce is the nonce of the account's next transaction, after those that wait
// in the pool with no gap before them.
func (s *Sequencer) PendingNonce(addr common.Address) (uint64, error) { return s.pool.nonce(addr) }

// A Waiting is a transaction in the pool.
type Waiting struct {
	Tx     *chain.Tx
	Sender common.Address
	Nonce  uint64
	Queued bool // another with a lower nonce must come first, and has not
}

// Pool is what waits for execution, by sender and nonce.
func (s *Sequencer) Pool() []Waiting { return s.pool.content() }

// PoolStatus is how many of Pool are not queued, and how many are.
func (s *Sequencer) PoolStatus() (pending, queued int) { return s.pool.status() }

// PoolTx is the transaction with the hash if it was admitted and is not acknowledged,
// or else nil.
func (s *Sequencer) PoolTx(hash common.Hash) *chain.Tx { return s.pool.find(hash) }
