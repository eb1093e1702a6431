// Package bench measures this repository's parts beside others' on the same work,
// in one process.
//
// It has one kit per row, an exported function that times one implementation on
// one workload, so that every implementation runs the same code:
//
//	Execute        blocks on the state before them         (Engine: any chain.Executor, go-ethereum)
//	Commit         state roots of block after block        (chain.Committer)
//	DiffEncode     the bytes that full nodes are fed with  (chain.DiffEncoder)
//	DiffDecode
//	WitnessVerify  blocks without state, from witnesses    (Verifier: prover.Verify, go-ethereum)
//
// The benchmarks in the _test.go files call them for the implementations that are
// here, under names like
//
//	BenchmarkExecute/impl=vivace/load=mainnet
//
// so that benchstat -col /impl prints ratios. README.md says how to run them, what
// each row times and what it leaves out, and how to add an implementation.
//
// # Rules
//
// Work is checked before it is timed, against go-ethereum as a referee that is not
// the rival being timed: the rival goes its own fastest way, the referee records
// all that happens. Nothing but the named work is in the timed region: inputs are
// made, decoded and converted before. No implementation may keep results from one
// iteration to the next; what both may keep is said at each row.
//
// Each check is exported too (CheckExecute and so on) and returns a digest of the
// results. Ordinary tests run all of it on small workloads and compare the digests
// with testdata/digests.txt: two commits' figures compare only if their digests do.
package bench
