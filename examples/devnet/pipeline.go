package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// A step is a part of a block's way through the system.
type step int

const (
	stepExecute step = iota // sequencer: the executor, receipts root and bloom
	stepEncode              // sequencer: the diff
	stepApply               // full node: decode the diff, stage, commit
	stepRoots               // sequencer and full node: state root, each on its own trie
	stepWitness             // sequencer: the witness
	stepVerify              // prover: execute from the witness, root, nothing left over
	steps
)

func (s step) String() string {
	return [...]string{"execute", "encode diff", "apply diff", "state roots", "witness", "verify"}[s]
}

// replayed is one block's row.
type replayed struct {
	number  uint64
	txs     int
	gas     uint64
	diff    int // bytes
	witness int // bytes
	took    [steps]time.Duration
	// go-ethereum's own times for the same block, with -compare.
	gethExecute, gethVerify time.Duration
}

// A pipeline takes closed blocks with their state before through the roles'
// steps, each role on its own state, with bytes between them.
//
// What a block's header says of gas, receipts, bloom and requests is compared with
// the executor's result and again with the stateless one. The state root cannot
// be, as the state is partial; in its place the roots of the partial state, by
// sequencer, full node and prover, are compared with each other.
type pipeline struct {
	executor *execution.Sequential
	encoder  chain.DiffEncoder // the sequencer's
	decoder  chain.DiffEncoder // the full node's
	geth     *oracle.Peer      // nil without -compare
}

func newPipeline(config *params.ChainConfig, compare bool) (*pipeline, error) {
	executor, err := execution.New(execution.Config{
		Chain: config,
		// Before Byzantium receipts have state roots, of the whole state.
		TxRoot: func(*chain.Changes) (common.Hash, error) { return common.Hash{}, nil },
	})
	return &pipeline{
		executor: executor,
		encoder:  statediff.New(statediff.Config{}),
		decoder:  statediff.New(statediff.Config{}),
	}, err
}

// run takes a block through all steps and fills in the row.
func (p *pipeline) run(ctx context.Context, b *mainnet.Block, row *replayed) error {
	sequencer, err := newPartial(ctx, b)
	if err != nil {
		return err
	}
	node, err := newPartial(ctx, b)
	if err != nil {
		return err
	}
	row.txs, row.gas = len(b.Txs), b.Header.GasUsed

	var (
		result   *chain.Result
		diff     []byte
		decoded  chain.Changes
		post     common.Hash
		nodePost common.Hash
		witness  []byte
	)
	for _, s := range []struct {
		step step
		do   func() error
	}{
		{stepExecute, func() (err error) {
			result, err = p.execute(ctx, b.Block, b.Hashes, sequencer.view)
			return err
		}},
		{stepEncode, func() (err error) {
			diff, err = p.encoder.AppendEncode(nil, result.Changes, sequencer.view, result.Hints)
			return err
		}},
		{stepApply, func() error {
			if err := p.decoder.Decode(&decoded, diff, node.view); err != nil {
				return err
			}
			return node.apply(ctx, b, &decoded)
		}},
		{stepRoots, func() (err error) {
			if post, err = sequencer.root(ctx, result.Changes); err != nil {
				return err
			}
			nodePost, err = node.root(ctx, &decoded)
			return err
		}},
		{stepWitness, func() (err error) {
			witness, err = sequencer.witness(ctx, result.Accesses)
			return err
		}},
	} {
		began := time.Now()
		err := s.do()
		row.took[s.step] = time.Since(began)
		if err != nil {
			return fmt.Errorf("%s: %w", s.step, err)
		}
	}
	row.diff, row.witness = len(diff), len(witness)
	if err := samePostState(b.Header.Number, result.Changes, &decoded, node); err != nil {
		return err
	}
	if err := same(b.Header.Number, "stateRoot of the full node", nodePost, post); err != nil {
		return err
	}
	return nil
}
