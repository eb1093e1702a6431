package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
)

// doorImpls are those who take the same transactions over the same HTTP.
var doorImpls = []string{"geth", "anvil", "vivace"}

const (
	doorWorkers = 16  // connections
	doorBatch   = 100 // transactions in a batch
)

// BenchmarkDoor sends signed transfers by HTTP, one in a request or 100, and waits
// until all have executed. tx/s is end to end, sealed-tx/s until the standard method
// has the last receipt, so that the blocks and their roots are in it as well;
// of-ceiling compares tx/s with what the processors could do, in the time that the
// client leaves, if all they did was to recover senders.
func BenchmarkDoor(b *testing.B) {
	for _, impl := range doorImpls {
		for mode, batch := range map[string]int{"single": 1, "batch": doorBatch} {
			b.Run("impl="+impl+"/mode="+mode, func(b *testing.B) { doorThroughput(b, impl, batch, 100) })
		}
	}
}

// BenchmarkDoorLatency sends 1,000 transactions a second with
// realtime_sendRawTransaction, whose answer is the receipt; and to a server that only
// says that it has read the request.
func BenchmarkDoorLatency(b *testing.B) {
	b.Run("impl=echo", func(b *testing.B) { doorLatency(b, "echo", 1000, 5*time.Second) })
	b.Run("impl=vivace/durability=none", func(b *testing.B) { doorLatency(b, "vivace", 1000, 5*time.Second) })
	b.Run("impl=vivace/durability=fsync", func(b *testing.B) { doorLatency(b, "vivace-fsync", 1000, 5*time.Second) })
}

func TestDoorSmall(t *testing.T) {
	for _, impl := range doorImpls {
		t.Run(impl, func(t *testing.T) {
			if _, err := anvilPath(); impl == "anvil" && err != nil {
				t.Skip(err)
			}
			requireMetrics(t, once(t, func(b *testing.B) { doorThroughput(b, impl, 10, 2) }), "tx/s", "sealed-tx/s")
		})
	}
	requireMetrics(t, once(t, func(b *testing.B) { doorLatency(b, "vivace-fsync", 500, time.Second/2) }), "p50-µs", "p99-µs")
}

func startDoorFor(b *testing.B, impl string) *doorServer {
	b.Helper()
	s, err := startDoor(context.Background(), impl, b.TempDir())
	if errors.Is(err, errNoAnvil) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.stop(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// split gives each worker senders of its own.
func split(senders []*doorSender, workers int) [][]*doorSender {
	out := make([][]*doorSender, workers)
	for i, s := range senders {
		out[i%workers] = append(out[i%workers], s)
	}
	return out
}

func doorWork(senders []*doorSender, workers, perSender, batch int, method string) (work [][][]byte) {
	for _, mine := range split(senders, workers) {
		work = append(work, bodies(mine, perSender, batch, method))
	}
	return work
}

func doorThroughput(b *testing.B, impl string, batch, perSender int) {
	var (
		server   = startDoorFor(b, impl)
		senders  = newDoorSenders()
		ctx      = b.Context()
		recovery = recoveryRate(senders[0])
		elapsed  time.Duration
		sealed   time.Duration
		client   time.Duration
		served   time.Duration
	)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for range b.N {
		b.StopTimer()
		work := doorWork(senders, doorWorkers, perSender, batch, "eth_sendRawTransaction")
		runtime.GC()
		own, _ := cpuTime(os.Getpid())
		theirs, _ := cpuTime(server.cmd.Process.Pid)
		began := time.Now()
		b.StartTimer()
		if err := flood(ctx, server.url, work, senders); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		elapsed += time.Since(began)
		after, _ := cpuTime(os.Getpid())
		client += after - own
		after, _ = cpuTime(server.cmd.Process.Pid)
		served += after - theirs
		if err := awaitReceipts(ctx, server.url, senders); err != nil {
			b.Fatal(err)
		}
		sealed += time.Since(began)
		b.StartTimer()
	}
	b.StopTimer()
	if err := checkBalances(ctx, server.url, senders); err != nil {
		b.Fatal(err)
	}
	txs := float64(b.N * perSender * len(senders))
	rate := txs / elapsed.Seconds()
	b.ReportMetric(rate, "tx/s")
	b.ReportMetric(txs/sealed.Seconds(), "sealed-tx/s")
	if client > 0 {
		left := 1 - client.Seconds()/elapsed.Seconds()/float64(runtime.NumCPU())
		b.ReportMetric(float64(client.Microseconds())/txs, "client-µs/tx")
		b.ReportMetric(float64(served.Microseconds())/txs, "server-µs/tx")
		b.ReportMetric(rate/(recovery*left), "of-ceiling")
	}
}

// recoveryRate is how many senders a second all processors together recover when they
// do nothing else: the most of some tries. (One alone does more than its share where
// two are threads of one core.)
func recoveryRate(s *doorSender) float64 {
	const n = 500
	nonce, last := s.nonce, s.last
	var txs []*types.Transaction
	for _, raw := range s.sign(n) {
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(raw); err != nil {
			panic(err)
		}
		txs = append(txs, tx)
	}
	s.nonce, s.last = nonce, last // they are not sent
	signer, best := types.LatestSignerForChainID(txs[0].ChainId()), 0.0
	for range 10 {
		var wg sync.WaitGroup
		began := time.Now()
		for range runtime.NumCPU() {
			wg.Go(func() {
				for _, tx := range txs {
					if _, err := signer.Sender(tx); err != nil { // past the transaction's cache
						panic(err)
					}
				}
			})
		}
		wg.Wait()
		best = max(best, float64(n*runtime.NumCPU())/time.Since(began).Seconds())
	}
	return best
}

func doorLatency(b *testing.B, impl string, rate int, duration time.Duration) {
	var (
		server  = startDoorFor(b, impl)
		senders = newDoorSenders()
		all     []time.Duration
		due     []time.Duration
	)
	for range b.N {
		b.StopTimer()
		perSender := max(1, int(float64(rate)*duration.Seconds())/len(senders))
		work := doorWork(senders, len(senders)/4, perSender, 1, "realtime_sendRawTransaction")
		runtime.GC()
		b.StartTimer()
		took, late, err := paced(b.Context(), server.url, work, rate)
		if err != nil {
			b.Fatal(err)
		}
		all, due = append(all, took...), append(due, late...)
	}
	b.StopTimer()
	slices.Sort(all)
	slices.Sort(due)
	if impl != "echo" {
		if err := checkBalances(b.Context(), server.url, senders); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(percentile(all, 50).Microseconds()), "p50-µs")
	b.ReportMetric(float64(percentile(all, 99).Microseconds()), "p99-µs")
	b.ReportMetric(float64(percentile(all, 100).Microseconds()), "max-µs")
	b.ReportMetric(float64(percentile(due, 99).Microseconds()), "due-p99-µs")
	syncs, err := syncTimes(b.TempDir(), 1000)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(percentile(syncs, 50).Microseconds()), "fsync-p50-µs")
	b.ReportMetric(float64(percentile(syncs, 99).Microseconds()), "fsync-p99-µs")
}

// syncTimes are how long n times an append of a small record and its fsync take here,
// with nothing else going on, sorted.
func syncTimes(dir string, n int) ([]time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	took, record := make([]time.Duration, n), make([]byte, 300)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(record); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took, nil
}
