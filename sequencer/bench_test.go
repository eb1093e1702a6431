package sequencer_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// Signed transactions through Submit until their receipts, with as many clients as
// keep the pipeline full. Signing is outside the time, recovery of the sender is
// inside. One iteration is one transaction.
func BenchmarkSubmit(b *testing.B) {
	for _, durability := range []state.Durability{state.DurabilityNone, state.DurabilityFsync} {
		name := "durability=none"
		if durability == state.DurabilityFsync {
			name = "durability=fsync"
		}
		b.Run(name, func(b *testing.B) { benchmarkSubmit(b, durability) })
	}
}

func benchmarkSubmit(b *testing.B, durability state.Durability) {
	const clients = 256
	w := newWorld(b, 4*clients)
	s := w.open(func(c *sequencer.Config) {
		c.Durability, c.BlockInterval, c.MiniBlockInterval = durability, time.Second, 10*time.Millisecond
		c.Provers = nil
	})
	stop := running(s.Run)
	lanes := w.load.Lanes(clients)
	txs := make([][]datagen.Tx, len(lanes))
	for i, lane := range lanes {
		txs[i] = lane.Batch((b.N + clients - 1) / clients)
	}
	var (
		wg      sync.WaitGroup
		left    atomic.Int64
		mu      sync.Mutex
		latency []time.Duration
	)
	left.Store(int64(b.N))
	b.ResetTimer()
	for i := range txs {
		wg.Go(func() {
			var own []time.Duration
			for _, tx := range txs[i] {
				if left.Add(-1) < 0 {
					break
				}
				began := time.Now()
				if _, err := s.Submit(context.Background(), tx.Raw); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			latency = append(latency, own...)
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	reportLatency(b, latency)
	if err := stop(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSubmitPaced is the latency of Submit when the pipeline is not full: a
// transaction each millisecond, each by a goroutine of its own.
func BenchmarkSubmitPaced(b *testing.B) {
	const senders = 100
	w := newWorld(b, 4*senders)
	s := w.open(func(c *sequencer.Config) {
		c.Durability, c.BlockInterval, c.MiniBlockInterval = state.DurabilityNone, time.Second, 10*time.Millisecond
		c.Provers = nil
	})
	stop := running(s.Run)
	lanes := w.load.Lanes(senders)
	txs := make([][]datagen.Tx, senders)
	for i, lane := range lanes {
		txs[i] = lane.Batch((b.N + senders - 1) / senders)
	}
	var (
		wg      sync.WaitGroup
		latency = make([]time.Duration, b.N)
		ticker  = time.NewTicker(time.Millisecond)
	)
	defer ticker.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-ticker.C
		wg.Go(func() {
			began := time.Now()
			if _, err := s.Submit(context.Background(), txs[i%senders][i/senders].Raw); err != nil {
				b.Error(err)
			}
			latency[i] = time.Since(began)
		})
	}
	wg.Wait()
	b.StopTimer()
	reportLatency(b, latency)
	if err := stop(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func reportLatency(b *testing.B, latency []time.Duration) {
	slices.Sort(latency)
	b.ReportMetric(float64(latency[len(latency)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(latency[len(latency)*99/100].Microseconds()), "p99-us")
}
