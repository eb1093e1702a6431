package backend

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// ErrHeaderNotFound is for a block that is not there, in go-ethereum's wording.
var ErrHeaderNotFound = errors.New("header not found")

// errHashNotFound is ErrHeaderNotFound for who named the block by its hash.
var errHashNotFound = hashNotFound{}

type hashNotFound struct{}

func (hashNotFound) Error() string        { return "header for hash not found" }
func (hashNotFound) Is(target error) bool { return target == ErrHeaderNotFound }

// A State is what a call reads: a state, and the block that it executes in.
type State struct {
	View chain.StateView
	// Env is the block's; calls execute in it.
	Env *chain.Env
	// Block is the sealed block after which the state is, or the zero BlockID for
	// that of an unsealed one.
	Block chain.BlockID
	// Ancestors answers BLOCKHASH in Env's block.
	Ancestors chain.Ancestors
}

// OrLatest is the block that a call names, or latest if it names none.
func OrLatest(at *rpc.BlockNumberOrHash) rpc.BlockNumberOrHash {
	if at == nil {
		return rpc.BlockNumberOrHashWithNumber(rpc.LatestBlockNumber)
	}
	return *at
}

// StateOf returns the state that a client names. latest and pending are the newest
// mini-block's; safe and finalized are the published and the proven head. ctx also
// bounds reads of the View that wait: see parentHashes.
func StateOf(ctx context.Context, b Backend, at rpc.BlockNumberOrHash) (*State, error) {
	if number, ok := at.Number(); ok && (number == rpc.LatestBlockNumber || number == rpc.PendingBlockNumber) {
		view, env := b.Latest()
		view = withParentHashes(ctx, b, view, env)
		return &State{View: view, Env: env, Ancestors: ancestors{b.History()}}, nil
	}
	number, err := SealedNumber(b, at)
	if err != nil {
		return nil, err
	}
	header, err := b.History().Header(number)
	if err != nil {
		return nil, missing(err)
	}
	id := header.ID()
	view, err := b.StateAt(id)
	if err != nil {
		return nil, fmt.Errorf("state of block %d is not available: %w", number, err)
	}
	env := (&chain.Block{Header: header}).Env()
	return &State{View: view, Env: env, Block: id, Ancestors: ancestors{b.History()}}, nil
}

// SealedNumber is the number of the sealed block that a client names; latest and
// pending are the newest sealed one. The block need not exist.
func SealedNumber(b Backend, at rpc.BlockNumberOrHash) (uint64, error) {
	if hash, ok := at.Hash(); ok {
		number, err := b.History().Number(hash)
		if errors.Is(err, chain.ErrNotFound) {
			err = errHashNotFound
		}
		return number, err
	}
	number, ok := at.Number()
	if !ok {
		return 0, errors.New("neither block number nor hash")
	}
	switch number {
	case rpc.LatestBlockNumber, rpc.PendingBlockNumber:
		return b.History().Head().Number, nil
	case rpc.SafeBlockNumber:
		return b.Heads().Published.Number, nil
	case rpc.FinalizedBlockNumber:
		return b.Heads().Proven.Number, nil
	case rpc.EarliestBlockNumber:
		return 0, nil
	}
	if number < 0 {
		return 0, fmt.Errorf("block number %d is no block's", number)
	}
	return uint64(number), nil
}

// SealedBlock is the sealed block that a client names; nil without an error if there
// is none.
func SealedBlock(b Backend, at rpc.BlockNumberOrHash) (*history.Block, error) {
	number, err := SealedNumber(b, at)
	if err == nil {
		var block *history.Block
		if block, err = b.History().Block(number); err == nil {
			return block, nil
		}
	}
	if errors.Is(err, chain.ErrNotFound) || errors.Is(err, ErrHeaderNotFound) {
		return nil, nil
	}
	return nil, err
}

func missing(err error) error {
	if errors.Is(err, chain.ErrNotFound) {
		return ErrHeaderNotFound
	}
	return err
}

// ancestors answers from history. The hash of a block that is not sealed yet is
// waited for.
type ancestors struct{ store *history.Store }

// BlockHash implements chain.Ancestors.
func (a ancestors) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	header, err := waitHeader(ctx, a.store, number)
	if errors.Is(err, history.ErrNotKept) {
		return common.Hash{}, &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
	}
	if err != nil {
		return common.Hash{}, err
	}
	return header.Hash(), nil
}
