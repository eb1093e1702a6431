// Command precompile runs a sequencer with a precompile of one's own, SHA3-512 at an
// address of the rollup's choice, and sends a transaction to it.
package main

import (
	"context"
	"crypto/sha3"
	"fmt"
	"log"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// sha512 is an execution.Precompile. The executors of sequencer, full nodes and provers
// must all have it.
type sha512 struct{}

func (sha512) Name() string                     { return "SHA3-512" }
func (sha512) RequiredGas(input []byte) uint64  { return 600 + 120*(uint64(len(input)+31)/32) }
func (sha512) Run(input []byte) ([]byte, error) { sum := sha3.Sum512(input); return sum[:], nil }

var at = common.HexToAddress("0x0000000000000000000000000000000000010000")

func main() {
	ctx, stop := context.WithCancel(context.Background())
	dir := must(os.MkdirTemp("", "embed"))
	defer os.RemoveAll(dir)
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	engine := must(execution.New(execution.Config{
		Chain: spec.Config, Precompiles: map[common.Address]execution.Precompile{at: sha512{}},
	}))
	s := must(sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: dir, DA: inprocess.New(),
	}))
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	alice := genesis.DevAccounts()[0]
	key := must(crypto.ToECDSA(alice.Key[:]))
	tx := types.MustSignNewTx(key, types.LatestSigner(spec.Config), &types.LegacyTx{
		To: &at, Data: []byte("hello"), Gas: 100_000, GasPrice: spec.Genesis.Header.BaseFee.ToBig(),
	})
	receipt := must(s.Submit(ctx, must(tx.MarshalBinary())))
	fmt.Printf("transaction: status %d, gas %d\n", receipt.Status, receipt.GasUsed) // 21,000, 16 for each byte, 720

	view, env := s.Latest()
	scratch := must(engine.Scratch(env, nil, view, execution.ScratchConfig{NoBaseFee: true}))
	defer scratch.Discard()
	answer := must(scratch.Call(ctx, &execution.Call{To: &at, Data: tx.Data(), Gas: 100_000}))
	fmt.Printf("it answers %x\n", answer.Output)

	stop()
	fmt.Println("stopped:", <-ended, s.Close())
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
