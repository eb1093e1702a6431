package rpctest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
)

// A pool is what waits: by sender and nonce, and by hash.
type pool struct {
	limit   int
	senders map[common.Address]map[uint64]*chain.Tx
	order   []common.Address // in which senders came
	hashes  map[common.Hash]*chain.Tx
	dropped map[common.Hash]error // why, for who waits in Submit
}

func newPool(limit int) pool {
	return pool{
		limit: limit, senders: make(map[common.Address]map[uint64]*chain.Tx),
		hashes: make(map[common.Hash]*chain.Tx), dropped: make(map[common.Hash]error),
	}
}

// Send implements backend.Backend: what can execute has executed when it returns,
// unless Options.Hold is set.
func (n *Node) Send(ctx context.Context, raw []byte) (common.Hash, error) {
	tx := chain.NewTx(slices.Clone(raw))
	if err := n.admit(tx); err != nil {
		return common.Hash{}, err
	}
	if n.opts.Hold {
		return tx.Hash(), nil
	}
	n.making.Lock()
	defer n.making.Unlock()
	if err := n.fill(nil); err != nil {
		return common.Hash{}, err
	}
	return tx.Hash(), n.outcome(tx.Hash())
}

// Submit implements backend.Backend.
func (n *Node) Submit(ctx context.Context, raw []byte) (common.Hash, error) {
	hash, err := n.Send(ctx, raw)
	if err != nil {
		return hash, err
	}
	_, _, err = n.history.WaitTx(ctx, hash)
	return hash, err
}

// admit puts a transaction that is valid in itself into the pool.
func (n *Node) admit(tx *chain.Tx) error {
	env := n.next(n.Head())
	if err := n.engine.CheckTx(tx, env); err != nil {
		return err
	}
	sender, err := n.engine.Sender(tx, env)
	if err != nil {
		return err
	}
	nonce, err := nonceOf(tx)
	if err != nil {
		return err
	}
	view, _ := n.Latest()
	account, _, err := view.Account(sender)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.refuse != nil:
		return n.refuse
	case nonce < account.Nonce:
		return fmt.Errorf("%w: address %s, tx: %d state: %d", execution.ErrNonceTooLow, sender, nonce, account.Nonce)
	case n.pool.hashes[tx.Hash()] != nil:
		return fmt.Errorf("%w: already known", chain.ErrInvalidTx)
	case n.pool.senders[sender][nonce] != nil:
		return fmt.Errorf("%w: replacement transaction underpriced", chain.ErrInvalidTx)
	}
	return n.pool.add(tx, sender, nonce)
}

func nonceOf(tx *chain.Tx) (uint64, error) {
	decoded, err := execution.Decode(tx)
	if err != nil {
		return 0, err
	}
	return decoded.Nonce(), nil
}

func (p *pool) add(tx *chain.Tx, sender common.Address, nonce uint64) error {
	if len(p.hashes) >= p.limit {
		return fmt.Errorf("%w: transaction pool is full", chain.ErrBusy)
	}
	if p.senders[sender] == nil {
		p.senders[sender] = make(map[uint64]*chain.Tx)
		p.order = append(p.order, sender)
	}
	p.senders[sender][nonce] = tx
	p.hashes[tx.Hash()] = tx
	return nil
}

// ready is the next transaction of the pool that can execute, or nil: senders in the
// order in which they came.
func (n *Node) ready() *chain.Tx {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, sender := range n.pool.order {
		account, _, err := n.view.Account(sender)
		if err != nil {
			continue
		}
		if tx := n.pool.senders[sender][account.Nonce]; tx != nil {
			return tx
		}
	}
	return nil
}

// drop removes a transaction from the pool, with why, if it was not executed.
func (n *Node) drop(tx *chain.Tx, why error) {
	sender, _ := tx.Sender()
	nonce, _ := nonceOf(tx)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pool.hashes, tx.Hash())
	delete(n.pool.senders[sender], nonce)
	if len(n.pool.senders[sender]) == 0 {
		delete(n.pool.senders, sender)
		n.pool.order = slices.DeleteFunc(n.pool.order, func(a common.Address) bool { return a == sender })
	}
	if why != nil {
		n.pool.dropped[tx.Hash()] = why
	}
}

// outcome is why a transaction was dropped, or nil.
func (n *Node) outcome(hash common.Hash) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.pool.dropped[hash]
	delete(n.pool.dropped, hash)
	return err
}

// PendingNonce implements backend.Backend.
func (n *Node) PendingNonce(_ context.Context, addr common.Address) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	account, _, err := n.view.Account(addr)
	nonce := account.Nonce
	for n.pool.senders[addr][nonce] != nil {
		nonce++
	}
	return nonce, err
}

// Pool implements backend.Backend.
func (n *Node) Pool(context.Context) (backend.Pool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var (
		out  backend.Pool
		errs error
	)
	for _, sender := range n.pool.order {
		account, _, err := n.view.Account(sender)
		errs = errors.Join(errs, err)
		var (
			txs    = n.pool.senders[sender]
			nonces = make([]uint64, 0, len(txs))
			next   = account.Nonce
		)
		for nonce := range txs {
			nonces = append(nonces, nonce)
		}
		slices.Sort(nonces)
		for _, nonce := range nonces {
			entry := backend.PoolTx{Tx: txs[nonce], Sender: sender, Nonce: nonce}
			if nonce == next {
				out.Pending = append(out.Pending, entry)
				next++
			} else {
				out.Queued = append(out.Queued, entry)
			}
		}
	}
	return out, errs
}

// PoolStatus implements backend.Backend.
func (n *Node) PoolStatus(ctx context.Context) (pending, queued int, err error) {
	pool, err := n.Pool(ctx)
	return len(pool.Pending), len(pool.Queued), err
}

// PoolTx implements backend.Backend.
func (n *Node) PoolTx(_ context.Context, hash common.Hash) (*chain.Tx, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pool.hashes[hash], nil
}
