package exectest

import (
	"fmt"
	"testing"

	"github.com/vivace-chain/vivace/chain"
)

// BenchmarkExecutor measures an Executor on blocks of plain transfers and of mixed
// calls, in transactions and gas per second. Senders are recovered beforehand.
func BenchmarkExecutor(b *testing.B, newExecutor New) {
	for _, load := range []string{"transfers", "mixed"} {
		for _, n := range []int{100, 1000} {
			b.Run(fmt.Sprintf("load=%s/txs=%d", load, n), func(b *testing.B) {
				s := newScene(b, osaka, newExecutor)
				s.env.GasLimit = 1 << 40
				txs := s.crowd(b, 8, n)
				if load == "transfers" {
					txs = s.transfers(b, n)
				}
				measure(b, s, txs)
			})
		}
	}
}

// transfers signs n of them.
func (s *scene) transfers(t testing.TB, n int) (txs []*chain.Tx) {
	for i := range n {
		to := named(fmt.Sprint("newcomer ", i))
		txs = append(txs, s.sign(t, intent{from: i % peopleCount, to: &to, value: 1, gas: 21000}))
	}
	return txs
}

// measure checks once, then times.
func measure(b *testing.B, s *scene, txs []*chain.Tx) {
	var (
		block = s.block(txs...)
		want  = s.execute(b, txs...)
		gas   uint64
	)
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.executor.Execute(b.Context(), block, s, s.world)
		if err != nil {
			b.Fatal(err)
		}
		gas += r.GasUsed
	}
	if gas != want.GasUsed*uint64(b.N) {
		b.Fatalf("gas used %d, want %d", gas, want.GasUsed*uint64(b.N))
	}
	b.ReportMetric(float64(len(txs)*b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(gas)/1e6/b.Elapsed().Seconds(), "Mgas/s")
}
