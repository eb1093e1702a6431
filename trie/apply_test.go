package trie_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/trie"
)

// witness is the witness of changes alone on parent.
func witness(t testing.TB, c chain.Committer, parent common.Hash, changes *chain.Changes) *chain.Witness {
	t.Helper()
	commitment, err := c.Begin(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	defer commitment.Discard()
	if err := commitment.Apply(changes); err != nil {
		t.Fatal(err)
	}
	w, err := commitment.Witness(t.Context(), new(chain.AccessSet))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestSiblings: the sibling of what is removed is part of a witness if the branch
// above collapses in the outcome, and only then.
func TestSiblings(t *testing.T) {
	var (
		// Slots whose hashes begin with different nibbles: 2, b, 4.
		one, two, three = slotChange(0, 1), slotChange(1, 1), slotChange(2, 1)

		gone      = chain.SlotChange{Key: one.Key, Before: one.After}
		committer = trie.New(trie.Config{})
		account   = chain.AccountChange{Address: common.Address{1}, Exists: true, After: chain.Account{CodeHash: chain.EmptyCodeHash}}
		withSlots = func(slots ...chain.SlotChange) *chain.Changes {
			a := account
			a.Slots = slots
			return &chain.Changes{Accounts: []chain.AccountChange{a}}
		}
		root = advance(t, committer, chain.EmptyRoot, withSlots(one, two))
	)
	account.Existed, account.Before = true, account.After
	for _, test := range []struct {
		name  string
		slots []chain.SlotChange
		nodes int // the account, the branch, and leaves
	}{
		{"put", []chain.SlotChange{three}, 2},
		{"remove", []chain.SlotChange{gone}, 4},
		{"put and remove", []chain.SlotChange{gone, three}, 3},
		{"remove all", []chain.SlotChange{gone, {Key: two.Key, Before: two.After}}, 4},
	} {
		if w := witness(t, committer, root, withSlots(test.slots...)); len(w.Nodes) != test.nodes {
			t.Errorf("%s: got a witness of %d nodes, want %d", test.name, len(w.Nodes), test.nodes)
		}
	}
	account.Cleared = true
	if w := witness(t, committer, root, withSlots(three)); len(w.Nodes) != 1 {
		t.Errorf("cleared storage: got a witness of %d nodes, want 1", len(w.Nodes))
	}
}

func slotChange(number, value uint64) chain.SlotChange {
	return chain.SlotChange{Key: uint256.NewInt(number).Bytes32(), After: *uint256.NewInt(value)}
}

// TestApplyMissing takes each node away from the witness of a block that is big
// enough for its storage tries to be updated in parallel.
func TestApplyMissing(t *testing.T) {
	var (
		committer = trie.New(trie.Config{})
		scenario  = chaintest.NewScenario(rand.NewPCG(4, 0), 200, 40)
		root      = advance(t, committer, chain.EmptyRoot, scenario.Next(600))
		changes   = scenario.Next(200)
		w         = witness(t, committer, root, changes)
	)
	if slots := changes.Len() - len(changes.Accounts); slots < 150 {
		t.Fatalf("the block has only %d slots", slots)
	}
	for i, node := range w.Nodes {
		hole := &chain.Witness{Nodes: slices.Delete(slices.Clone(w.Nodes), i, i+1)}
		s, err := trie.OpenWitness(root, hole)
		if err != nil {
			t.Fatal(err)
		}
		commitment, err := s.Begin(t.Context(), root)
		if err != nil {
			t.Fatal(err)
		}
		err = commitment.Apply(changes)
		var missing *chain.MissingError
		if !errors.As(err, &missing) || missing.Hash != chain.Keccak256(node) {
			t.Fatalf("apply without node %s: got %v", chain.Keccak256(node), err)
		}
	}
}
