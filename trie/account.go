package trie

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// An account is what a leaf of the state trie holds. It never changes; its
// storage trie is dirty no longer than its leaf.
type account struct {
	chain.Account
	storage node
}

// append appends the value in the state trie: RLP [nonce, balance, storageRoot,
// codeHash]. The storage must be clean, and its root node is long enough to be
// known by its hash: a leaf there has a path of 32 bytes, and a branch or an
// extension above two leaves at the end of their paths is as long.
func (a *account) append(dst []byte) []byte {
	start := len(dst)
	root := chain.EmptyRoot
	if a.storage != nil {
		root = a.storage.ref().bytes
	}
	dst = rlp.AppendUint64(dst, a.Nonce)
	dst = rlp.AppendUint256(dst, &a.Balance)
	dst = rlp.AppendBytes(dst, root[:])
	dst = rlp.AppendBytes(dst, a.CodeHash[:])
	return rlp.WrapList(dst, start)
}

// parseAccount is the inverse of append, with the storage root beside the
// account.
func parseAccount(value []byte) (a chain.Account, root common.Hash, err error) {
	r := rlp.NewReader(value)
	list := r.List()
	a.Nonce = list.Uint64()
	a.Balance = list.Uint256()
	list.Fixed(root[:])
	list.Fixed(a.CodeHash[:])
	r.Close(list)
	return a, root, r.End()
}

// slotValue is the value of a slot in a storage trie: the RLP of the integer.
func slotValue(v *uint256.Int) []byte {
	return rlp.AppendUint256(make([]byte, 0, 1+v.ByteLen()), v)
}

// parseSlot is the inverse of slotValue. Zero is never stored.
func parseSlot(value []byte) (uint256.Int, error) {
	r := rlp.NewReader(value)
	v := r.Uint256()
	if v.IsZero() {
		r.Fail(rlp.ErrNotCanonical)
	}
	return v, r.End()
}

func missingNode(hash common.Hash) error { return &chain.MissingError{What: "trie node", Hash: hash} }
