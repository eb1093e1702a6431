package fullnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// takeHeader is step 7 for a block: compute the root, compare, and only then
// commit.
func (f *Follower) takeHeader(ctx context.Context, sealed *chain.Sealed) error {
	h := sealed.Header
	if h.Number == f.head.Number && h.Hash() != f.head.Hash() {
		return &chain.MismatchError{Block: h.Number, Field: "hash", Got: h.Hash().Hex(), Want: f.head.Hash().Hex()}
	}
	if h.Number <= f.head.Number {
		return nil // a sequencer that restarts repeats the newest headers
	}
	if len(f.blocks) == 0 || !f.blocks[0].closed || f.blocks[0].env.Number != h.Number {
		return fmt.Errorf("%w: header of block %d, of which the mini-blocks have not all come", chain.ErrOutOfStep, h.Number)
	}
	b := f.blocks[0]
	commitment, err := f.check(ctx, b, sealed)
	if ctx.Err() != nil && err != nil {
		return err // says nothing about the mini-blocks
	}
	if err != nil {
		return errors.Join(err, f.drop())
	}
	if err := f.commit(ctx, h, commitment, b.staged); err != nil {
		return err
	}
	f.blocks = f.blocks[1:]
	f.confirm.sealed(h)
	if f.backlog != nil {
		f.backlog.seal(b.owed, h)
	}
	return nil
}

// commit makes state with a checked root the block's, and the block the head.
func (f *Follower) commit(ctx context.Context, h *chain.Header, commitment chain.Commitment, staged chain.Staged) error {
	// From here on ctx does not count: the two must move together.
	ctx = context.WithoutCancel(ctx)
	f.committing.Lock()
	err := commitment.Commit(ctx)
	f.committing.Unlock()
	if err != nil {
		return err
	}
	if err := staged.Commit(ctx, h.ID()); err != nil {
		return err
	}
	f.head = h
	f.ancestry.add(h)
	f.showHeader(h)
	return nil
}

func (f *Follower) showHeader(h *chain.Header) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heads.RootChecked, f.header = h.ID(), h
	f.stats.Blocks++
}

// check compares everything that a node without execution can compare, and
// computes the root.
func (f *Follower) check(ctx context.Context, b *block, sealed *chain.Sealed) (chain.Commitment, error) {
	h := sealed.Header
	if err := h.CheckParent(f.head); err != nil {
		return nil, err
	}
	if last := b.digests[len(b.digests)-1]; sealed.Frame != last {
		return nil, &chain.MismatchError{Block: h.Number, Field: "digest of the last frame", Got: sealed.Frame.Hex(), Want: last.Hex()}
	}
	if err := checkEnv(b, h); err != nil {
		return nil, err
	}
	changes, err := f.net(b)
	if err != nil {
		return nil, err
	}
	if f.cfg.Reexecute != nil {
		b.owed.changes = changes.Digest()
	}
	return f.rooted(ctx, h, changes)
}

// rooted is the commitment of changes to the state at the head, if its root is the
// header's.
func (f *Follower) rooted(ctx context.Context, h *chain.Header, changes *chain.Changes) (chain.Commitment, error) {
	commitment, err := f.Begin(ctx, f.head.StateRoot)
	if err != nil {
		return nil, err
	}
	if err := commitment.Apply(changes); err != nil {
		commitment.Discard()
		return nil, err
	}
	root, err := commitment.Root(ctx)
	if err == nil && root != h.StateRoot {
		err = &chain.MismatchError{Block: h.Number, Field: "stateRoot", Got: root.Hex(), Want: h.StateRoot.Hex()}
	}
	if err != nil {
		commitment.Discard()
		return nil, err
	}
	return commitment, nil
}

// net is the whole block's Changes.
func (f *Follower) net(b *block) (*chain.Changes, error) {
	parts := b.parts
	if b.hashPending {
		view, err := f.store.View(f.head.ID())
		if err != nil {
			return nil, err
		}
		write, err := chain.ParentHashChange(f.head, view)
		if err != nil {
			return nil, err
		}
		parts = append([]*chain.Changes{write}, parts...)
	}
	return chain.Merge(parts...)
}

// checkEnv compares the header with what the block's frames announced.
func checkEnv(b *block, h *chain.Header) error {
	e := b.env
	for _, field := range []struct {
		name      string
		got, want any
		same      bool
	}{
		{"timestamp", e.Timestamp, h.Timestamp, e.Timestamp == h.Timestamp},
		{"gasLimit", e.GasLimit, h.GasLimit, e.GasLimit == h.GasLimit},
		{"gasUsed", b.gasUsed, h.GasUsed, b.gasUsed == h.GasUsed},
		{"miner", e.Coinbase, h.Coinbase, e.Coinbase == h.Coinbase},
		{"difficulty", &e.Difficulty, &h.Difficulty, e.Difficulty == h.Difficulty},
		{"mixHash", e.PrevRandao, h.PrevRandao, e.PrevRandao == h.PrevRandao},
		{"extraData", e.ExtraData, h.ExtraData, bytes.Equal(e.ExtraData, h.ExtraData)},
		{"baseFeePerGas", e.BaseFee, h.BaseFee, equal[uint256.Int](e.BaseFee, h.BaseFee)},
		{"excessBlobGas", e.ExcessBlobGas, h.ExcessBlobGas, equal[uint64](e.ExcessBlobGas, h.ExcessBlobGas)},
		{"parentBeaconBlockRoot", e.ParentBeaconBlockRoot, h.ParentBeaconBlockRoot, equal[common.Hash](e.ParentBeaconBlockRoot, h.ParentBeaconBlockRoot)},
	} {
		if !field.same {
			return &chain.MismatchError{Block: h.Number, Field: field.name, Got: fmt.Sprint(field.got), Want: fmt.Sprint(field.want)}
		}
	}
	return nil
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// drop returns to the head: the blocks that no header vouches for are given up,
// in state, decoder and position.
func (f *Follower) drop() error {
	if len(f.blocks) == 0 {
		return nil
	}
	first := f.blocks[0]
	first.bottom.Discard()
	f.frame, f.feed = first.before, first.feed
	f.blocks = nil
	if f.backlog != nil {
		f.backlog.drop()
		f.dropped = true
	}
	err := f.diff.Rollback(first.mark)

	view, viewErr := f.store.View(f.head.ID())
	f.mu.Lock()
	defer f.mu.Unlock()
	if viewErr == nil {
		f.view, f.env, f.open = view, (&chain.Block{Header: f.head}).Env(), nil
	}
	f.heads.Preconfirmed = MiniID{Number: f.head.Number}
	return errors.Join(err, viewErr)
}
