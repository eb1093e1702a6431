package execution_test

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/execution"
)

// doubler is a precompile: it gives back its input twice.
type doubler struct{}

func (doubler) Name() string                    { return "DOUBLER" }
func (doubler) RequiredGas(input []byte) uint64 { return 100 + uint64(len(input)) }
func (doubler) Run(input []byte) ([]byte, error) {
	return append(input[:len(input):len(input)], input...), nil
}

// A rollup may have precompiles of its own.
func ExampleConfig_precompiles() {
	at := common.HexToAddress("0xd0b1e")
	e, err := execution.New(execution.Config{
		Chain:       params.MergedTestChainConfig,
		Precompiles: map[common.Address]execution.Precompile{at: doubler{}},
	})
	if err != nil {
		panic(err)
	}
	call, err := e.Scratch(envAt("Osaka"), nil, accounts{}, execution.ScratchConfig{NoBaseFee: true})
	if err != nil {
		panic(err)
	}
	defer call.Discard()
	result, err := call.Call(context.Background(), &execution.Call{To: &at, Gas: 30_000, Data: []byte("tut")})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s for %d gas\n", result.Output, result.GasUsed)
	// Output: tuttut for 21151 gas
}
