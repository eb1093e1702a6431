package oracle_test

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/oracle"
)

// TestExecution runs random blocks of random contracts, under all forks.
func TestExecution(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 5
	}
	for _, fork := range worldForks {
		t.Run(fork, func(t *testing.T) {
			t.Parallel()
			var sum outcome
			for seed := range seeds {
				sum.add(testWorld(t, newWorld(seed, fork, nil)))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
			t.Logf("%+v", sum)
			// A generator that makes nothing but refused and failing transactions
			// would prove nothing.
			if sum.included < 2*int(seeds) || sum.succeeded < int(seeds) || sum.refused == 0 {
				t.Fatalf("blocks hold too little: %+v", sum)
			}
		})
	}
}

// FuzzExecution runs random blocks around one contract of the fuzzer's.
func FuzzExecution(f *testing.F) {
	for i := range worldForks {
		w := newWorld(uint64(i), worldForks[i], nil)
		f.Add(uint64(i), uint8(i), w.program(8))
	}
	f.Fuzz(func(t *testing.T, seed uint64, fork uint8, code []byte) {
		if len(code) > 1<<10 {
			return
		}
		testWorld(t, newWorld(seed, worldForks[int(fork)%len(worldForks)], code))
	})
}

// outcome counts transactions, and accounts that a block destroyed and made anew.
type outcome struct{ included, succeeded, refused, remade int }

func (o *outcome) add(p outcome) {
	o.included += p.included
	o.succeeded += p.succeeded
	o.refused += p.refused
	o.remade += p.remade
}

// testWorld makes a block by a Builder out of random transactions. The block as a
// whole, by our Executor and by the referee, must come to the same in every
// respect; what the Builder refuses, the referee must refuse in its place; and the
// mini-blocks must add up to the block.
func testWorld(t *testing.T, w *world) (sum outcome) {
	ctx := t.Context()
	engine, err := execution.New(execution.Config{Chain: w.config, TxRoot: func(*chain.Changes) (common.Hash, error) {
		return common.Hash{1}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	referee := oracle.NewReferee(w.config)
	open, err := engine.Open(ctx, w.env, w.ancestors(), w.state)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Discard()
	var (
		txs   []*chain.Tx
		minis []*chain.Changes
	)
	for range 1 + w.rng.IntN(10) {
		tx := w.transaction()
		results, err := open.Push(ctx, []*chain.Tx{tx})
		if err != nil {
			t.Fatal(err)
		}
		if refusal := results[0].Err; refusal != nil {
			sum.refused++
			if !errors.Is(refusal, chain.ErrInvalidTx) && !errors.Is(refusal, chain.ErrBlockFull) {
				t.Errorf("refusal without a class: %v", refusal)
			}
			if _, err := referee.Execute(ctx, w.block(append(txs[:len(txs):len(txs)], tx)), w.ancestors(), w.state); !errors.Is(err, chain.ErrInvalidTx) {
				t.Errorf("refused with %v, by go-ethereum with %v", refusal, err)
			}
			continue
		}
		w.included(results[0].Changes)
		txs = append(txs, tx)
		sum.included++
		sum.succeeded += int(results[0].Receipt.Status)
		if w.rng.IntN(2) == 0 {
			mini, err := open.SealMini(ctx)
			if err != nil {
				t.Fatal(err)
			}
			minis = append(minis, mini.Changes)
		}
	}
	built, err := open.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	block := w.block(txs)
	got, err := engine.Execute(ctx, block, w.ancestors(), w.state)
	if err != nil {
		t.Fatal(err)
	}
	want, err := referee.Execute(ctx, block, w.ancestors(), w.state)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Changes.Validate(); err != nil {
		t.Error(err)
	}
	if d := oracle.Diff(got, want); d != "" {
		t.Errorf("ours and go-ethereum's: %s", d)
	}
	if d := oracle.Diff(built, got); d != "" {
		t.Errorf("built and executed: %s", d)
	}
	for i := range got.Changes.Accounts {
		if a := &got.Changes.Accounts[i]; a.Cleared && a.Exists {
			sum.remade++
		}
	}
	w.checkMinis(t, append(minis, built.Last.Changes), built.Changes)
	return sum
}

// checkMinis: the parent's hash and the mini-blocks are the block.
func (w *world) checkMinis(t *testing.T, minis []*chain.Changes, whole *chain.Changes) {
	t.Helper()
	if w.rules.IsPrague {
		opening, err := chain.ParentHashChange(w.parent, w.state)
		if err != nil {
			t.Fatal(err)
		}
		minis = append([]*chain.Changes{opening}, minis...)
	}
	merged, err := chain.Merge(minis...)
	if err != nil {
		t.Fatal(err)
	}
	if d := oracle.DiffChanges(merged, whole); d != "" {
		t.Errorf("mini-blocks and block: %s", d)
	}
}

// block is the block of the world's environment with txs.
func (w *world) block(txs []*chain.Tx) *chain.Block {
	e := w.env
	return &chain.Block{
		Header: &chain.Header{
			ParentHash: w.parent.Hash(), Number: e.Number, Timestamp: e.Timestamp, GasLimit: e.GasLimit, Coinbase: e.Coinbase,
			Difficulty: e.Difficulty, PrevRandao: e.PrevRandao, BaseFee: e.BaseFee, ExtraData: e.ExtraData,
			WithdrawalsRoot: w.when(w.rules.IsShanghai), BlobGasUsed: w.zeroWhen(w.rules.IsCancun), ExcessBlobGas: e.ExcessBlobGas,
			ParentBeaconBlockRoot: e.ParentBeaconBlockRoot, RequestsHash: w.when(w.rules.IsPrague),
		},
		Txs: txs, Ommers: e.Ommers, Withdrawals: e.Withdrawals,
	}
}

func (w *world) when(active bool) *common.Hash {
	if !active {
		return nil
	}
	return new(common.Hash)
}

func (w *world) zeroWhen(active bool) *uint64 {
	if !active {
		return nil
	}
	return new(uint64)
}
