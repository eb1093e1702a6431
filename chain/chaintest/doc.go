// Package chaintest holds conformance kits for the contracts of package chain: who
// implements one gets its tests from here, and a benchmark that runs the same work
// on every implementation.
//
//	func TestStore(t *testing.T) {
//		chaintest.TestStateStore(t, func(t testing.TB) chain.StateStore { return mine.Open(t.TempDir()) })
//	}
//
//	func BenchmarkStore(b *testing.B) {
//		chaintest.BenchmarkStateStore(b, func(b testing.TB) chain.StateStore { return mine.Open(b.TempDir()) })
//	}
//
// Each kit is given a function that makes a fresh implementation. What is right
// follows from the contract, or from a model in this package that is too simple to
// be wrong; the kits need nothing but std and package chain, and neither does who
// imports them. The kit for Executor is in chaintest/exectest, because it signs
// transactions.
package chaintest
