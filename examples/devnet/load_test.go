package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen"
)

func newDriver(t *testing.T, clients int, speed rate, submit submitFunc) *driver {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	load, err := datagen.New(datagen.Config{Seed: 1, Accounts: max(2, clients), ChainID: 31337})
	require.NoError(t, err)
	return &driver{submit: submit, lanes: load.Lanes(clients), rate: speed, patience: 30 * time.Second}
}

var good = &chain.Receipt{Status: 1}

func TestDriverKeepsRateAndNonceOrder(t *testing.T) {
	var (
		mu    sync.Mutex
		next  = make(map[common.Address]uint64)
		wrong []string
	)
	d := newDriver(t, 8, 400, func(_ context.Context, raw []byte) (*chain.Receipt, error) {
		var tx types.Transaction
		if err := tx.UnmarshalBinary(raw); err != nil {
			return nil, err
		}
		from, err := types.Sender(types.NewPragueSigner(big.NewInt(31337)), &tx)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if tx.Nonce() != next[from] {
			wrong = append(wrong, fmt.Sprintf("%s: nonce %d, want %d", from, tx.Nonce(), next[from]))
		}
		next[from]++
		return good, nil
	})
	d.run(context.Background(), 500*time.Millisecond)
	require.Empty(t, wrong)
	require.InDelta(t, 200, d.acknowledged.Load(), 20)
	require.LessOrEqual(t, d.acknowledged.Load(), int64(200))
	require.Equal(t, d.offered.Load(), d.acknowledged.Load())
	require.Equal(t, d.acknowledged.Load(), d.kinds[0].Load()+d.kinds[1].Load()+d.kinds[2].Load())
	require.Equal(t, uint64(d.acknowledged.Load()), d.latency.count.Load())
}

func TestDriverAsFastAsItGoes(t *testing.T) {
	d := newDriver(t, 2, fastest, func(context.Context, []byte) (*chain.Receipt, error) { return good, nil })
	d.run(context.Background(), 50*time.Millisecond)
	require.Empty(t, d.problems(50*time.Millisecond))
	require.Greater(t, d.acknowledged.Load(), int64(20))
}

// The latency of an open loop counts from when a transaction was due, so a stall
// shows in all that it held up.
func TestDriverShowsStall(t *testing.T) {
	var stall sync.Once
	d := newDriver(t, 2, 100, func(context.Context, []byte) (*chain.Receipt, error) {
		return good, nil
	})
	gate := make(chan struct{})
	quick := d.submit
	d.submit = func(ctx context.Context, raw []byte) (*chain.Receipt, error) {
		stall.Do(func() { time.AfterFunc(300*time.Millisecond, func() { close(gate) }) })
		<-gate
		return quick(ctx, raw)
	}
	d.run(context.Background(), 500*time.Millisecond)
	require.Greater(t, d.latency.percentile(50), 20*time.Millisecond)
	require.Greater(t, d.latency.percentile(99), 200*time.Millisecond)
}

func TestDriverUnanswered(t *testing.T) {
	var n atomic.Int64
	d := newDriver(t, 4, 200, func(ctx context.Context, _ []byte) (*chain.Receipt, error) {
		if n.Add(1) > 4 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return good, nil
	})
	d.patience = 50 * time.Millisecond
	d.run(context.Background(), 100*time.Millisecond)
	require.Equal(t, int64(4), d.unanswered.Load())
	problems := d.problems(100 * time.Millisecond)
	require.Len(t, problems, 2)
	require.Contains(t, problems[0], "4 submissions unanswered")
	require.Contains(t, problems[1], "4 transactions acknowledged, 20.0 % of 20")
}

func TestDriverBusyIsTriedAgain(t *testing.T) {
	var n atomic.Int64
	d := newDriver(t, 2, 100, func(context.Context, []byte) (*chain.Receipt, error) {
		if n.Add(1)%3 != 0 {
			return nil, fmt.Errorf("%w: pool is full", chain.ErrBusy)
		}
		return good, nil
	})
	d.run(context.Background(), 100*time.Millisecond)
	require.Positive(t, d.acknowledged.Load())
	require.Equal(t, d.offered.Load(), d.acknowledged.Load())
	require.GreaterOrEqual(t, n.Load(), 3*d.acknowledged.Load())
}

func TestDriverRefusedAndFailed(t *testing.T) {
	d := newDriver(t, 2, 100, func(context.Context, []byte) (*chain.Receipt, error) {
		return nil, errors.New("nonce too low")
	})
	d.run(context.Background(), 60*time.Millisecond)
	require.Equal(t, int64(2), d.refused.Load(), "a client stops at a refusal")
	problems := d.problems(60 * time.Millisecond)
	require.Contains(t, problems[0], "2 transactions refused, the first: ")
	require.Contains(t, problems[0], "nonce too low")

	d = newDriver(t, 2, 100, func(context.Context, []byte) (*chain.Receipt, error) { return new(chain.Receipt), nil })
	d.run(context.Background(), 60*time.Millisecond)
	require.Contains(t, d.problems(60 * time.Millisecond)[0], "transactions failed")
}
