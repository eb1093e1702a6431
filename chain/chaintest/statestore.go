package chaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// StateStoreRetain is how many blocks before the newest a store must reach to be
// tested by TestStateStore.
const StateStoreRetain = 8

// TestStateStore tests an implementation of chain.StateStore against the contract,
// with plain maps as the measure. open returns an empty store that reaches at
// least StateStoreRetain blocks back. Run it under the race detector too.
//
// It does not test durability, which a contract in memory cannot show.
func TestStateStore(t *testing.T, open func(t testing.TB) chain.StateStore) {
	for _, test := range []struct {
		name string
		run  func(*storeTest)
	}{
		{"Empty", testStoreEmpty},
		{"StageAltersNothing", testStoreStage},
		{"CommitIsOneBlock", testStoreCommit},
		{"CommitMiddle", testStoreCommitMiddle},
		{"Siblings", testStoreSiblings},
		{"Discard", testStoreDiscard},
		{"EmptyChanges", testStoreEmptyChanges},
		{"OldViews", testStoreOldViews},
		{"Revert", testStoreRevert},
		{"ClearedStorage", testStoreCleared},
		{"Codes", testStoreCodes},
		{"OutOfStep", testStoreOutOfStep},
		{"Context", testStoreContext},
		{"Close", testStoreClose},
		{"ConcurrentViews", testStoreConcurrent},
		{"BlocksAreAtomic", testStoreAtomic},
		{"Random", testStoreRandom},
		{"Benchmark", testStoreBenchmark},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			test.run(newStoreTest(t, s))
		})
	}
}

const (
	storeAddresses = 10
	storeSlots     = 8
)

// A storeTest is a store under test, and what it should hold.
type storeTest struct {
	testing.TB
	store  chain.StateStore
	rand   *changesRand
	codes  map[common.Hash][]byte // all that ever were
	blocks []storeBlock           // committed; the first is the empty state
	number uint64                 // of commits, for ids that never come again
}

type storeBlock struct {
	id    chain.BlockID
	state ledger
}

func newStoreTest(t testing.TB, s chain.StateStore) *storeTest {
	return &storeTest{
		TB: t, store: s, rand: newChangesRand(1, storeAddresses, storeSlots),
		codes: make(map[common.Hash][]byte), blocks: []storeBlock{{state: make(ledger)}},
	}
}

func (t *storeTest) head() storeBlock { return t.blocks[len(t.blocks)-1] }

// changes makes random changes of l.
func (t *storeTest) changes(l ledger) (*chain.Changes, ledger) {
	return t.altered(l, t.rand.changes(l, 1+t.rand.IntN(6)))
}

// altered is the state that c makes of l.
func (t *storeTest) altered(l ledger, c *chain.Changes) (*chain.Changes, ledger) {
	t.Helper()
	for _, code := range c.Codes {
		t.codes[code.Hash] = code.Bytes
	}
	next := l.clone()
	if err := next.apply(c); err != nil {
		t.Fatal(err)
	}
	return c, next
}

// A stager is a store or a stage.
type stager interface {
	Stage(context.Context, *chain.Changes) (chain.Staged, error)
}

// stage stages random changes of l on s.
func (t *storeTest) stage(s stager, l ledger) (chain.Staged, ledger) {
	t.Helper()
	c, next := t.changes(l)
	return must(s.Stage(t.Context(), c))(t), next
}

// commit commits a stage whose state is l.
func (t *storeTest) commit(s chain.Staged, l ledger) chain.BlockID {
	t.Helper()
	t.number++
	id := chain.BlockID{Number: t.head().id.Number + 1, Hash: common.Hash(uint256.NewInt(t.number).Bytes32())}
	if err := s.Commit(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	t.blocks = append(t.blocks, storeBlock{id, l})
	if got := t.store.Head(); got != id {
		t.Fatalf("head after the commit of %s: %s", id, got)
	}
	return id
}

// block commits random changes as a block.
func (t *storeTest) block() chain.BlockID {
	t.Helper()
	return t.commit(t.stage(t.store, t.head().state))
}

func (t *storeTest) view(id chain.BlockID) chain.StateView {
	t.Helper()
	return must(t.store.View(id))(t)
}

// check compares the store's blocks with what they should be.
func (t *storeTest) check() {
	t.Helper()
	for _, b := range t.blocks[max(0, len(t.blocks)-1-StateStoreRetain):] {
		t.checkView(t.view(b.id), b.state)
	}
}

func (t *storeTest) checkView(v chain.StateView, want ledger) {
	t.Helper()
	if err := want.diff(v, t.codes); err != nil {
		t.Fatal(err)
	}
}

// diff says where a view differs from the ledger, with all addresses and slots
// that changesRand makes, and all codes that ever were.
func (l ledger) diff(v chain.StateView, codes map[common.Hash][]byte) error {
	used := map[common.Hash]bool{chain.EmptyCodeHash: true}
	for i := range storeAddresses + 1 {
		address := ledgerAddress(i)
		want := l[address]
		if want == nil {
			want = new(ledgerAccount)
		} else {
			used[want.CodeHash] = true
		}
		got, ok, err := v.Account(address)
		if err != nil {
			return err
		}
		if got != want.Account || ok != (l[address] != nil) {
			return fmt.Errorf("account %s: got %v, %t, want %v, %t", address, got, ok, want.Account, l[address] != nil)
		}
		for j := range storeSlots + 1 {
			key := ledgerSlot(j)
			got, err := v.Slot(address, key)
			if err != nil {
				return err
			}
			if got != want.slots[key] {
				return fmt.Errorf("slot %s of %s: got %s, want %s", key, address, got.Hex(), ptr(want.slots[key]).Hex())
			}
		}
	}
	for hash, want := range codes {
		got, err := v.Code(hash)
		switch absent := errors.Is(err, chain.ErrNotFound); {
		case err != nil && !absent:
			return err
		case absent == used[hash]:
			return fmt.Errorf("code %s, which an account has %t: got %x, %v", hash, used[hash], got, err)
		case used[hash] && !bytes.Equal(got, want):
			return fmt.Errorf("code %s: got %x, want %x", hash, got, want)
		}
	}
	got, err := v.Code(chain.EmptyCodeHash)
	if err == nil && len(got) > 0 {
		err = fmt.Errorf("empty code: got %x", got)
	}
	return err
}

func ptr[T any](v T) *T { return &v }

func (t *storeTest) wantError(what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}
