package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// An Engine executes blocks in its own way. A chain.Executor is made one by
// Executor.
type Engine interface {
	// Prepare takes a workload in, before time is taken: it brings blocks into the
	// engine's own types, with transactions decoded and their senders known. It
	// executes nothing.
	Prepare(w *Workload) (Execution, error)
}

// An Execution executes block i of a workload on the state before it, and returns
// a function that says what came of it. Computing the receipts, the receipts root,
// the bloom, the gas and the new state belongs to the Execution; bringing them into
// the form of an Outcome to the function, which is not timed. An Execution may
// reuse memory, and keeps no results, analyses or reads from one call for the next.
type Execution func(ctx context.Context, i int) (outcome func() (*Outcome, error), err error)

// An Outcome is what a block did. In a receipt from before Byzantium the state root
// is zero.
type Outcome struct {
	GasUsed      uint64
	LogsBloom    chain.Bloom
	ReceiptsRoot common.Hash
	Changes      *chain.Changes
}

// Digest names the outcome.
func (o *Outcome) Digest() common.Hash {
	var (
		gas     = fmt.Appendf(nil, "%d", o.GasUsed)
		changes = o.Changes.Digest()
	)
	return chain.Keccak256(gas, o.LogsBloom[:], o.ReceiptsRoot[:], changes[:])
}

// diff names the first difference, or returns the empty string.
func (o *Outcome) diff(want *Outcome) string {
	switch {
	case o.GasUsed != want.GasUsed:
		return fmt.Sprintf("gas used %d, want %d", o.GasUsed, want.GasUsed)
	case o.LogsBloom != want.LogsBloom:
		return "logs bloom"
	case o.ReceiptsRoot != want.ReceiptsRoot:
		return fmt.Sprintf("receipts root %s, want %s", o.ReceiptsRoot, want.ReceiptsRoot)
	case o.Changes.Digest() != want.Changes.Digest():
		return fmt.Sprintf("changes of %d accounts and slots, want other %d", o.Changes.Len(), want.Changes.Len())
	}
	return ""
}

// CheckExecute executes all of w and compares each outcome with the referee's. It
// returns a digest of them all.
func CheckExecute(tb testing.TB, w *Workload, e Engine) common.Hash {
	tb.Helper()
	return checkExecution(tb, w, prepare(tb, w, e))
}

func prepare(tb testing.TB, w *Workload, e Engine) Execution {
	tb.Helper()
	run, err := e.Prepare(w)
	if err != nil {
		tb.Fatalf("%s: %v", w.Name, err)
	}
	return run
}

func checkExecution(tb testing.TB, w *Workload, run Execution) common.Hash {
	tb.Helper()
	var digests []byte
	for i, b := range w.Blocks {
		outcome, err := run(tb.Context(), i)
		if err != nil {
			tb.Fatalf("%s: block %d: %v", w.Name, b.Header.Number, err)
		}
		got, err := outcome()
		if err != nil {
			tb.Fatalf("%s: block %d: %v", w.Name, b.Header.Number, err)
		}
		if d := got.diff(b.outcome()); d != "" {
			tb.Fatalf("%s: block %d: %s", w.Name, b.Header.Number, d)
		}
		digest := got.Digest()
		digests = append(digests, digest[:]...)
	}
	return chain.Keccak256(digests)
}

// Execute times an engine. One operation is the execution of every block of w, each
// on the state before it. Metrics: Mgas/s, tx/s, cpu-ns/op.
func Execute(b *testing.B, w *Workload, e Engine) {
	run := prepare(b, w, e)
	checkExecution(b, w, run)
	b.ReportAllocs()
	watch := newStopwatch(b)
	for b.Loop() {
		for i := range w.Blocks {
			if _, err := run(b.Context(), i); err != nil {
				b.Fatal(err)
			}
		}
	}
	watch.stop()
	watch.rate("Mgas/s", float64(w.Gas())/1e6)
	watch.rate("tx/s", float64(w.Txs()))
	watch.processor()
}

// Executor makes an Engine of a constructor of executors. Its executions compute
// the receipts root besides what the contract asks for.
type Executor func(config *params.ChainConfig) (chain.Executor, error)

// Prepare implements Engine.
func (open Executor) Prepare(w *Workload) (Execution, error) {
	executor, err := open(w.Config)
	if err != nil {
		return nil, err
	}
	blocks := make([]*chain.Block, len(w.Blocks))
	for i, b := range w.Blocks {
		own := *b.Block
		own.Txs = b.transactions(true)
		blocks[i] = &own
	}
	return func(ctx context.Context, i int) (func() (*Outcome, error), error) {
		result, err := executor.Execute(ctx, blocks[i], w.Blocks[i].Ancestors, w.Blocks[i].Prior)
		if err != nil {
			return nil, err
		}
		receiptsRoot := trie.ReceiptsRoot(result.Receipts)
		return func() (*Outcome, error) {
			return &Outcome{
				GasUsed: result.GasUsed, LogsBloom: result.LogsBloom,
				ReceiptsRoot: receiptsRoot, Changes: result.Changes,
			}, nil
		}, nil
	}, nil
}
