package debug

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
)

var errTimeout = errors.New("witness timeout")

// A Witness is a chain.Witness in the JSON of debug_executionWitness.
type Witness struct {
	Headers []*types.Header `json:"headers"` // the oldest first, the parent last
	Codes   []hexutil.Bytes `json:"codes"`
	State   []hexutil.Bytes `json:"state"` // trie nodes
	// Keys would be the preimages of the hashed keys in State. go-ethereum has none
	// either: a verifier learns them as it executes.
	Keys []hexutil.Bytes `json:"keys"`
}

// ExecutionWitness returns what one needs to execute a sealed block without state,
// and nothing else.
func (a *API) ExecutionWitness(ctx context.Context, at rpc.BlockNumberOrHash) (*Witness, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, errTimeout)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	found, err := backend.SealedBlock(a.backend, at)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, fmt.Errorf("block %s not found", at.String())
	case found.Number() == 0:
		return nil, fmt.Errorf("block %s found, but parent missing", at.String())
	}
	w, err := a.witness(ctx, found)
	if err != nil {
		return nil, err
	}
	return encode(w)
}

// witness makes the canonical witness of a sealed block.
func (a *API) witness(ctx context.Context, b *history.Block) (*chain.Witness, error) {
	parent, err := a.parent(ctx, b)
	if err != nil {
		return nil, err
	}
	result, err := a.executor.Execute(ctx, body(b), parent.Ancestors, parent.View)
	if err != nil {
		return nil, err
	}
	w, err := a.prove(ctx, b.Number()-1, result)
	if err != nil {
		return nil, err
	}
	if w.Codes, err = codes(result.Accesses, parent.View); err != nil {
		return nil, err
	}
	oldest := b.Number()
	if read := result.Accesses.Ancestors; len(read) > 0 {
		oldest = read[0]
	}
	if w.Headers, err = a.headers(b.Number(), oldest); err != nil {
		return nil, err
	}
	w.Normalize()
	return w, nil
}

// parent is the state before a block.
func (a *API) parent(ctx context.Context, b *history.Block) (*backend.State, error) {
	state, err := backend.StateOf(ctx, a.backend, rpc.BlockNumberOrHashWithHash(b.Header.ParentHash, false))
	return state, unavailable(err)
}

// unavailable words err if it says that the node no longer has a state.
func unavailable(err error) error {
	if errors.Is(err, chain.ErrNotFound) {
		return fmt.Errorf("required historical state unavailable: %w", err)
	}
	return err
}

// prove collects the trie nodes that result takes on the state after block number.
func (a *API) prove(ctx context.Context, number uint64, result *chain.Result) (*chain.Witness, error) {
	header, err := a.backend.History().Header(number)
	if err != nil {
		return nil, err
	}
	commitment, err := a.backend.Begin(ctx, header.StateRoot)
	if err != nil {
		return nil, unavailable(err)
	}
	defer commitment.Discard()
	if err := commitment.Apply(result.Changes); err != nil {
		return nil, err
	}
	return commitment.Witness(ctx, result.Accesses)
}

// codes are the codes that a block read, from the state before it. They may repeat.
func codes(accesses *chain.AccessSet, prior chain.StateView) ([][]byte, error) {
	var out [][]byte
	for i := range accesses.Accounts {
		if !accesses.Accounts[i].Code {
			continue
		}
		account, ok, err := prior.Account(accesses.Accounts[i].Address)
		if err != nil {
			return nil, err
		}
		if !ok || account.CodeHash == chain.EmptyCodeHash {
			continue
		}
		code, err := prior.Code(account.CodeHash)
		if err != nil {
			return nil, err
		}
		out = append(out, code)
	}
	return out, nil
}

// headers are those that a witness for child has, from the parent backwards.
func (a *API) headers(child, oldest uint64) ([][]byte, error) {
	var out [][]byte
	for i := range chain.WitnessHeaders(child, oldest) {
		h, err := a.backend.History().Header(child - 1 - uint64(i))
		if err != nil {
			return nil, err
		}
		raw, err := h.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

func encode(w *chain.Witness) (*Witness, error) {
	out := &Witness{Codes: hexes(w.Codes), State: hexes(w.Nodes)}
	for _, raw := range w.Headers {
		h := new(types.Header)
		if err := rlp.DecodeBytes(raw, h); err != nil {
			return nil, err
		}
		out.Headers = append(out.Headers, h)
	}
	slices.Reverse(out.Headers)
	return out, nil
}

func hexes(list [][]byte) []hexutil.Bytes {
	out := make([]hexutil.Bytes, len(list))
	for i, b := range list {
		out[i] = b
	}
	return out
}
