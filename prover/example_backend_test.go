package prover_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/statediff"
)

// A notary is a ProofBackend that has another one do the work, and adds a proof of its
// own form: here a seal over the new root. A machine with a proof system does the same.
type notary struct{ prover.ProofBackend }

// Program names what checks, and how it is proven.
func (n notary) Program() prover.Program {
	inner := n.ProofBackend.Program()
	return chain.Keccak256([]byte("example/notary/v1"), inner[:])
}

func (n notary) Prove(ctx context.Context, in *prover.Input) (*prover.Output, error) {
	out, err := n.ProofBackend.Prove(ctx, in)
	if err != nil {
		return nil, err
	}
	out.Proof = fmt.Appendf(nil, "sealed %x", out.Public.PostRoot[:4])
	return out, nil
}

// A prover that makes proofs of its own: it takes what the sequencer publishes, and
// hands in attestations under its backend's program.
func ExampleProofBackend() {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	bus, layer := link.NewBus(1<<20), inprocess.New()
	publish(ctx, bus, layer)

	executor, _ := execution.New(execution.Config{Chain: params.AllEthashProtocolChanges})
	backend := notary{prover.NewReexecution(executor, prover.Program{}, nil)}
	key, _ := attest.NewKey(common.FromHex("0x0101010101010101010101010101010101010101010101010101010101010101"))
	p, err := prover.New(prover.Config{
		ChainConfig: params.AllEthashProtocolChanges, Backend: backend, Signer: key,
		DA: layer, Source: prover.FromTopic(bus, bus, 0), Logger: slog.New(slog.DiscardHandler),
		Proven: func(_ context.Context, a *chain.Attestation, proof []byte) error {
			fmt.Printf("block %d: %s\n", a.Block.Number, proof)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()

	next, _ := bus.Subscribe(ctx, link.TopicAttestations, 0)
	_, msg, _ := next(ctx)
	var a chain.Attestation
	_ = a.UnmarshalBinary(msg)
	who, err := attest.Recover(&a)
	fmt.Println(who == key.Address(), a.Program == backend.Program(), err)
	leave()
	fmt.Println(<-done)
	// Output:
	// block 1: sealed 2a818fd5
	// true true <nil>
	// <nil>
}

// publish does what a sequencer does with a block: see ExampleVerify, whose block it is.
func publish(ctx context.Context, bus *link.Bus, layer chain.DAClient) {
	parent := &chain.Header{StateRoot: chain.EmptyRoot, BaseFee: uint256.NewInt(params.GWei)}
	raw, _ := parent.AppendBinary(nil)
	block := &chain.Block{Header: &chain.Header{
		Number: 1, ParentHash: parent.Hash(), Timestamp: 1, Coinbase: common.Address{1},
		OmmersHash: chain.EmptyOmmersHash, TransactionsRoot: chain.EmptyRoot, ReceiptsRoot: chain.EmptyRoot,
		Difficulty: *uint256.NewInt(1), GasLimit: 30_000_000, BaseFee: uint256.NewInt(params.GWei),
		StateRoot: common.HexToHash("0x2a818fd589c562e83d4a38bb9a779166ded29dcc85c32782025b8745f8c04f65"),
	}}
	witness := &chain.Witness{Headers: [][]byte{raw}}
	executor, _ := execution.New(execution.Config{Chain: params.AllEthashProtocolChanges})
	v, _ := prover.Verify(ctx, executor, block, witness)
	diff, _ := statediff.New(statediff.Config{Stateless: true}).AppendEncode(nil, v.Changes, v.Prior, nil)
	encodedBlock, _ := block.AppendBinary(nil)
	encodedWitness, _ := witness.AppendBinary(nil)

	p := &chain.Publication{Block: block.Header.ID()}
	p.Body, _, _ = da.Put(ctx, layer, &da.Object{Kind: da.Block, Block: p.Block, Payload: encodedBlock})
	p.Witness, _, _ = da.Put(ctx, layer, &da.Object{Kind: da.Witness, Block: p.Block, Payload: encodedWitness})
	p.Diff, _, _ = da.Put(ctx, layer, &da.Object{Kind: da.Diff, Block: p.Block, Payload: diff})
	msg, _ := p.AppendBinary(nil)
	_, _ = bus.Publish(ctx, link.TopicPublications, msg)
}
