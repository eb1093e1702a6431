package ethapi

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// proofWorld is the witness for all accounts of a state, and its root.
func proofWorld(t testing.TB) (trieNodes, common.Hash, []common.Address) {
	t.Helper()
	state, accesses := new(chain.Changes), new(chain.AccessSet)
	var addrs []common.Address
	for i := range 200 {
		account := chain.AccountChange{Address: common.Address{byte(i), 1}, Exists: true}
		account.After = chain.Account{Nonce: uint64(i), Balance: *uint256.NewInt(uint64(i)), CodeHash: chain.EmptyCodeHash}
		access := chain.AccountAccess{Address: account.Address}
		for j := range i % 20 { // small values make nodes that are embedded
			key := common.Hash{31: byte(j)}
			account.Slots = append(account.Slots, chain.SlotChange{Key: key, After: *uint256.NewInt(uint64(j + 1))})
			access.Slots = append(access.Slots, key)
		}
		state.Accounts = append(state.Accounts, account)
		accesses.Accounts = append(accesses.Accounts, access)
		addrs = append(addrs, account.Address)
	}
	committer := trie.New(trie.Config{Retain: 4})
	first, err := committer.Begin(t.Context(), chain.EmptyRoot)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Apply(state); err != nil {
		t.Fatal(err)
	}
	root, err := first.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := committer.Begin(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	witness, err := second.Witness(t.Context(), accesses)
	if err != nil {
		t.Fatal(err)
	}
	nodes := make(trieNodes)
	for _, raw := range witness.Nodes {
		nodes[chain.Keccak256(raw)] = raw
	}
	return nodes, root, addrs
}

func TestProve(t *testing.T) {
	nodes, root, addrs := proofWorld(t)
	for i, addr := range addrs {
		slots := []slotName{{key: common.Hash{31: 3}}, {key: common.Hash{31: 250}, full: true}}
		p, err := nodes.prove(root, addr, slots)
		if err != nil {
			t.Fatalf("account %d: %v", i, err)
		}
		want := uint64(0)
		if i%20 > 3 {
			want = 4
		}
		if uint64(p.Nonce) != uint64(i) || (*uint256.Int)(p.Balance).Uint64() != uint64(i) || (*uint256.Int)(p.StorageProof[0].Value).Uint64() != want {
			t.Errorf("account %d: got %+v", i, p)
		}
		if p.StorageProof[0].Key != "0x3" || p.StorageProof[1].Key != slots[1].key.Hex() {
			t.Errorf("keys %s, %s", p.StorageProof[0].Key, p.StorageProof[1].Key)
		}
	}
}

// A node that is missing or wrong is an error, and never an absent account.
func TestProveWithHoles(t *testing.T) {
	nodes, root, addrs := proofWorld(t)
	p, err := nodes.prove(root, addrs[19], []slotName{{key: common.Hash{31: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range append(p.AccountProof, p.StorageProof[0].Proof...) {
		hash := chain.Keccak256(raw)
		for name, alter := range map[string]func() error{
			"missing":   func() error { delete(nodes, hash); return chain.ErrUnknown },
			"empty":     func() error { nodes[hash] = nil; return chain.ErrCorrupt },
			"truncated": func() error { nodes[hash] = raw[:len(raw)-1]; return chain.ErrCorrupt },
			"no node":   func() error { nodes[hash] = []byte{0xc3, 1, 1, 1}; return chain.ErrCorrupt },
			"a string":  func() error { nodes[hash] = []byte{0x82, 1, 1}; return chain.ErrCorrupt },
		} {
			want := alter()
			if _, err := nodes.prove(root, addrs[19], []slotName{{key: common.Hash{31: 3}}}); !errors.Is(err, want) {
				t.Errorf("node %d %s: got error %v", i, name, err)
			}
			nodes[hash] = raw
		}
	}
}

// FuzzStep goes through any bytes as a node: it ends, in the node's bytes or an error.
func FuzzStep(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte, key []byte, depth uint8) {
		next, value, at, err := step(raw, common.BytesToHash(key), int(depth))
		switch {
		case err != nil:
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Errorf("error %v", err)
			}
		case at < 0 || at > 64 || len(value) > len(raw) || len(next.embedded) > len(raw):
			t.Errorf("from depth %d to %d, value %x, next %+v", depth, at, value, next)
		case value != nil && at != 64:
			t.Errorf("a value at depth %d", at)
		case value == nil && (next.hash != nil || next.embedded != nil) && at < int(depth):
			t.Errorf("from depth %d back to %d", depth, at)
		}
	})
}
