package prover_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/prover"
)

// The first block of a chain that begins with nothing: it has no transactions, and
// its miner gets two ether. All that a verifier needs is the parent's header.
func ExampleVerify() {
	executor, _ := execution.New(execution.Config{Chain: params.AllEthashProtocolChanges})
	parent := &chain.Header{StateRoot: chain.EmptyRoot, BaseFee: uint256.NewInt(params.GWei)}
	raw, _ := parent.AppendBinary(nil)
	block := &chain.Block{Header: &chain.Header{
		Number: 1, ParentHash: parent.Hash(), Timestamp: 1, Coinbase: common.Address{1},
		OmmersHash: chain.EmptyOmmersHash, TransactionsRoot: chain.EmptyRoot, ReceiptsRoot: chain.EmptyRoot,
		Difficulty: *uint256.NewInt(1), GasLimit: 30_000_000, BaseFee: uint256.NewInt(params.GWei),
		StateRoot: common.HexToHash("0x2a818fd589c562e83d4a38bb9a779166ded29dcc85c32782025b8745f8c04f65"),
	}}
	witness := &chain.Witness{Headers: [][]byte{raw}}

	v, err := prover.Verify(context.Background(), executor, block, witness)
	fmt.Println(v.Changes.Accounts[0].After.Balance.Dec(), err)

	witness.Codes = [][]byte{[]byte("something that nobody asked for")}
	_, err = prover.Verify(context.Background(), executor, block, witness)
	fmt.Println(errors.Is(err, chain.ErrSuperfluous))
	// Output:
	// 2000000000000000000 <nil>
	// true
}
