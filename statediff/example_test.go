package statediff_test

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/statediff"
)

// A sender encodes what a block changed; a receiver with the state before the
// block gets exactly that.
func Example() {
	before := chain.Account{Nonce: 6, Balance: *uint256.NewInt(1e18), CodeHash: chain.EmptyCodeHash}
	after := chain.Account{Nonce: 7, Balance: *uint256.NewInt(4e17), CodeHash: chain.EmptyCodeHash}
	changes := &chain.Changes{Accounts: []chain.AccountChange{{
		Address: common.HexToAddress("0xa11ce"), Before: before, After: after, Existed: true, Exists: true,
	}}}
	prior := chaintest.Before(changes) // any chain.StateView: the receiver's own state

	sender, receiver := statediff.New(statediff.Config{}), statediff.New(statediff.Config{})
	diff, err := sender.AppendEncode(nil, changes, prior, nil)
	fmt.Println(len(diff), "bytes,", err)

	var got chain.Changes
	fmt.Println(receiver.Decode(&got, diff, prior), got.Accounts[0].After.Nonce, got.Digest() == changes.Digest())
	fmt.Println(receiver.Decode(&got, diff, prior))
	// Output:
	// 74 bytes, <nil>
	// <nil> 7 true
	// out of step: diff is number 0 of its stream, want 1
}
