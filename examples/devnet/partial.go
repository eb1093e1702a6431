package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/trie"
)

// A partial is one role's state before and after a block of the archive: values
// in a store, and the trie over them.
type partial struct {
	store      *state.Store
	view       chain.StateView // before the block
	pre        common.Hash
	commitment chain.Commitment // from before to after
}

func loadPartial(ctx context.Context, b *mainnet.Block) (*partial, error) {
	store, err := state.Open(state.Config{})
	if err != nil {
		return nil, err
	}
	p := &partial{store: store}
	parent := chain.BlockID{Number: b.Header.Number - 1, Hash: b.Header.ParentHash}
	if err := p.commit(ctx, parent, b.Pre.Changes()); err != nil {
		return nil, err
	}
	if p.view, err = store.View(parent); err != nil {
		return nil, err
	}
	tries := trie.New(trie.Config{})
	loading, err := tries.Begin(ctx, chain.EmptyRoot)
	if err != nil {
		return nil, err
	}
	if err := loading.Apply(b.Pre.Changes()); err != nil {
		return nil, err
	}
	if p.pre, err = loading.Root(ctx); err != nil {
		return nil, err
	}
	if err := loading.Commit(ctx); err != nil {
		return nil, err
	}
	p.commitment, err = tries.Begin(ctx, p.pre)
	return p, err
}

// commit makes c the newest block of the store.
func (p *partial) commit(ctx context.Context, id chain.BlockID, c *chain.Changes) error {
	staged, err := p.store.Stage(ctx, c)
	if err != nil {
		return err
	}
	return staged.Commit(ctx, id)
}

// root is the root of the partial state after c.
func (p *partial) root(ctx context.Context, c *chain.Changes) (common.Hash, error) {
	if err := p.commitment.Apply(c); err != nil {
		return common.Hash{}, err
	}
	return p.commitment.Root(ctx)
}

// checkRoot is root, compared with the sequencer's.
func (p *partial) checkRoot(ctx context.Context, number uint64, c *chain.Changes, want common.Hash) error {
	got, err := p.root(ctx, c)
	if err == nil && got != want {
		err = &chain.MismatchError{Block: number, Field: "stateRoot (partial) by the full node", Got: got.String(), Want: want.String()}
	}
	return err
}

// witness proves accesses, in its encoded form.
func (p *partial) witness(ctx context.Context, accesses *chain.AccessSet, parent *chain.Header) ([]byte, error) {
	w, err := p.commitment.Witness(ctx, accesses)
	if err != nil {
		return nil, err
	}
	header, err := parent.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	w.Headers = [][]byte{header}
	for i := range accesses.Accounts {
		a := &accesses.Accounts[i]
		if !a.Code {
			continue
		}
		account, ok, err := p.view.Account(a.Address)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("code of %s was read: %w", a.Address, chain.ErrNotFound)
		}
		code, err := p.view.Code(account.CodeHash)
		if err != nil {
			return nil, err
		}
		w.Codes = append(w.Codes, code)
	}
	w.Normalize()
	return w.AppendBinary(nil)
}

// check compares the store's newest state with all that c says it has now.
func (p *partial) check(number uint64, c *chain.Changes) error {
	view, err := p.store.View(p.store.Head())
	if err != nil {
		return err
	}
	for i := range c.Accounts {
		err = errors.Join(err, checkAccount(view, number, &c.Accounts[i]))
	}
	for _, code := range c.Codes {
		got, codeErr := view.Code(code.Hash)
		if codeErr == nil && string(got) != string(code.Bytes) {
			codeErr = &chain.MismatchError{Block: number, Field: fmt.Sprintf("code %s", code.Hash), Got: fmt.Sprintf("%x", got), Want: fmt.Sprintf("%x", code.Bytes)}
		}
		err = errors.Join(err, codeErr)
	}
	return err
}

func checkAccount(view chain.StateView, number uint64, want *chain.AccountChange) error {
	differ := func(field, got, want string) error {
		return &chain.MismatchError{Block: number, Field: field, Got: got, Want: want}
	}
	got, ok, err := view.Account(want.Address)
	switch {
	case err != nil:
		return err
	case ok != want.Exists || got != want.After:
		return differ(fmt.Sprintf("account %s", want.Address),
			fmt.Sprintf("%+v (exists: %t)", got, ok), fmt.Sprintf("%+v (exists: %t)", want.After, want.Exists))
	}
	for _, s := range want.Slots {
		value, err := view.Slot(want.Address, s.Key)
		if err != nil {
			return err
		}
		if value != s.After {
			return differ(fmt.Sprintf("slot %s of %s", s.Key, want.Address), value.Hex(), s.After.Hex())
		}
	}
	return nil
}
