package execution

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// hints gathers chain.Hints while a block executes.
//
// Of the inputs of KECCAK256 it keeps those that made slot numbers: of a mapping's
// value (64 bytes: key and slot), of an array's first element (32 bytes), and of
// mappings with longer keys. Slot numbers are made by the transactions that write
// them, so all inputs are looked at when a transaction ends, and let go of.
type hints struct {
	inputs map[common.Hash][]byte   // of the current transaction
	near   map[nearHash]common.Hash // finds the hash shortly before a slot number
	minis  map[common.Hash]uint32   // by hash that was kept: the last mini-block it is in, and 1
	mini   chain.Hints
	block  chain.Hints
}

// nearHash is a hash without its last two bytes. The fields of a struct and the
// elements of an array lie shortly behind their hash.
type nearHash [30]byte

const (
	preimageSizeMax  = 256     // bytes; longer inputs do not count
	preimageCountMax = 1 << 16 // of a transaction; later ones do not count
)

func newHints() *hints {
	h := &hints{minis: make(map[common.Hash]uint32)}
	h.forget()
	return h
}

func (h *hints) forget() {
	const keep = 1024 // entries; clearing a map costs as much as it once held
	if h.inputs == nil || len(h.inputs) > keep {
		h.inputs, h.near = make(map[common.Hash][]byte), make(map[nearHash]common.Hash)
		return
	}
	clear(h.inputs)
	clear(h.near)
}

// add notes an input of KECCAK256.
func (h *hints) add(hash common.Hash, input []byte) {
	if len(input) < common.HashLength || len(input) > preimageSizeMax || len(h.inputs) >= preimageCountMax {
		return
	}
	if _, known := h.inputs[hash]; known {
		return
	}
	h.inputs[hash] = bytes.Clone(input)
	h.near[nearHash(hash[:len(nearHash{})])] = hash
}

// endTx enters a transaction of a mini-block.
func (h *hints) endTx(c *chain.Changes, mini uint32) {
	h.mini.Txs = append(h.mini.Txs, c)
	h.block.Txs = append(h.block.Txs, c)
	for i := range c.Accounts {
		for j := range c.Accounts[i].Slots {
			h.keep(h.base(c.Accounts[i].Slots[j].Key), mini+1)
		}
	}
	h.forget()
}

// keep enters the input behind hash, once for each mini-block and for the block,
// after those that it is itself made of.
func (h *hints) keep(hash common.Hash, mini uint32) {
	input, known := h.inputs[hash]
	before := h.minis[hash]
	if !known || before == mini {
		return
	}
	h.minis[hash] = mini
	// The last word of the input is the slot of the mapping or array, which in a
	// nested one is itself a hash.
	h.keep(h.base(common.Hash(input[len(input)-common.HashLength:])), mini)
	h.mini.Preimages = append(h.mini.Preimages, input)
	if before == 0 {
		h.block.Preimages = append(h.block.Preimages, input)
	}
}

// base is the hash at or shortly before key, if one was seen; otherwise key.
func (h *hints) base(key common.Hash) common.Hash {
	hash, known := h.near[nearHash(key[:len(nearHash{})])]
	if known && bytes.Compare(hash[:], key[:]) <= 0 {
		return hash
	}
	return key
}

// sealMini returns the mini-block's hints, and begins the next one's.
func (h *hints) sealMini() *chain.Hints {
	sealed := h.mini
	h.mini = chain.Hints{}
	return &sealed
}
