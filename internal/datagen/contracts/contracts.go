// Package contracts holds the compiled contracts of the benchmark and devnet
// workload: an ERC-20 token, a constant-product pair with the rules of Uniswap V2
// and a router in front of it.
//
// The sources and the script that compiles them are in _generate. What it writes
// is committed, so that a build needs no compiler; a test compares the two where
// node and solc are installed.
package contracts

import (
	"embed"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// The contracts. Read only.
var (
	Token  = load("Token")
	Pair   = load("Pair")
	Router = load("Router")
)

// A Contract is what the compiler made of one contract. None has immutables, so
// Runtime is the code of every instance.
type Contract struct {
	Creation []byte // code of the creating transaction, without constructor arguments
	Runtime  []byte // code of the account
	methods  map[string]string
	storage  map[string]variable
}

// A variable is where a state variable is in storage.
type variable struct {
	Slot   uint64 `json:"slot"`
	Offset uint   `json:"offset"` // bytes, from the low end
	Type   string `json:"type"`
}

//go:embed Token.json Pair.json Router.json
var artifacts embed.FS

func load(name string) *Contract {
	var a struct {
		Creation, Runtime hexutil.Bytes
		Methods           map[string]string
		Storage           map[string]variable
	}
	src, err := artifacts.ReadFile(name + ".json")
	if err == nil {
		err = json.Unmarshal(src, &a)
	}
	if err != nil {
		panic(fmt.Sprintf("contracts: embedded %s: %v", name, err))
	}
	return &Contract{a.Creation, a.Runtime, a.Methods, a.Storage}
}

// Call returns the calldata of a method, by its signature, with static arguments
// of one word each (what follows them, for dynamic ones, is the caller's to lay
// out). It panics if there is no such method.
func (c *Contract) Call(signature string, words ...[32]byte) []byte {
	id, ok := c.methods[signature]
	if !ok {
		panic("contracts: no method " + signature)
	}
	data := make([]byte, 0, 4+32*len(words))
	data = append(data, common.FromHex(id)...)
	return Append(data, words...)
}

// Append appends words: the ABI encoding of static arguments.
func Append(dst []byte, words ...[32]byte) []byte {
	for i := range words {
		dst = append(dst, words[i][:]...)
	}
	return dst
}

// Slot is the slot of a state variable, or, with keys, of an entry of a mapping
// (of mappings). It panics if there is no such variable.
func (c *Contract) Slot(name string, keys ...common.Address) common.Hash {
	v, ok := c.storage[name]
	if !ok {
		panic("contracts: no variable " + name)
	}
	slot := Number(v.Slot)
	for _, key := range keys {
		word := Address(key)
		slot = chain.Keccak256(word[:], slot[:])
	}
	return slot
}

// Shift returns v moved to where a variable that shares its slot has it.
func (c *Contract) Shift(name string, v *uint256.Int) uint256.Int {
	var out uint256.Int
	out.Lsh(v, 8*c.storage[name].Offset)
	return out
}

// Number is v as a word.
func Number(v uint64) common.Hash { return uint256.NewInt(v).Bytes32() }

// Address is a as a word.
func Address(a common.Address) (w common.Hash) {
	copy(w[12:], a[:])
	return w
}

// ShortString is what a string of at most 31 bytes has in its slot.
func ShortString(s string) (w common.Hash) {
	if len(s) > 31 {
		panic("contracts: string is too long for its slot: " + s)
	}
	copy(w[:], s)
	w[31] = byte(2 * len(s))
	return w
}
