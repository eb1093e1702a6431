// Command prover runs a prover with a ProofBackend of one's own, next to a sequencer whose
// blocks it proves: the proof is the signature of a notary who has checked the block.
package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A notary is a prover.ProofBackend over another one, which says what holds of a block. A
// machine with a proof system, or one in an enclave, looks like this from outside.
type notary struct {
	prover.ProofBackend
	key ed25519.PrivateKey
}

// Program names all that the proof depends on: how blocks are checked, and whose word it is.
func (n notary) Program() prover.Program {
	inner := n.ProofBackend.Program()
	return chain.Keccak256([]byte("example/notary/v1"), inner[:], n.key.Public().(ed25519.PublicKey))
}

func (n notary) Prove(ctx context.Context, in *prover.Input) (*prover.Output, error) {
	out, err := n.ProofBackend.Prove(ctx, in)
	if err == nil {
		out.Proof = ed25519.Sign(n.key, statement(&out.Public))
	}
	return out, err
}

// statement is what the notary signs: which block it is, and what it changed.
func statement(a *chain.Attestation) []byte {
	return slices.Concat(a.Block.Hash[:], a.ChangesDigest[:])
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	executor := must(execution.New(execution.Config{Chain: spec.Config}))
	public, secret, err := ed25519.GenerateKey(nil)
	check(err)
	backend := notary{prover.NewReexecution(executor, prover.Program{}, nil), secret}
	bus, layer := sequencer.NewBus(1<<20), inprocess.New()
	p := must(prover.New(prover.Config{
		ChainConfig: spec.Config, Backend: backend, Key: must(crypto.GenerateKey()), Logger: slog.New(slog.DiscardHandler),
		DA: layer, Source: prover.FromTopic(bus, bus, 0),
		Proven: func(_ context.Context, a *chain.Attestation, proof []byte) error {
			if a.Block.Number == 1 {
				fmt.Printf("block 1: a proof of %d bytes, good: %t\n", len(proof), ed25519.Verify(public, statement(a), proof))
			}
			return nil
		},
	}))
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	fmt.Println("sequenced:", sequence(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, DA: layer, Publisher: bus, Subscriber: bus,
		Provers: []common.Address{p.Address()}, Programs: []common.Hash{backend.Program()}, BlockInterval: 100 * time.Millisecond,
	}))
	stop()
	fmt.Println("stopped:", <-ended)
}

// sequence runs a sequencer until a block is proven.
func sequence(ctx context.Context, cfg sequencer.Config) error {
	ctx, stop := context.WithCancel(ctx)
	cfg.Dir = must(os.MkdirTemp("", "embed"))
	defer os.RemoveAll(cfg.Dir)
	s := must(sequencer.New(ctx, cfg))
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	for s.Heads().Proven.Number == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("block 1: the sequencer takes it for proven")
	stop()
	return errors.Join(<-ended, s.Close())
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
