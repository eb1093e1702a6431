package execution

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// preimages keeps the inputs of KECCAK256 of a block, to find those that made slot
// numbers: of a mapping's value (64 bytes: key and slot), of an array's first
// element (32 bytes), and of mappings with longer keys.
type preimages struct {
	inputs map[common.Hash][]byte
	// near finds the hash near a slot number: the fields of a struct and the
	// elements of an array lie behind their hash.
	near map[nearHash]common.Hash
}

// preimageSizeMax is the longest input that is kept, in bytes.
const preimageSizeMax = 256

// nearHash is a hash without its last two bytes.
type nearHash [30]byte

func newPreimages() *preimages {
	return &preimages{make(map[common.Hash][]byte), make(map[nearHash]common.Hash)}
}

func (p *preimages) add(hash common.Hash, input []byte) {
	if len(input) < common.HashLength || len(input) > preimageSizeMax {
		return
	}
	if _, known := p.inputs[hash]; known {
		return
	}
	p.inputs[hash] = bytes.Clone(input)
	p.near[nearHash(hash[:30])] = hash
}

// of returns the inputs that made the slot numbers in c, each once and after those
// that it is made of. Nothing is owned by p any more.
func (p *preimages) of(c *chain.Changes) [][]byte {
	var (
		out  [][]byte
		done = make(map[common.Hash]bool)
		emit func(hash common.Hash)
	)
	emit = func(hash common.Hash) {
		input, known := p.inputs[hash]
		if !known || done[hash] {
			return
		}
		done[hash] = true
		// The last word of the input is the slot of the mapping or array, which in
		// a nested one is itself a hash.
		emit(p.base(common.Hash(input[len(input)-common.HashLength:])))
		out = append(out, input)
	}
	for i := range c.Accounts {
		for j := range c.Accounts[i].Slots {
			emit(p.base(c.Accounts[i].Slots[j].Key))
		}
	}
	return out
}

// base is the hash at or shortly before key, if one was seen; otherwise key.
func (p *preimages) base(key common.Hash) common.Hash {
	hash, known := p.near[nearHash(key[:30])]
	if known && bytes.Compare(hash[:], key[:]) <= 0 {
		return hash
	}
	return key
}
