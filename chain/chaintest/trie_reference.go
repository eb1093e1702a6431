package chaintest

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// TrieRoot is the root of the trie with the given entries, computed as the
// Yellow Paper (appendix D) defines it: recursively from the whole set, without
// nodes to keep. It is slow, short, and shares no code with what it judges.
func TrieRoot(entries map[string][]byte) common.Hash {
	if len(entries) == 0 {
		return chain.EmptyRoot
	}
	var pairs []triePair
	for key, value := range entries {
		p := triePair{value: value}
		for _, b := range []byte(key) {
			p.key = append(p.key, b/16, b%16)
		}
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b triePair) int { return bytes.Compare(a.key, b.key) })
	return chain.Keccak256(referenceNode(pairs, 0))
}

// A triePair is an entry of a trie, the key one nibble to a byte.
type triePair struct {
	key, value []byte
}

// referenceNode is c(J, i): the RLP of the node for sorted pairs whose keys agree
// in their first i nibbles.
func referenceNode(pairs []triePair, i int) []byte {
	first, last := pairs[0], pairs[len(pairs)-1]
	if len(pairs) == 1 {
		return referenceList(rlp.AppendBytes(nil, hexPrefix(first.key[i:], 2)), rlp.AppendBytes(nil, first.value))
	}
	j := i
	for j < len(first.key) && first.key[j] == last.key[j] { // the first is no longer than the last
		j++
	}
	if j > i {
		return referenceList(rlp.AppendBytes(nil, hexPrefix(first.key[i:j], 0)), referenceChild(pairs, j))
	}
	var items [][]byte
	value := []byte{0x80}
	if len(first.key) == i {
		value, pairs = rlp.AppendBytes(nil, first.value), pairs[1:]
	}
	for nibble := range byte(16) {
		n := slices.IndexFunc(pairs, func(p triePair) bool { return p.key[i] != nibble })
		if n < 0 {
			n = len(pairs)
		}
		items = append(items, referenceChild(pairs[:n], i+1))
		pairs = pairs[n:]
	}
	return referenceList(append(items, value)...)
}

// referenceChild is n(J, i): the node as its parent refers to it.
func referenceChild(pairs []triePair, i int) []byte {
	if len(pairs) == 0 {
		return []byte{0x80}
	}
	node := referenceNode(pairs, i)
	if len(node) < 32 {
		return node
	}
	hash := chain.Keccak256(node)
	return rlp.AppendBytes(nil, hash[:])
}

func referenceList(items ...[]byte) []byte { return rlp.WrapList(slices.Concat(items...), 0) }

// hexPrefix is HP(x, t) of appendix C; flag is 2 for a leaf.
func hexPrefix(nibbles []byte, flag byte) []byte {
	flag *= 16
	if len(nibbles)%2 == 1 {
		flag, nibbles = flag+16+nibbles[0], nibbles[1:]
	}
	out := []byte{flag}
	for i := 0; i < len(nibbles); i += 2 {
		out = append(out, 16*nibbles[i]+nibbles[i+1])
	}
	return out
}
