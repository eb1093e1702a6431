package trie

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// Witnesses by hand. Nodes are written with their compact paths in full.

func list(items ...[]byte) []byte { return rlp.WrapList(slices.Concat(items...), 0) }

func str(b ...byte) []byte { return rlp.AppendBytes(nil, b) }

func hashOf(raw []byte) []byte {
	h := chain.Keccak256(raw)
	return str(h[:]...)
}

// path is the compact path of n zero nibbles.
func path(n int, leaf bool) []byte {
	p := make([]byte, n, n+1)
	if leaf {
		p = append(p, terminator)
	}
	return str(appendCompact(nil, p)...)
}

func leafOf(nibbles int, value ...byte) []byte { return list(path(nibbles, true), str(value...)) }

func extensionOf(nibbles int, child []byte) []byte { return list(path(nibbles, false), child) }

// branchOf has the children from nibble 0 on.
func branchOf(children ...[]byte) []byte {
	for len(children) < 17 {
		children = append(children, str())
	}
	return list(children...)
}

func accountOf(storageRoot, codeHash common.Hash) []byte {
	return list(str(1), str(2), str(storageRoot[:]...), str(codeHash[:]...))
}

// slot is the value of a slot, long enough that its leaf is known by its hash.
var slot = str(bytes.Repeat([]byte{7}, 32)...)

type linkCase struct {
	name    string
	want    error
	storage bool     // nodes[0] is the root of a storage trie
	nodes   [][]byte // nodes[0] is the root
}

func linkCases() []linkCase {
	var (
		account = accountOf(chain.EmptyRoot, chain.EmptyCodeHash)
		leaf63  = leafOf(63, slot...)
		leaf62  = leafOf(62, slot...)
		branch  = branchOf(hashOf(leaf63), hashOf(leaf62))
		pair    = branchOf(leafOf(0, 9), leafOf(0, 8)) // at the end of paths, short
		low     = branchOf(branchOf(), hashOf(leaf63)) // a branch with a branch for a child
		zero    common.Hash
	)
	return []linkCase{
		{"account", nil, false, [][]byte{leafOf(64, account...)}},
		{"slot", nil, true, [][]byte{leafOf(64, slot...)}},
		{"branch", nil, true, [][]byte{branchOf(hashOf(leaf63), hashOf(leaf63)), leaf63}},
		{"child is missing", nil, true, [][]byte{branchOf(hashOf(leaf63), hashOf(leaf62)), leaf63}},
		{"embedded", nil, true, [][]byte{extensionOf(63, pair)}},
		{"extension of a missing node", nil, true, [][]byte{extensionOf(1, hashOf(branch))}},

		{"no list", rlp.ErrKind, true, [][]byte{slot}},
		{"trailing byte", rlp.ErrTrailing, true, [][]byte{append(leafOf(64, slot...), 0)}},
		{"truncated", rlp.ErrTruncated, true, [][]byte{leafOf(64, slot...)[:50]}},
		{"string too long for its length", rlp.ErrNotCanonical, true, [][]byte{list(path(64, true), []byte{0x81, 0x05})}},
		{"1 item", errItems, true, [][]byte{list(slot)}},
		{"3 items", errItems, true, [][]byte{list(path(64, true), slot, str())}},
		{"18 items", errItems, true, [][]byte{branchOf(append(slices.Repeat([][]byte{hashOf(leaf63)}, 16), str(), str())...)}},

		{"path is a list", errPath, true, [][]byte{list(list(path(64, true)), slot)}},
		{"path is empty", errPath, true, [][]byte{list(str(), slot)}},
		{"flag 4", errPath, true, [][]byte{list(str(bytes.Repeat([]byte{0x40}, 33)...), slot)}},
		{"padding", errPath, true, [][]byte{list(str(append([]byte{0x21}, make([]byte, 32)...)...), slot)}},
		{"extension without nibbles", errPath, true, [][]byte{extensionOf(0, hashOf(branch))}},

		{"leaf is short", errDepth, true, [][]byte{leafOf(63, slot...)}},
		{"leaf is long", errDepth, true, [][]byte{leafOf(65, slot...)}},
		{"leaf is very long", errDepth, true, [][]byte{leafOf(1000, slot...)}},
		{"account is short", errDepth, false, [][]byte{leafOf(62, account...)}},
		{"extension to the end", errDepth, true, [][]byte{extensionOf(64, hashOf(branch))}},
		{"branch at the end", errDepth, true, [][]byte{extensionOf(63, hashOf(low)), low}},

		{"leaf holds a node", errChild, true, [][]byte{list(path(64, true), list(slot))}},
		{"value in a branch", errValue, true, [][]byte{branchOf(append(slices.Repeat([][]byte{hashOf(leaf63)}, 16), str(1))...)}},
		{"node in place of a value", errValue, true, [][]byte{branchOf(append(slices.Repeat([][]byte{hashOf(leaf63)}, 16), list())...)}},
		{"one child", errChildren, true, [][]byte{branchOf(hashOf(leaf63))}},
		{"no child", errHashed, true, [][]byte{branchOf()}},
		{"no child, embedded", errChildren, true, [][]byte{branchOf(branchOf(), hashOf(leaf63))}},
		{"child of 31 bytes", errChild, true, [][]byte{branchOf(hashOf(leaf63), str(make([]byte, 31)...))}},
		{"embedded leaf of 32 bytes", errEmbedded, true, [][]byte{branchOf(leafOf(63, slot...), hashOf(leaf63))}},
		{"short node known by its hash", errHashed, true, [][]byte{extensionOf(63, hashOf(pair)), pair}},
		{"short root", errHashed, true, [][]byte{leafOf(0, 9)}},

		{"extension of a leaf", errRun, true, [][]byte{extensionOf(1, hashOf(leaf63)), leaf63}},
		{"extension of an embedded leaf", errRun, true, [][]byte{extensionOf(63, leafOf(1, 9))}},
		{"extension of an extension", errRun, true, [][]byte{extensionOf(1, hashOf(extensionOf(1, hashOf(branch)))), extensionOf(1, hashOf(branch))}},
		{"extension of nothing", errRun, true, [][]byte{extensionOf(63, str())}},

		{"two heights", errTwoPlaces, true, [][]byte{branchOf(hashOf(leaf63), hashOf(branchOf(hashOf(leaf63), hashOf(leaf62)))), leaf63, branchOf(hashOf(leaf63), hashOf(leaf62))}},
		{"account in a storage trie", rlp.ErrKind, true, [][]byte{leafOf(64, account...)}},
		{"slot in the state trie", rlp.ErrKind, false, [][]byte{leafOf(64, slot...)}},

		{"slot is zero", rlp.ErrNotCanonical, true, [][]byte{leafOf(64, str()...)}},
		{"slot with leading zero", rlp.ErrNotCanonical, true, [][]byte{leafOf(64, str(0, 1)...)}},
		{"slot of 33 bytes", rlp.ErrSize, true, [][]byte{leafOf(64, str(bytes.Repeat([]byte{1}, 33)...)...)}},
		{"account of 3 items", rlp.ErrTruncated, false, [][]byte{leafOf(64, list(str(1), str(2), slot)...)}},
		{"account with trailing byte", rlp.ErrTrailing, false, [][]byte{leafOf(64, append(slices.Clone(account), 0)...)}},
		{"nonce with leading zero", rlp.ErrNotCanonical, false, [][]byte{leafOf(64, list(str(0, 1), str(2), slot, slot)...)}},
		{"no storage root", errNoStorage, false, [][]byte{leafOf(64, accountOf(zero, chain.EmptyCodeHash)...)}},
		{"no code hash", errNoCodeHash, false, [][]byte{leafOf(64, accountOf(chain.EmptyRoot, zero)...)}},
	}
}

// open opens the nodes of the case, below an account if they are of a storage
// trie.
func (c *linkCase) open() (*Stateless, error) {
	nodes := c.nodes
	if c.storage {
		account := accountOf(chain.Keccak256(nodes[0]), chain.EmptyCodeHash)
		nodes = append([][]byte{leafOf(64, account...)}, nodes...)
	}
	return OpenWitness(chain.Keccak256(nodes[0]), &chain.Witness{Nodes: nodes})
}

func TestOpenWitnessRefuses(t *testing.T) {
	for _, c := range linkCases() {
		t.Run(c.name, func(t *testing.T) {
			s, err := c.open()
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err != nil && !errors.Is(err, chain.ErrCorrupt) {
				t.Fatalf("got %v, want corrupt: %v", err, c.want)
			}
			if err == nil {
				checkStateless(t, s)
			}
		})
	}
}

// checkStateless checks what OpenWitness made, and that its nodes encode to the
// bytes that they came from.
func checkStateless(t *testing.T, s *Stateless) {
	t.Helper()
	if err := check(s.root); err != nil {
		t.Fatal(err)
	}
	h := new(hasher)
	for _, n := range s.nodes {
		if n.node == nil {
			continue
		}
		if enc := h.encode(n.node); !bytes.Equal(enc, n.raw) {
			t.Fatalf("node: got %x, want %x", enc, n.raw)
		}
	}
}

// A witness for the fuzzer is a row of nodes, each after its length in two bytes.
// Nodes refer to later ones by number in place of the hash, which no fuzzer
// would guess: linkNumbers puts the hashes in.
var numbered = bytes.Repeat([]byte{0xee}, 31)

func linkNumbers(data []byte) (nodes [][]byte) {
	for len(data) >= 2 && len(nodes) < 256 {
		n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		nodes = append(nodes, bytes.Clone(data[2:2+n]))
		data = data[2+n:]
	}
	for i, node := range slices.Backward(nodes) {
		for at := 0; ; {
			found := bytes.Index(node[at:], numbered)
			if found < 0 || at+found+32 > len(node) {
				break
			}
			at += found
			if number := int(node[at+31]); number > i && number < len(nodes) {
				hash := chain.Keccak256(nodes[number])
				copy(node[at:], hash[:])
			}
			at += 32
		}
	}
	return nodes
}

// numberLinks is the inverse of linkNumbers: the nodes of a witness in the order
// in which they are met from the root.
func numberLinks(root []byte, w *chain.Witness) (data []byte) {
	order := [][]byte{root}
	for i := 0; i < len(order); i++ {
		for _, node := range w.Nodes {
			if hash := hashOf(node); bytes.Contains(order[i], hash) && !slices.ContainsFunc(order, func(n []byte) bool { return bytes.Equal(n, node) }) {
				order = append(order, node)
			}
		}
	}
	for _, node := range order {
		out := bytes.Clone(node)
		for number, other := range order {
			out = bytes.ReplaceAll(out, hashOf(other), str(append(slices.Clone(numbered), byte(number))...))
		}
		data = binary.BigEndian.AppendUint16(data, uint16(len(out)))
		data = append(data, out...)
	}
	return data
}

// numberedWitness is a real witness of a small state, for the fuzzer.
func numberedWitness(t testing.TB, seed uint64) []byte {
	scenario := chaintest.NewScenario(rand.NewPCG(seed, 0), fuzzAddresses, fuzzSlots)
	c := New(Config{})
	commitment, err := c.Begin(t.Context(), chain.EmptyRoot)
	if err == nil {
		err = commitment.Apply(scenario.Next(2 * fuzzAddresses))
	}
	if err == nil {
		err = commitment.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	root := scenario.StateRoot()
	if commitment, err = c.Begin(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if err := commitment.Apply(scenario.Next(fuzzAddresses / 2)); err != nil {
		t.Fatal(err)
	}
	w, err := commitment.Witness(t.Context(), new(chain.AccessSet))
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range w.Nodes {
		if chain.Keccak256(node) == root {
			return numberLinks(node, w)
		}
	}
	t.Fatal("witness without the root node")
	return nil
}

const fuzzAddresses, fuzzSlots = 12, 8

func FuzzOpenWitness(f *testing.F) {
	f.Add(numberedWitness(f, 99))
	for _, c := range linkCases() {
		nodes := c.nodes
		if c.storage {
			account := accountOf(chain.Keccak256(nodes[0]), chain.EmptyCodeHash)
			nodes = append([][]byte{leafOf(64, account...)}, nodes...)
		}
		f.Add(numberLinks(nodes[0], &chain.Witness{Nodes: nodes}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		nodes := linkNumbers(data)
		if len(nodes) == 0 {
			return
		}
		root := chain.Keccak256(nodes[0])
		s, err := OpenWitness(root, &chain.Witness{Nodes: nodes})
		if err != nil {
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		checkStateless(t, s)
		changeAll(t, s, root)
		if err := s.Unused(); err != nil && !errors.Is(err, chain.ErrSuperfluous) {
			t.Fatal(err)
		}
	})
}

// changeAll reads every account and slot that s may know, makes those that are
// absent and destroys or alters the others.
func changeAll(t *testing.T, s *Stateless, root common.Hash) {
	var c chain.Changes
	for i := range byte(fuzzAddresses) {
		change := chain.AccountChange{Address: common.Address{19: i + 1}, Exists: i%3 > 0}
		var err error
		if change.Before, change.Existed, err = s.Account(change.Address); err != nil {
			mustBeUnknown(t, err)
			continue
		}
		if change.Exists {
			change.After = chain.Account{Nonce: change.Before.Nonce + 1, CodeHash: chain.EmptyCodeHash}
		}
		for j := range byte(fuzzSlots) {
			slot := chain.SlotChange{Key: common.Hash{31: j}}
			if slot.Before, err = s.Slot(change.Address, slot.Key); err != nil {
				mustBeUnknown(t, err)
				continue
			}
			if slot.Before.IsZero() {
				slot.After = *uint256.NewInt(uint64(i) + 1)
			}
			change.Slots = append(change.Slots, slot)
		}
		c.Accounts = append(c.Accounts, change)
	}
	c.Normalize()
	begun, err := s.Begin(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if err := begun.Apply(&c); err != nil {
		mustBeUnknown(t, err)
		return
	}
	if _, err := begun.Root(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := check(begun.(*commitment).root); err != nil {
		t.Fatal(err)
	}
}

func mustBeUnknown(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, chain.ErrUnknown) {
		t.Fatalf("got %v, want ErrUnknown", err)
	}
}
