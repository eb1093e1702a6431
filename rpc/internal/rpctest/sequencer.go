package rpctest

import (
	"context"
	"log/slog"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// A Sequencer is a real one that runs, with what a door needs beside it. It may be used
// concurrently.
type Sequencer struct {
	*sequencer.Sequencer
	Store  *history.Store
	Engine *execution.Sequential
	Spec   *genesis.Spec

	tb     testing.TB
	mu     sync.Mutex
	nonces [Accounts]uint64
}

// RunSequencer runs a sequencer of the chain of DevSpec until the test ends: without
// fsync, with a block every 200 ms. change alters its configuration, if it is not nil.
func RunSequencer(tb testing.TB, change func(*sequencer.Config)) *Sequencer {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Errorf("rpctest: sequencer: %v", err)
		}
	}
	r := &Sequencer{tb: tb, Spec: DevSpec(tb, nil)}
	var err error
	r.Store, err = history.Open(history.Config{Dir: tb.TempDir(), Genesis: r.Spec.Genesis.Header})
	must(err)
	r.Engine, err = execution.New(execution.Config{Chain: r.Spec.Config})
	must(err)
	config := sequencer.Config{
		Genesis: r.Spec.Genesis, ChainConfig: r.Spec.Config, Dir: tb.TempDir(), Durability: state.DurabilityNone,
		Executor: r.Engine, DA: inprocess.New(), History: r.Store, Logger: slog.New(slog.DiscardHandler),
		BlockInterval: 200 * time.Millisecond, TimestampAhead: -1,
	}
	if change != nil {
		change(&config)
	}
	r.Sequencer, err = sequencer.New(context.Background(), config)
	must(err)
	if tb.Failed() {
		tb.FailNow()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		must(<-done)
		must(r.Close())
		must(r.Store.Close())
	})
	return r
}

// Transfer is a signed payment of one wei by account i, with its next nonce.
func (s *Sequencer) Transfer(i int) (raw []byte) {
	s.mu.Lock()
	nonce := s.nonces[i]
	s.nonces[i]++
	s.mu.Unlock()
	tx := types.MustSignNewTx(AccountAt(i).Key, types.LatestSigner(s.Spec.Config), &types.DynamicFeeTx{
		ChainID: s.Spec.Config.ChainID, Nonce: nonce, To: &common.Address{1}, Value: big.NewInt(1),
		Gas: params.TxGas, GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
	})
	raw, err := tx.MarshalBinary()
	if err != nil {
		s.tb.Errorf("rpctest: %v", err)
	}
	return raw
}
