package chaintest

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

func testStoreEmpty(t *storeTest) {
	if id := t.store.Head(); id != (chain.BlockID{}) {
		t.Fatalf("head of an empty store: %s", id)
	}
	t.check()
	_, err := t.store.View(chain.BlockID{Number: 1})
	t.wantError("view of a block that is not there", err, chain.ErrNotFound)
	err = t.store.Revert(t.Context(), chain.BlockID{Number: 1})
	t.wantError("revert to a block that is not there", err, chain.ErrNotFound)
}

func testStoreStage(t *storeTest) {
	t.block()
	one, l1 := t.stage(t.store, t.head().state)
	two, l2 := t.stage(one, l1)
	t.checkView(one.View(), l1)
	t.checkView(two.View(), l2)
	t.check()
}

func testStoreCommit(t *storeTest) {
	for range 2 * StateStoreRetain {
		var (
			views  []chain.StateView
			states []ledger
			s      stager = t.store
			l             = t.head().state
			top    chain.Staged
		)
		for range 1 + t.rand.IntN(20) {
			top, l = t.stage(s, l)
			s = top
			views, states = append(views, top.View()), append(states, l)
		}
		t.commit(top, l)
		for i := range views { // of stages that are part of the block now
			t.checkView(views[i], states[i])
		}
		t.check()
	}
}

func testStoreCommitMiddle(t *storeTest) {
	one, l1 := t.stage(t.store, t.head().state)
	two, l2 := t.stage(one, l1)
	three, l3 := t.stage(two, l2)
	four, l4 := t.stage(three, l3)
	view := four.View()
	t.commit(two, l2)
	t.check()
	t.checkView(three.View(), l3)
	t.checkView(four.View(), l4)
	five, l5 := t.stage(four, l4)
	t.commit(three, l3)
	t.checkView(five.View(), l5)
	t.commit(five, l5)
	t.checkView(view, l4)
	t.check()
}

func testStoreSiblings(t *storeTest) {
	base := t.head().state
	one, l1 := t.stage(t.store, base)
	other, other1 := t.stage(t.store, base)
	two, l2 := t.stage(one, l1)
	twoOther, _ := t.stage(one, l1)
	above, l3 := t.stage(two, l2)
	aboveOther, l3Other := t.stage(two, l2)
	otherTwo, _ := t.stage(other, other1)
	t.commit(two, l2)
	for _, s := range []chain.Staged{one, other, two, twoOther, otherTwo} {
		t.wantError("commit of a stage that ended", s.Commit(t.Context(), chain.BlockID{Number: 9}), chain.ErrClosed)
		_, err := s.Stage(t.Context(), new(chain.Changes))
		t.wantError("stage on a stage that ended", err, chain.ErrClosed)
		s.Discard()
	}
	t.checkView(aboveOther.View(), l3Other)
	t.commit(above, l3)
	t.wantError("commit of a sibling", aboveOther.Commit(t.Context(), chain.BlockID{Number: 9}), chain.ErrClosed)
	t.check()
}

func testStoreDiscard(t *storeTest) {
	one, l1 := t.stage(t.store, t.head().state)
	two, l2 := t.stage(one, l1)
	three, _ := t.stage(two, l2)
	two.Discard()
	two.Discard()
	for _, s := range []chain.Staged{two, three} {
		t.wantError("commit of a discarded stage", s.Commit(t.Context(), chain.BlockID{Number: 1}), chain.ErrClosed)
	}
	again, l2 := t.stage(one, l1)
	t.commit(again, l2)
	t.check()
}

func testStoreEmptyChanges(t *storeTest) {
	t.block()
	s := must(t.store.Stage(t.Context(), new(chain.Changes)))(t)
	t.checkView(s.View(), t.head().state)
	above, l := t.stage(s, t.head().state)
	t.commit(s, t.head().state)
	t.commit(above, l)
	t.check()
}

func testStoreOldViews(t *storeTest) {
	type held struct {
		view chain.StateView
		storeBlock
	}
	var views []held
	for range 4 * StateStoreRetain {
		t.block()
		views = append(views, held{t.view(t.head().id), t.head()})
		for _, v := range views[max(0, len(views)-1-StateStoreRetain):] {
			t.checkView(v.view, v.state)
		}
		for _, v := range views { // a view may end, but it may not change
			if err := v.state.diff(v.view, t.codes); err != nil && !errors.Is(err, chain.ErrUnknown) {
				t.Fatalf("old view of block %s: %v", v.id, err)
			}
		}
	}
	t.check()
}

func testStoreRevert(t *storeTest) {
	for range 6 {
		for range StateStoreRetain + t.rand.IntN(4) { // so many reach back again
			t.block()
		}
		back := t.rand.IntN(StateStoreRetain + 1)
		to := t.blocks[len(t.blocks)-1-back]
		gone := t.blocks[len(t.blocks)-back:]
		view := t.view(to.id)
		stage, _ := t.stage(t.store, t.head().state)
		if err := t.store.Revert(t.Context(), to.id); err != nil {
			t.Fatal(err)
		}
		t.blocks = slices.Clip(t.blocks[:len(t.blocks)-back])
		if got := t.store.Head(); got != to.id {
			t.Fatalf("head after a revert to %s: %s", to.id, got)
		}
		t.checkView(view, to.state)
		t.wantError("commit of a stage after a revert", stage.Commit(t.Context(), chain.BlockID{Number: 99}), chain.ErrClosed)
		for _, b := range gone {
			_, err := t.store.View(b.id)
			t.wantError("view of a block that was reverted", err, chain.ErrNotFound)
			t.wantError("revert to a block that was reverted", t.store.Revert(t.Context(), b.id), chain.ErrNotFound)
		}
		for _, b := range t.blocks[max(0, len(t.blocks)-3):] { // fewer reach back after a revert
			if v, err := t.store.View(b.id); err == nil {
				t.checkView(v, b.state)
			} else if b.id == to.id || !errors.Is(err, chain.ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
}

// testStoreCleared destroys and remakes one account with storage, in stages and
// blocks, and goes back over all of it.
func testStoreCleared(t *storeTest) {
	address := ledgerAddress(0)
	account := func(nonce uint64) chain.Account {
		return chain.Account{Nonce: nonce, CodeHash: chain.EmptyCodeHash}
	}
	slots := func(before, after uint64) (out []chain.SlotChange) {
		for i := range storeSlots {
			out = append(out, chain.SlotChange{Key: ledgerSlot(i), Before: *uint256.NewInt(before), After: *uint256.NewInt(after)})
		}
		return out
	}
	steps := []chain.AccountChange{
		{After: account(1), Exists: true, Slots: slots(0, 5)},
		{Before: account(1), Existed: true, Cleared: true}, // destroyed
		{After: account(1), Exists: true},                  // made anew: its storage is empty
		{Before: account(1), After: account(1), Existed: true, Exists: true, Slots: slots(0, 6)[:3]},
		{Before: account(1), After: account(2), Existed: true, Exists: true, Cleared: true, Slots: slots(0, 7)[2:5]}, // both at once
		{Before: account(2), After: account(2), Existed: true, Exists: true, Slots: slots(7, 0)[3:5]},
		{Before: account(2), Existed: true, Cleared: true},
	}
	for _, stages := range []int{1, 2, 3, len(steps)} { // in one block
		var (
			start        = len(t.blocks)
			s     stager = t.store
			l            = t.head().state
			top   chain.Staged
		)
		for i, step := range steps {
			step.Address = address
			var c *chain.Changes
			c, l = t.altered(l, &chain.Changes{Accounts: []chain.AccountChange{step}})
			top = must(s.Stage(t.Context(), c))(t)
			t.checkView(top.View(), l)
			s = top
			if (i+1)%stages == 0 || i+1 == len(steps) {
				t.commit(top, l)
				t.check()
				s = t.store
			}
		}
		for len(t.blocks) > start {
			t.blocks = t.blocks[:len(t.blocks)-1]
			if err := t.store.Revert(t.Context(), t.head().id); err != nil {
				t.Fatal(err)
			}
			t.check()
		}
	}
}

// testStoreCodes lets two accounts share a code, and leave it one after the other.
func testStoreCodes(t *storeTest) {
	code := binary.BigEndian.AppendUint64(nil, 77)
	plain := chain.Account{Nonce: 1, CodeHash: chain.EmptyCodeHash}
	coded := chain.Account{Nonce: 1, CodeHash: chain.Keccak256(code)}
	step := func(i int, before, after chain.Account) *chain.Changes {
		c := &chain.Changes{
			Accounts: []chain.AccountChange{{
				Address: ledgerAddress(i), Before: before, After: after,
				Existed: before != (chain.Account{}), Exists: after != (chain.Account{}),
			}},
			Codes: []chain.Code{{Hash: coded.CodeHash, Bytes: code}},
		}
		c.Normalize()
		return c
	}
	var (
		s stager = t.store
		l        = t.head().state
	)
	for _, c := range []*chain.Changes{
		step(0, chain.Account{}, coded), step(1, chain.Account{}, plain), step(1, plain, coded),
		step(0, coded, plain), step(1, coded, chain.Account{}), step(0, plain, coded),
	} {
		c, l = t.altered(l, c)
		staged := must(s.Stage(t.Context(), c))(t)
		t.checkView(staged.View(), l)
		if t.rand.IntN(2) == 0 {
			t.commit(staged, l)
			t.check()
			s = t.store
			continue
		}
		s = staged
	}
}

func testStoreOutOfStep(t *storeTest) {
	for len(t.head().state) < 3 {
		t.block()
	}
	stages := map[string]stager{"store": t.store}
	one, l1 := t.stage(t.store, t.head().state)
	stages["stage"] = one
	for on, s := range stages {
		l := map[string]ledger{"store": t.head().state, "stage": l1}[on]
		for address, a := range l {
			change := func(f func(*chain.AccountChange)) error {
				c := chain.AccountChange{Address: address, Before: a.Account, After: a.Account, Existed: true, Exists: true}
				f(&c)
				_, err := s.Stage(t.Context(), &chain.Changes{Accounts: []chain.AccountChange{c}})
				return err
			}
			t.wantError("another nonce before", change(func(c *chain.AccountChange) { c.Before.Nonce += 5 }), chain.ErrOutOfStep)
			t.wantError("an account that exists", change(func(c *chain.AccountChange) { c.Before, c.Existed = chain.Account{}, false }), chain.ErrOutOfStep)
			t.wantError("another slot before", change(func(c *chain.AccountChange) {
				before := a.slots[ledgerSlot(0)]
				before.AddUint64(&before, 1)
				c.Slots = []chain.SlotChange{{Key: ledgerSlot(0), Before: before, After: *uint256.NewInt(0).AddUint64(&before, 1)}}
			}), chain.ErrOutOfStep)
		}
		absent := chain.AccountChange{Address: ledgerAddress(storeAddresses), Existed: true, Exists: true}
		absent.Before.CodeHash, absent.After = chain.EmptyCodeHash, chain.Account{Nonce: 1, CodeHash: chain.EmptyCodeHash}
		_, err := s.Stage(t.Context(), &chain.Changes{Accounts: []chain.AccountChange{absent}})
		t.wantError("an account that does not exist", err, chain.ErrOutOfStep)
	}
	t.check()
	t.commit(one, l1)
	t.check()
}

func testStoreContext(t *storeTest) {
	s, l := t.stage(t.store, t.head().state)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := t.store.Stage(ended, new(chain.Changes))
	t.wantError("stage", err, context.Canceled)
	t.wantError("commit", s.Commit(ended, chain.BlockID{Number: 1}), context.Canceled)
	t.wantError("revert", t.store.Revert(ended, chain.BlockID{}), context.Canceled)
	t.check()
	t.commit(s, l)
	t.check()
}

func testStoreClose(t *storeTest) {
	t.block()
	view := t.view(t.head().id)
	s, _ := t.stage(t.store, t.head().state)
	staged := s.View()
	if err := t.store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]chain.StateView{"block": view, "stage": staged} {
		_, _, err := v.Account(ledgerAddress(0))
		t.wantError("account from the view of a "+name, err, chain.ErrClosed)
		_, err = v.Slot(ledgerAddress(0), ledgerSlot(0))
		t.wantError("slot from the view of a "+name, err, chain.ErrClosed)
		_, err = v.Code(chain.EmptyCodeHash)
		t.wantError("code from the view of a "+name, err, chain.ErrClosed)
	}
	_, err := t.store.Stage(t.Context(), new(chain.Changes))
	t.wantError("stage", err, chain.ErrClosed)
	_, err = t.store.View(t.head().id)
	t.wantError("view", err, chain.ErrClosed)
	t.wantError("commit", s.Commit(t.Context(), chain.BlockID{Number: 9}), chain.ErrClosed)
	t.wantError("revert", t.store.Revert(t.Context(), t.blocks[0].id), chain.ErrClosed)
}
