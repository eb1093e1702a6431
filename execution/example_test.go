package execution_test

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// A block under construction takes transactions one group after the other.
func ExampleSequential_Open() {
	e, err := execution.New(execution.Config{Chain: params.MergedTestChainConfig})
	if err != nil {
		panic(err)
	}
	ctx, state := context.Background(), rich() // a chain.StateView
	fillSystem(state)

	block, err := e.Open(ctx, envAt("Osaka"), nil, state)
	if err != nil {
		panic(err)
	}
	defer block.Discard()
	signed := types.MustSignNewTx(aliceKey, types.LatestSigner(params.MergedTestChainConfig), &types.DynamicFeeTx{
		ChainID: big.NewInt(1), To: &bob, Value: big.NewInt(42), Gas: 21000, GasFeeCap: big.NewInt(10),
	})
	raw, _ := signed.MarshalBinary()
	results, err := block.Push(ctx, []*chain.Tx{chain.NewTx(raw), chain.NewTx(raw)})
	if err != nil {
		panic(err)
	}
	result, err := block.Close(ctx)
	if err != nil {
		panic(err)
	}
	balance := result.Changes.Account(bob).After.Balance
	fmt.Println(results[0].Receipt.GasUsed, "gas,", &balance, "wei")
	fmt.Println(results[1].Err)
	// Output:
	// 21000 gas, 42 wei
	// nonce too low: address 0xC2411d5F7d35BA7f83f5c2D58A0CdE64a05459E7, tx: 0 state: 1
}
