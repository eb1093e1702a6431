package da

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Bind makes a BlobID of a name that a layer gave to a blob: the name as received,
// then keccak256 of the blob. A layer's name may be a certificate, a random number,
// anything; bound to the content, it lets a reader refuse other bytes without
// trusting the layer or whoever asks it on the reader's behalf. The result shares
// nothing with the arguments.
func Bind(name, blob []byte) chain.BlobID {
	hash := chain.Keccak256(blob)
	return slices.Concat(chain.BlobID(name), hash[:])
}

// Unbind returns the layer's name, which is a view of id, and the hash. It is not
// ok when id is too short to hold both.
func Unbind(id chain.BlobID) (name []byte, hash common.Hash, ok bool) {
	cut := len(id) - common.HashLength
	if cut <= 0 {
		return nil, common.Hash{}, false
	}
	return id[:cut], common.Hash(id[cut:]), true
}

// CheckBlob compares what a layer gave with the hash of what was put. The error
// matches ErrTransient for no bytes at all where there must be some, which is how
// half an answer of some proxies looks, and else ErrCorrupt.
func CheckBlob(blob []byte, hash common.Hash) error {
	got := chain.Keccak256(blob)
	switch {
	case got == hash:
		return nil
	case len(blob) == 0:
		return fmt.Errorf("%w: the answer is empty", ErrTransient)
	}
	return &chain.CorruptError{What: "blob " + hash.Hex(), Offset: -1, Err: fmt.Errorf("content has hash %s", got)}
}
