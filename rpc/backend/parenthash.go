package backend

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

const (
	// parentHashTime is how long a read waits for a hash. A block is sealed within
	// seconds of its end, or its node has other worries.
	parentHashTime = 5 * time.Second
	// pauseMax is the longest time between two looks for a block of which history has
	// not heard.
	pauseMax = 50 * time.Millisecond
)

// parentHashes is the state in or after an unsealed block with the writes of EIP-2935
// that its transactions see. The write that opens a block is in none of its
// mini-blocks, because the parent's hash comes later (chain.MiniBlock); so a view at a
// mini-block can lack the one of its own block, and, as a node shows a block's last
// mini-block until something of the next has executed, that of the block before.
//
// The values come from the sealed headers, the block's own or its child's, for the
// block's may be in a gap of history: a node that began at a snapshot has that from
// its second block on. A node whose history waits for bodies has them from its state
// (Leader). Where there is no header yet the hash does not exist either, and who reads
// the slot waits for it, as a transaction does, until ctx ends or parentHashTime is
// over. A hash that is not to be had is an error: the slot below has that of 8191
// blocks before.
type parentHashes struct {
	chain.StateView
	ctx    context.Context
	b      Backend
	number uint64 // of the block that the state is in or after
}

// withParentHashes adds the hashes to view, which is in or after the block of env.
func withParentHashes(ctx context.Context, b Backend, view chain.StateView, env *chain.Env) chain.StateView {
	if env.Number == 0 || !writesParentHash(b, env.Number, env.Timestamp) {
		return view
	}
	return &parentHashes{view, ctx, b, env.Number}
}

// writesParentHash reports whether a block opens with the write.
func writesParentHash(b Backend, number, time uint64) bool {
	return b.ChainConfig().IsPrague(new(big.Int).SetUint64(number), time)
}

// Slot implements chain.StateView.
func (p *parentHashes) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	known, err := p.StateView.Slot(addr, key)
	if addr != chain.HistoryStorageAddress || err != nil {
		return known, err
	}
	for child := p.number; child > 0 && child+1 >= p.number; child-- {
		if key == chain.HistorySlot(child-1) {
			return p.hash(child, known)
		}
	}
	return known, nil
}

// hash is what the slot of child's parent holds, which is known, the value below, if
// child does not write it.
func (p *parentHashes) hash(child uint64, known uint256.Int) (uint256.Int, error) {
	account, _, err := p.Account(chain.HistoryStorageAddress)
	if err != nil || account.CodeHash != chain.HistoryStorageCodeHash {
		return known, err
	}
	if child < p.number { // else withParentHashes has asked
		env, err := p.env(child)
		if err != nil || env == nil || !writesParentHash(p.b, child, env.Timestamp) {
			return known, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(p.ctx, parentHashTime, &chain.MissingError{What: fmt.Sprintf("hash of block %d", child-1)})
	defer cancel()
	hash, err := waitHash(ctx, p.b, child-1)
	if err != nil {
		return known, err
	}
	return *new(uint256.Int).SetBytes32(hash[:]), nil
}

// env is the environment of a block that may not be sealed; nil if it is not kept.
func (p *parentHashes) env(number uint64) (*chain.Env, error) {
	for _, block := range p.b.History().Unsealed() { // before Header: a block in neither would be missed
		if block.Number() == number {
			return block.Env, nil
		}
	}
	header, err := p.b.History().Header(number)
	if errors.Is(err, chain.ErrNotFound) || errors.Is(err, history.ErrNotKept) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return (&chain.Block{Header: header}).Env(), nil
}

// waitHash is the hash of a block that there is. Where neither history nor a Leader has
// it yet, it waits for either: also while history has not heard of the block, because it
// can be behind the state. If the header is not kept, nor the child's, it matches
// chain.ErrUnknown.
func waitHash(ctx context.Context, b Backend, number uint64) (common.Hash, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, pauseMax) {
		if hash, ok := leaderHash(b, number); ok {
			return hash, nil
		}
		hash, err := historyHash(ctx, b.History(), number)
		if ctx.Err() != nil && err != nil {
			return common.Hash{}, context.Cause(ctx)
		}
		if !errors.Is(err, chain.ErrNotFound) {
			return hash, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return common.Hash{}, context.Cause(ctx)
		}
	}
}

// leaderHash is the hash of the newest sealed block of a state that is ahead of its
// history, or of the one before.
func leaderHash(b Backend, number uint64) (hash common.Hash, ok bool) {
	l, ok := b.(Leader)
	if !ok {
		return common.Hash{}, false
	}
	switch h := l.Header(); {
	case h == nil:
	case h.Number == number:
		return h.Hash(), true
	case h.Number == number+1:
		return h.ParentHash, true
	}
	return common.Hash{}, false
}

// historyHash is the hash of a block from its header or, where that is not kept, its
// child's. It waits for one that history has heard of.
func historyHash(ctx context.Context, store *history.Store, number uint64) (common.Hash, error) {
	header, err := store.WaitHeader(ctx, number)
	if err == nil {
		return header.Hash(), nil
	}
	if errors.Is(err, history.ErrNotKept) {
		if header, err = store.WaitHeader(ctx, number+1); err == nil {
			return header.ParentHash, nil
		}
	}
	if errors.Is(err, history.ErrNotKept) {
		err = &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
	}
	return common.Hash{}, err
}
