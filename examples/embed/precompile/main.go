// Command precompile calls a precompile of one's own: SHA3-512 at an address of the
// rollup's choice.
package main

import (
	"context"
	"crypto/sha3"
	"fmt"
	"log"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// sha512 is an execution.Precompile. Sequencer, full nodes and provers must have it.
type sha512 struct{}

func (sha512) Name() string                     { return "SHA3-512" }
func (sha512) RequiredGas(input []byte) uint64  { return 60 + 12*(uint64(len(input)+31)/32) }
func (sha512) Run(input []byte) ([]byte, error) { sum := sha3.Sum512(input); return sum[:], nil }

var at = common.HexToAddress("0x0000000000000000000000000000000000010000")

func main() {
	spec := must(genesis.Dev(genesis.DevOptions{}))
	engine := must(execution.New(execution.Config{
		Chain: spec.Config, Precompiles: map[common.Address]execution.Precompile{at: sha512{}},
	}))
	env := (&chain.Block{Header: spec.Genesis.Header}).Env()
	scratch := must(engine.Scratch(env, nil, chain.NewOverlay(nil, spec.Genesis.State), execution.ScratchConfig{NoBaseFee: true}))
	defer scratch.Discard()
	result := must(scratch.Call(context.Background(), &execution.Call{To: &at, Data: []byte("hello"), Gas: 100_000}))
	fmt.Printf("%x\ngas %d\n", result.Output, result.GasUsed)
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
