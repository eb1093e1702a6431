package chain_test

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// wallet is the state of an account without code.
func wallet(nonce, wei uint64) chain.Account {
	return chain.Account{Nonce: nonce, Balance: *uint256.NewInt(wei), CodeHash: chain.EmptyCodeHash}
}

// Two mini-blocks: a creates b with 60 wei, and b sends them back. What is left of
// both is that two nonces have grown.
func Example() {
	a, b := common.HexToAddress("0xaa"), common.HexToAddress("0xbb")
	first := &chain.Changes{Accounts: []chain.AccountChange{
		{Address: b, After: wallet(0, 60), Exists: true},
		{Address: a, Before: wallet(0, 100), After: wallet(1, 40), Existed: true, Exists: true},
	}}
	first.Normalize() // a before b
	second := &chain.Changes{Accounts: []chain.AccountChange{
		{Address: a, Before: wallet(1, 40), After: wallet(1, 100), Existed: true, Exists: true},
		{Address: b, Before: wallet(0, 60), After: wallet(1, 0), Existed: true, Exists: true},
	}}
	block, err := chain.Merge(first, second)
	fmt.Println(err, block.Validate(), len(block.Accounts))
	for _, c := range block.Accounts {
		fmt.Println(c.Address, c.Before.Balance.Dec(), "->", c.After.Balance.Dec(), "wei, nonce", c.After.Nonce)
	}
	_, err = chain.Merge(second, first)
	fmt.Println(errors.Is(err, chain.ErrOutOfStep))
	// Output:
	// <nil> <nil> 2
	// 0x00000000000000000000000000000000000000AA 100 -> 100 wei, nonce 1
	// 0x00000000000000000000000000000000000000bb 0 -> 0 wei, nonce 1
	// true
}

// The canonical encoding is the same for the same content, and the decoder accepts
// nothing else.
func ExampleChanges_UnmarshalBinary() {
	c := &chain.Changes{Accounts: []chain.AccountChange{{Address: common.HexToAddress("0xaa"), After: wallet(1, 2), Exists: true}}}
	encoded, _ := c.AppendBinary(nil)
	var decoded chain.Changes
	fmt.Println(decoded.UnmarshalBinary(encoded), decoded.Digest() == c.Digest())
	encoded[len(encoded)-1]--
	err := decoded.UnmarshalBinary(encoded)
	fmt.Println(errors.Is(err, chain.ErrCorrupt), err)
	// Output:
	// <nil> true
	// true corrupt changes: rlp: input ends inside an item (at byte 64)
}
