package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// A step is a part of a block's way through the system.
type step int

const (
	stepExecute step = iota // sequencer: the executor alone
	stepCheck               // sequencer: body, gas, receipts, bloom, requests against the header
	stepEncode              // sequencer: the diff
	stepApply               // full node: decode the diff, stage, commit
	stepRoots               // sequencer and full node: the state root, each from its own trie
	stepWitness             // sequencer: the witness
	stepVerify              // prover: execute from the witness, compare, nothing left over
	steps
)

func (s step) String() string {
	return [...]string{"execute", "check header", "encode diff", "apply diff", "state roots", "witness", "verify"}[s]
}

// replayed is one block's row.
type replayed struct {
	number  uint64
	txs     int
	gas     uint64
	diff    int // bytes
	witness int // bytes
	took    [steps]time.Duration
	peer    peerTimes
}

// A pipeline takes closed blocks with the state before them through the roles'
// steps, each role on its own state, with bytes between them.
//
// What a header says of gas, receipts, bloom and requests is compared with the
// executor's result, and again with what the witness led to. The state root cannot
// be, as the state is partial; in its place the roots of the partial state are
// compared with each other: the sequencer's, the full node's and the prover's. See
// rebase.
type pipeline struct {
	executor *execution.Sequential
	encoder  chain.DiffEncoder // the sequencer's
	decoder  chain.DiffEncoder // the full node's
	// peer, if set, times another implementation on the same block, and compares
	// its state root with the one given.
	peer func(context.Context, *mainnet.Block, common.Hash) (peerTimes, error)
}

func newPipeline(config *params.ChainConfig) (*pipeline, error) {
	loadKZG()
	executor, err := execution.New(execution.Config{
		Chain: config,
		// Before Byzantium a receipt has the root of the whole state, which is not
		// at hand; the receipts root is not compared there.
		TxRoot: func(*chain.Changes) (common.Hash, error) { return common.Hash{}, nil },
	})
	return &pipeline{
		executor: executor,
		encoder:  statediff.New(statediff.Config{}),
		decoder:  statediff.New(statediff.Config{}),
	}, err
}

// loadKZG has go-ethereum load the trusted setup of EIP-4844 now, which takes a
// second of the process and not of the first block that needs it. The point at
// infinity proves the polynomial zero.
func loadKZG() {
	_ = kzg4844.VerifyProof(kzg4844.Commitment{0xc0}, kzg4844.Point{}, kzg4844.Claim{}, kzg4844.Proof{0xc0})
}

// run takes a block through all steps and fills in the row.
func (p *pipeline) run(ctx context.Context, b *mainnet.Block, row *replayed) error {
	sequencer, err := loadPartial(ctx, b)
	if err != nil {
		return err
	}
	node, err := loadPartial(ctx, b)
	if err != nil {
		return err
	}
	row.txs, row.gas = len(b.Txs), b.Header.GasUsed

	var (
		result              *chain.Result
		decoded             chain.Changes
		diff, body, witness []byte
		post                common.Hash
	)
	for s, do := range [steps]func() error{
		stepExecute: func() (err error) {
			result, err = p.executor.Execute(ctx, b.Block, b.Hashes, sequencer.view)
			return err
		},
		stepCheck: func() error {
			if err := checkSenders(b); err != nil {
				return err
			}
			return checkHeader(b.Block, result)
		},
		stepEncode: func() (err error) {
			diff, err = p.encoder.AppendEncode(nil, result.Changes, sequencer.view, result.Hints)
			return err
		},
		stepApply: func() error {
			if err := p.decoder.Decode(&decoded, diff, node.view); err != nil {
				return err
			}
			return node.commit(ctx, b.Header.ID(), &decoded)
		},
		stepRoots: func() (err error) {
			if post, err = sequencer.root(ctx, result.Changes); err != nil {
				return err
			}
			return node.checkRoot(ctx, b.Header.Number, &decoded, post)
		},
		stepWitness: func() (err error) {
			block, parent := rebase(b, result, sequencer.pre, post)
			if body, err = block.AppendBinary(nil); err != nil {
				return err
			}
			witness, err = sequencer.witness(ctx, result.Accesses, parent)
			return err
		},
		stepVerify: func() error {
			return p.verify(ctx, b, body, witness)
		},
	} {
		began := time.Now()
		err := do()
		row.took[s] = time.Since(began)
		if err != nil {
			return fmt.Errorf("%s: %w", step(s), err)
		}
	}
	row.diff, row.witness = len(diff), len(witness)
	if err := node.check(b.Header.Number, result.Changes); err != nil {
		return fmt.Errorf("post-state of the full node: %w", err)
	}
	if p.peer != nil {
		row.peer, err = p.peer(ctx, b, post)
		return err
	}
	return nil
}

// checkSenders compares what was recovered from the signatures with the archive.
func checkSenders(b *mainnet.Block) error {
	for i, tx := range b.Txs {
		if got, _ := tx.Sender(); got != b.Senders[i] {
			return &chain.MismatchError{Block: b.Header.Number, Field: fmt.Sprintf("sender of transaction %d", i), Got: got.Hex(), Want: b.Senders[i].Hex()}
		}
	}
	return nil
}

// checkHeader compares body and result with the header, but for the state root.
func checkHeader(b *chain.Block, result *chain.Result) error {
	if err := trie.CheckBody(b); err != nil {
		return err
	}
	receipts := b.Header.ReceiptsRoot
	if len(result.Receipts) > 0 && !result.Receipts[0].HasPostState {
		receipts = trie.ReceiptsRoot(result.Receipts)
	}
	return b.Header.CheckResult(result, receipts, b.Header.StateRoot)
}

// verify is a prover's work, from bytes.
func (p *pipeline) verify(ctx context.Context, b *mainnet.Block, body, witness []byte) error {
	var (
		block chain.Block
		w     chain.Witness
	)
	if err := block.UnmarshalBinary(body); err != nil {
		return err
	}
	if err := w.UnmarshalBinary(witness); err != nil {
		return err
	}
	_, err := prover.Verify(ctx, &rebasedExecutor{p.executor, b}, &block, &w)
	return err
}

// rebase returns the block as it would be on a chain whose whole state is the
// partial one, and its parent: with the partial state's roots before and after,
// and linked. Before Byzantium its receipts have no roots of the real chain
// either.
func rebase(b *mainnet.Block, result *chain.Result, pre, post common.Hash) (block *chain.Block, parent *chain.Header) {
	parent = &chain.Header{
		OmmersHash: chain.EmptyOmmersHash, TransactionsRoot: chain.EmptyRoot, ReceiptsRoot: chain.EmptyRoot,
		Number: b.Header.Number - 1, Timestamp: b.Header.Timestamp - 1, StateRoot: pre,
	}
	header := *b.Header
	header.ParentHash, header.StateRoot = parent.Hash(), post
	header.ReceiptsRoot = trie.ReceiptsRoot(result.Receipts)
	rebased := *b.Block
	rebased.Header = &header
	return &rebased, parent
}

// A rebasedExecutor executes a rebased block as what it was: with the real hashes
// of its ancestors, which a witness of the real chain would have by its headers.
type rebasedExecutor struct {
	chain.Executor
	archived *mainnet.Block
}

// Execute implements chain.Executor.
func (e *rebasedExecutor) Execute(ctx context.Context, b *chain.Block, _ chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
	real := *b
	real.Header = e.archived.Header
	return e.Executor.Execute(ctx, &real, e.archived.Hashes, prior)
}
