package chaintest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// testStoreConcurrent reads views while blocks are committed and reverted.
func testStoreConcurrent(t *storeTest) {
	codes := make(map[common.Hash][]byte) // all that changesRand makes
	for i := range uint64(4) {
		code := binary.BigEndian.AppendUint64(nil, i)
		codes[chain.Keccak256(code)] = code
	}
	var (
		wg   sync.WaitGroup
		next = make(chan func() error, 64)
	)
	for range 4 {
		wg.Go(func() {
			for check := range next {
				for range 3 {
					if err := check(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	offer := func(v chain.StateView, l ledger) {
		next <- func() error {
			if err := l.diff(v, codes); err != nil && !errors.Is(err, chain.ErrUnknown) {
				return err // a view may end here, but not change
			}
			return nil
		}
	}
	for i := range 100 {
		s, l := t.stage(t.store, t.head().state)
		top, l2 := t.stage(s, l)
		offer(top.View(), l2)
		t.commit(s, l)
		offer(t.view(t.head().id), l)
		old := t.blocks[max(0, len(t.blocks)-1-t.rand.IntN(4))]
		if v, err := t.store.View(old.id); err == nil {
			offer(v, old.state)
		}
		if i%10 == 9 {
			t.blocks = slices.Clip(t.blocks[:len(t.blocks)-2])
			if err := t.store.Revert(t.Context(), t.head().id); err != nil {
				t.Error(err)
			}
		}
	}
	close(next)
	wg.Wait()
}

// testStoreAtomic commits and reverts blocks that give all accounts and slots the
// number of the block, while others read the newest block: they must not see two
// numbers.
func testStoreAtomic(t *storeTest) {
	const accounts, blocks = 1000, 20
	var (
		wg   sync.WaitGroup
		done = make(chan struct{})
	)
	for r := range 2 {
		wg.Go(func() {
			for i := r; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if err := readNewest(t.store, i%accounts, accounts); err != nil {
					t.Error(err)
				}
			}
		})
	}
	numbers := []uint64{0}
	for n := uint64(1); n <= blocks; n++ {
		head := numbers[len(numbers)-1]
		s := must(t.store.Stage(t.Context(), numbered(accounts, head, n)))(t)
		if err := s.Commit(t.Context(), chain.BlockID{Number: n, Hash: common.Hash{1}}); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
		if n%5 == 0 {
			numbers = numbers[:len(numbers)-2]
			to := chain.BlockID{Number: numbers[len(numbers)-1], Hash: common.Hash{1}}
			if err := t.store.Revert(t.Context(), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(done)
	wg.Wait()
}

// numbered changes all nonces and first slots from one number to another; 0 is
// absent.
func numbered(accounts int, from, to uint64) *chain.Changes {
	c := new(chain.Changes)
	for i := range accounts {
		a := chain.AccountChange{Address: ledgerAddress(i), Exists: true, After: chain.Account{Nonce: to, CodeHash: chain.EmptyCodeHash}}
		if from > 0 {
			a.Existed, a.Before = true, chain.Account{Nonce: from, CodeHash: chain.EmptyCodeHash}
		}
		a.Slots = []chain.SlotChange{{Key: ledgerSlot(0), Before: *uint256.NewInt(from), After: *uint256.NewInt(to)}}
		c.Accounts = append(c.Accounts, a)
	}
	c.Normalize()
	return c
}

// readNewest reads two accounts and a slot of the newest block.
func readNewest(s chain.StateStore, i, accounts int) error {
	id := s.Head()
	v, err := s.View(id)
	if errors.Is(err, chain.ErrNotFound) {
		return nil // it was reverted meanwhile
	}
	for _, j := range []int{i, accounts - 1 - i} {
		if err == nil {
			err = readNumbered(v, ledgerAddress(j), id.Number)
		}
	}
	if errors.Is(err, chain.ErrUnknown) {
		return nil
	}
	return err
}

func readNumbered(v chain.StateView, address common.Address, number uint64) error {
	a, ok, err := v.Account(address)
	if err != nil {
		return err
	}
	slot, err := v.Slot(address, ledgerSlot(0))
	if err != nil {
		return err
	}
	if a.Nonce != number || slot != *uint256.NewInt(number) || ok != (number > 0) {
		return fmt.Errorf("block %d: account %s has nonce %d and slot %s, exists %t", number, address, a.Nonce, slot.Hex(), ok)
	}
	return nil
}

// A storeStage is an open stage in testStoreRandom.
type storeStage struct {
	staged chain.Staged
	parent *storeStage // nil: on the head
	state  ledger
}

func (s *storeStage) on(below *storeStage) bool {
	for ; s != nil; s = s.parent {
		if s == below {
			return true
		}
	}
	return false
}

// testStoreRandom does anything in any order.
func testStoreRandom(t *storeTest) {
	var open []*storeStage
	for range 600 {
		switch dice := t.rand.IntN(10); {
		case dice < 5 || len(open) == 0:
			open = append(open, t.randomStage(open))
		case dice < 7:
			s := open[t.rand.IntN(len(open))]
			t.commit(s.staged, s.state)
			open = slices.DeleteFunc(open, func(x *storeStage) bool { return x == s || !x.on(s) })
			for _, x := range open {
				if x.parent == s {
					x.parent = nil
				}
			}
		case dice < 9:
			s := open[t.rand.IntN(len(open))]
			s.staged.Discard()
			open = slices.DeleteFunc(open, func(x *storeStage) bool { return x.on(s) })
		case len(t.blocks) > StateStoreRetain+4:
			// Two blocks and never further: each revert shortens what reaches back.
			t.blocks = slices.Clip(t.blocks[:len(t.blocks)-t.rand.IntN(3)])
			if err := t.store.Revert(t.Context(), t.head().id); err != nil {
				t.Fatal(err)
			}
			open = nil
			for range 2 {
				t.block()
			}
		}
		for _, s := range open {
			t.checkView(s.staged.View(), s.state)
		}
		for _, b := range t.blocks[max(0, len(t.blocks)-1-StateStoreRetain/2):] {
			t.checkView(t.view(b.id), b.state)
		}
	}
}

func (t *storeTest) randomStage(open []*storeStage) *storeStage {
	var (
		on     stager = t.store
		parent *storeStage
		below  = t.head().state
	)
	if len(open) > 0 && t.rand.IntN(4) > 0 {
		parent = open[t.rand.IntN(len(open))]
		on, below = parent.staged, parent.state
	}
	staged, state := t.stage(on, below)
	return &storeStage{staged, parent, state}
}
