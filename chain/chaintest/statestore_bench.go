package chaintest

import (
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// BenchmarkStateStore measures a store: blocks that are staged as so many
// mini-blocks and committed, for some sizes of the state and the block (ns/update
// is the time for one account or slot), and reads from views of the newest block,
// of one before it and of a stage.
func BenchmarkStateStore(b *testing.B, open func(b testing.TB) chain.StateStore) {
	for _, size := range []struct{ accounts, updates, minis int }{
		{1_000, 100, 1}, {100_000, 1_000, 1}, {100_000, 10_000, 1}, {100_000, 10_000, 100},
	} {
		b.Run(fmt.Sprintf("op=commit/accounts=%d/updates=%d/minis=%d", size.accounts, size.updates, size.minis), func(b *testing.B) {
			s := newStoreBench(b, open, size.accounts)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				minis := s.minis(size.updates, size.minis)
				b.StartTimer()
				s.commit(b, minis)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size.updates), "ns/update")
		})
	}
	for _, view := range []string{"head", "before", "stage"} {
		b.Run("op=read/accounts=100000/view="+view, func(b *testing.B) {
			s := newStoreBench(b, open, 100_000)
			v := s.views(b)[view]
			b.ReportAllocs()
			var i int
			for b.Loop() {
				s.read(b, v, i)
				i++
			}
		})
	}
}

// testStoreBenchmark does the work of the benchmark in small, and checks it.
func testStoreBenchmark(t *storeTest) {
	s := newStoreBench(t, func(testing.TB) chain.StateStore { return t.store }, 100)
	for range 3 {
		s.commit(t, s.minis(40, 4))
	}
	head := must(t.store.View(t.store.Head()))(t)
	for i, want := range s.blocks.balances {
		if got, ok := must2(head.Account(ledgerAddress(i)))(t); !ok || got.Balance != want {
			t.Fatalf("account %d: got %s, %t, want %s", i, got.Balance.Hex(), ok, want.Hex())
		}
	}
	for i, want := range s.blocks.slots {
		if got := must(head.Slot(ledgerAddress(0), ledgerSlot(i)))(t); got != want {
			t.Fatalf("slot %d: got %s, want %s", i, got.Hex(), want.Hex())
		}
	}
	for name, v := range s.views(t) {
		for i := range 100 {
			if got := s.read(t, v, i); got.IsZero() && name != "stage" {
				t.Fatalf("view of %s: read %d gave nothing", name, i)
			}
		}
	}
}

func must2[T, U any](v T, u U, err error) func(testing.TB) (T, U) {
	return func(t testing.TB) (T, U) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v, u
	}
}

// A storeBench is a store that holds the genesis of blocks, and what came after.
type storeBench struct {
	store  chain.StateStore
	blocks *committerBlocks
	number uint64
}

func newStoreBench(b testing.TB, open func(testing.TB) chain.StateStore, accounts int) *storeBench {
	s := &storeBench{store: open(b), blocks: newCommitterBlocks(accounts)}
	b.Cleanup(func() { s.store.Close() })
	s.commit(b, []*chain.Changes{s.blocks.genesis()})
	return s
}

// minis is a block in parts.
func (s *storeBench) minis(updates, n int) (out []*chain.Changes) {
	for range n {
		out = append(out, s.blocks.next(updates/n))
	}
	return out
}

func (s *storeBench) commit(b testing.TB, minis []*chain.Changes) {
	s.number++
	top := s.stage(b, minis)
	if err := top.Commit(b.Context(), s.id(s.number)); err != nil {
		b.Fatal(err)
	}
}

func (s *storeBench) id(number uint64) chain.BlockID {
	return chain.BlockID{Number: number, Hash: common.Hash(uint256.NewInt(number).Bytes32())}
}

func (s *storeBench) stage(b testing.TB, minis []*chain.Changes) (top chain.Staged) {
	var on stager = s.store
	for _, c := range minis {
		top = must(on.Stage(b.Context(), c))(b)
		on = top
	}
	return top
}

// views are the places from which the benchmark reads.
func (s *storeBench) views(b testing.TB) map[string]chain.StateView {
	before := must(s.store.View(s.store.Head()))(b)
	for range StateStoreRetain {
		s.commit(b, s.minis(40, 1))
	}
	return map[string]chain.StateView{
		"before": before,
		"head":   must(s.store.View(s.store.Head()))(b),
		"stage":  s.stage(b, s.minis(1000, 50)).View(),
	}
}

// read reads an account or a slot, one after the other, all over the state.
func (s *storeBench) read(b testing.TB, v chain.StateView, i int) uint256.Int {
	n := i * 7919
	if i%2 == 0 {
		account, _ := must2(v.Account(ledgerAddress(n % len(s.blocks.balances))))(b)
		return account.Balance
	}
	return must(v.Slot(ledgerAddress(0), ledgerSlot(n%len(s.blocks.slots))))(b)
}
