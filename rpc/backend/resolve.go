package backend

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// ErrHeaderNotFound is for a block that is not there, in go-ethereum's wording.
var ErrHeaderNotFound = errors.New("header not found")

// errHashNotFound is ErrHeaderNotFound for who named the block by its hash.
var errHashNotFound = hashNotFound{}

type hashNotFound struct{}

func (hashNotFound) Error() string        { return "header for hash not found" }
func (hashNotFound) Is(target error) bool { return target == ErrHeaderNotFound }

// errNoSafe and errNoFinalized are for a node that does not know these heads, in
// go-ethereum's wording.
var (
	errNoSafe      = errors.New("safe block not found")
	errNoFinalized = errors.New("finalized block not found")
)

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
// bounds reads of the View that wait: see parentHashes. A block that is not kept is
// wire.NotKept's error; a state that is not, of a block that is, matches
// chain.ErrNotFound.
func StateOf(ctx context.Context, b Backend, at rpc.BlockNumberOrHash) (*State, error) {
	if number, ok := at.Number(); ok && (number == rpc.LatestBlockNumber || number == rpc.PendingBlockNumber) {
		view, env := b.Latest()
		view = withParentHashes(ctx, b, view, env)
		return &State{View: view, Env: env, Ancestors: ancestors{b}}, nil
	}
	number, err := SealedNumber(b, at)
	if err != nil {
		return nil, err
	}
	header, err := b.History().Header(number)
	switch {
	case errors.Is(err, chain.ErrNotFound):
		return nil, ErrHeaderNotFound
	case err != nil:
		return nil, wire.NotKept(err)
	}
	id := header.ID()
	view, err := b.StateAt(id)
	if err != nil {
		return nil, fmt.Errorf("state of block %d is not available: %w", number, err)
	}
	env := (&chain.Block{Header: header}).Env()
	return &State{View: view, Env: env, Block: id, Ancestors: ancestors{b}}, nil
}

// SealedNumber is the number of the sealed block that a client names; latest and
// pending are the newest sealed one, earliest is genesis, whatever is kept. A block that
// is named by its number need not exist. A hash that no block has matches
// ErrHeaderNotFound, if all hashes are kept; otherwise it is wire.NotKept's error, for it
// may be that of a block that is not.
func SealedNumber(b Backend, at rpc.BlockNumberOrHash) (uint64, error) {
	if hash, ok := at.Hash(); ok {
		return numberOf(b.History(), hash)
	}
	number, ok := at.Number()
	if !ok {
		return 0, errors.New("neither block number nor hash")
	}
	switch number {
	case rpc.LatestBlockNumber, rpc.PendingBlockNumber:
		return b.History().Head().Number, nil
	case rpc.SafeBlockNumber:
		heads := b.Heads()
		return known(heads.Published, heads.Unknown, errNoSafe)
	case rpc.FinalizedBlockNumber:
		heads := b.Heads()
		return known(heads.Proven, heads.Unknown, errNoFinalized)
	case rpc.EarliestBlockNumber:
		return 0, nil
	}
	if number < 0 {
		return 0, fmt.Errorf("block number %d is no block's", number)
	}
	return uint64(number), nil
}

func numberOf(store *history.Store, hash common.Hash) (uint64, error) {
	number, err := store.Number(hash)
	switch {
	case !errors.Is(err, chain.ErrNotFound):
		return number, err
	case store.CompleteHeaders():
		return 0, errHashNotFound
	}
	return 0, wire.NotKept(fmt.Errorf("block %s: %w", hash, history.ErrNotKept))
}

// known is the number of a head; unknown if the node cannot say, none if there is none.
func known(head chain.BlockID, unknown, none error) (uint64, error) {
	switch {
	case head != chain.BlockID{}:
		return head.Number, nil
	case unknown != nil:
		return 0, unknown
	}
	return 0, none
}

// SealedBlock is the sealed block that a client names; nil without an error if there
// is none. One that is not kept, or may be, is wire.NotKept's error.
func SealedBlock(b Backend, at rpc.BlockNumberOrHash) (*history.Block, error) {
	return sealed(b, at, b.History().Block)
}

// SealedHeader is SealedBlock for headers, which are kept where blocks are pruned.
func SealedHeader(b Backend, at rpc.BlockNumberOrHash) (*chain.Header, error) {
	return sealed(b, at, b.History().Header)
}

func sealed[T any](b Backend, at rpc.BlockNumberOrHash, read func(uint64) (*T, error)) (*T, error) {
	number, err := SealedNumber(b, at)
	if err == nil {
		var found *T
		if found, err = read(number); err == nil {
			return found, nil
		}
	}
	if errors.Is(err, chain.ErrNotFound) || errors.Is(err, ErrHeaderNotFound) {
		return nil, nil
	}
	return nil, wire.NotKept(err)
}

// ancestors answers from history, or for a Leader's newest blocks from it. The hash of a block that is not sealed yet is
// waited for.
type ancestors struct{ b Backend }

// BlockHash implements chain.Ancestors.
func (a ancestors) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	return waitHash(ctx, a.b, number)
}
