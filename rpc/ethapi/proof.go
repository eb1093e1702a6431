package ethapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// ProofKeys are the slots of eth_getProof. More than are answered are not decoded.
type ProofKeys struct {
	names []string
	count int
}

// UnmarshalJSON implements json.Unmarshaler.
func (k *ProofKeys) UnmarshalJSON(text []byte) error {
	if commas := bytes.Count(text, []byte{','}); commas >= proofKeysMax {
		k.count = commas + 1
		return nil // GetProof says so
	}
	err := json.Unmarshal(text, &k.names)
	k.count = len(k.names)
	return err
}

// An AccountProof is the answer of eth_getProof (EIP-1186). For an account that does
// not exist the hashes are zero, as go-ethereum has them.
type AccountProof struct {
	Address      common.Address  `json:"address"`
	AccountProof []hexutil.Bytes `json:"accountProof"`
	Balance      *hexutil.U256   `json:"balance"`
	CodeHash     common.Hash     `json:"codeHash"`
	Nonce        hexutil.Uint64  `json:"nonce"`
	StorageHash  common.Hash     `json:"storageHash"`
	StorageProof []SlotProof     `json:"storageProof"`
}

// A SlotProof is one slot of an AccountProof. The key is as long as the client's
// was if that had 32 bytes, and a QUANTITY otherwise.
type SlotProof struct {
	Key   string          `json:"key"`
	Value *hexutil.U256   `json:"value"`
	Proof []hexutil.Bytes `json:"proof"`
}

// GetProof is eth_getProof, of at most 1024 slots, after a sealed block; latest and
// pending are the newest one. What it says of the account is what the proof proves.
func (a *API) GetProof(ctx context.Context, addr common.Address, keys ProofKeys, at *rpc.BlockNumberOrHash) (*AccountProof, error) {
	if keys.count > proofKeysMax {
		return nil, wire.InvalidParams("too many storage keys requested (max %d, got %d)", proofKeysMax, keys.count)
	}
	slots := make([]slotName, len(keys.names))
	for i, name := range keys.names {
		var err error
		if slots[i], err = parseSlot(name); err != nil {
			return nil, err
		}
	}
	header, err := backend.SealedHeader(a.backend, backend.OrLatest(at))
	if err == nil && header == nil {
		err = backend.ErrHeaderNotFound
	}
	if err != nil {
		return nil, err
	}
	nodes, err := a.proofNodes(ctx, header, addr, slots)
	if err != nil {
		return nil, err
	}
	return nodes.prove(header.StateRoot, addr, slots)
}

// proofNodes are the trie nodes on the ways to the account and its slots.
func (a *API) proofNodes(ctx context.Context, header *chain.Header, addr common.Address, slots []slotName) (trieNodes, error) {
	commitment, err := a.backend.Begin(ctx, header.StateRoot)
	if err != nil {
		return nil, fmt.Errorf("state of block %d is not available: %w", header.Number, err)
	}
	defer commitment.Discard()
	access := chain.AccountAccess{Address: addr}
	for _, slot := range slots {
		access.Slots = append(access.Slots, slot.key)
	}
	accesses := &chain.AccessSet{Accounts: []chain.AccountAccess{access}}
	accesses.Normalize()
	witness, err := commitment.Witness(ctx, accesses)
	if err != nil {
		return nil, fmt.Errorf("proof after block %d: %w", header.Number, err)
	}
	nodes := make(trieNodes, len(witness.Nodes))
	for _, raw := range witness.Nodes {
		nodes[chain.Keccak256(raw)] = raw
	}
	return nodes, nil
}

// trieNodes are RLP of trie nodes by their hashes: enough of them to walk the ways
// that are asked for.
type trieNodes map[common.Hash][]byte

// prove puts the proofs together.
func (t trieNodes) prove(root common.Hash, addr common.Address, slots []slotName) (*AccountProof, error) {
	proof, leaf, err := t.walk(root, chain.Keccak256(addr[:]))
	if err != nil {
		return nil, err
	}
	out := &AccountProof{Address: addr, AccountProof: proof, Balance: new(hexutil.U256), StorageProof: []SlotProof{}}
	storageRoot := chain.EmptyRoot
	if leaf != nil {
		if err := out.readAccount(leaf); err != nil {
			return nil, err
		}
		storageRoot = out.StorageHash
	}
	for _, slot := range slots {
		s, err := t.proveSlot(storageRoot, slot)
		if err != nil {
			return nil, err
		}
		out.StorageProof = append(out.StorageProof, s)
	}
	return out, nil
}

// readAccount reads the leaf of an account: nonce, balance, storage root, code hash.
func (p *AccountProof) readAccount(leaf []byte) error {
	in := rlp.NewReader(leaf)
	r := in.List()
	p.Nonce = hexutil.Uint64(r.Uint64())
	balance := r.Uint256()
	p.Balance = (*hexutil.U256)(&balance)
	r.Fixed(p.StorageHash[:])
	r.Fixed(p.CodeHash[:])
	in.Close(r)
	return corruptNode(in.End())
}

func (t trieNodes) proveSlot(root common.Hash, slot slotName) (SlotProof, error) {
	proof, leaf, err := t.walk(root, chain.Keccak256(slot.key[:]))
	if err != nil {
		return SlotProof{}, err
	}
	var value uint256.Int
	if leaf != nil {
		r := rlp.NewReader(leaf)
		value = r.Uint256()
		if err := corruptNode(r.End()); err != nil {
			return SlotProof{}, err
		}
	}
	key := hexutil.Encode(slot.key[:])
	if !slot.full {
		key = new(uint256.Int).SetBytes32(slot.key[:]).Hex()
	}
	return SlotProof{key, (*hexutil.U256)(&value), proof}, nil
}

// walk follows key down from root. It returns the nodes with a hash on the way, and
// the leaf's value, or nil if the way ends without one: key is not in the trie, and
// the nodes prove it.
func (t trieNodes) walk(root common.Hash, key common.Hash) (proof []hexutil.Bytes, value []byte, err error) {
	proof = []hexutil.Bytes{}
	if root == chain.EmptyRoot {
		return proof, nil, nil
	}
	for ref := (reference{hash: &root}); ; {
		raw := ref.embedded
		if ref.hash != nil {
			var ok bool
			if raw, ok = t[*ref.hash]; !ok {
				return nil, nil, &chain.MissingError{What: "trie node", Hash: *ref.hash}
			}
			proof = append(proof, raw)
		}
		var at int
		ref, value, at, err = step(raw, key, ref.depth)
		if err != nil {
			return nil, nil, err
		}
		if value != nil || ref.hash == nil && ref.embedded == nil {
			return proof, value, nil
		}
		ref.depth = at
	}
}

// A reference leads from a node to one below: by hash, or the node itself if its RLP
// is shorter than one. With neither it leads nowhere.
type reference struct {
	hash     *common.Hash
	embedded []byte
	depth    int // nibbles of the key above the node
}

// step goes through the node raw, which is at depth on key's way: to a value, to the
// reference to follow from depth at on, or nowhere.
func step(raw []byte, key common.Hash, depth int) (next reference, value []byte, at int, err error) {
	if depth > 2*len(key) {
		return next, nil, 0, corruptNode(errors.New("the way is longer than the key"))
	}
	var (
		in    = rlp.NewReader(raw)
		node  = in.List()
		items [17][]byte // with their headers
		count int
	)
	for ; node.More() && count < len(items); count++ {
		items[count] = node.Raw()
	}
	in.Close(node)
	if err := in.End(); err != nil {
		return next, nil, 0, corruptNode(err)
	}
	switch {
	case count == 2:
		return shortStep(items[0], items[1], key, depth)
	case count == 17 && depth < 2*len(key): // all keys are equally long: a branch has no value
		next, err = readReference(items[nibble(key, depth)])
		return next, nil, depth + 1, err
	}
	return next, nil, 0, corruptNode(fmt.Errorf("a node with %d items at depth %d", count, depth))
}

// shortStep goes through an extension or a leaf.
func shortStep(path, item []byte, key common.Hash, depth int) (next reference, value []byte, at int, err error) {
	compact := rlp.NewReader(path)
	p := compact.Bytes()
	if err := compact.End(); err != nil || len(p) == 0 || p[0]>>4 > 3 {
		return next, nil, 0, corruptNode(fmt.Errorf("path %x", path))
	}
	// The first nibble of the path says whether it ends in a leaf (2) and whether its
	// length is odd (1); the second is part of it if so.
	leaf, skip := p[0]&0x20 != 0, 2-int(p[0]>>4&1)
	at = depth + 2*len(p) - skip
	if at > 2*len(key) || leaf != (at == 2*len(key)) {
		return next, nil, 0, corruptNode(fmt.Errorf("path %x ends at depth %d", p, at))
	}
	for i := depth; i < at; i++ {
		j := skip + i - depth
		if nibble(key, i) != p[j/2]>>(4-4*(j%2))&0xf {
			return next, nil, 0, nil // another key's way
		}
	}
	if leaf {
		r := rlp.NewReader(item)
		value = r.Bytes()
		return next, value, at, corruptNode(r.End())
	}
	next, err = readReference(item)
	return next, nil, at, err
}

func nibble(key common.Hash, i int) byte { return key[i/2] >> (4 - 4*(i%2)) & 0xf }

func readReference(item []byte) (reference, error) {
	r := rlp.NewReader(item)
	if r.NextIsList() {
		return reference{embedded: item}, nil
	}
	b := r.Bytes()
	if err := r.End(); err != nil || len(b) != 0 && len(b) != common.HashLength {
		return reference{}, corruptNode(fmt.Errorf("reference %x", item))
	}
	if len(b) == 0 {
		return reference{}, nil
	}
	hash := common.BytesToHash(b)
	return reference{hash: &hash}, nil
}

func corruptNode(err error) error {
	if err == nil {
		return nil
	}
	return &chain.CorruptError{What: "trie node", Offset: -1, Err: err}
}
