// Package oracle asks go-ethereum: same input, same output. It is the referee of
// tests, benchmarks and comparisons, and never on a production path.
//
//   - Referee is a chain.Executor whose insides are go-ethereum's core: its
//     transition, its StateDB, its rewards and system calls. Its Changes and
//     AccessSet are what the parallel and compiled engines must equal.
//   - Replay and Stateless time go-ethereum's own processing of a real block, for
//     ratios.
//   - Package fixtures, below, runs the conformance suites of Ethereum through our
//     components, with the Referee beside them.
//
// Differential tests of light packages against heavy rivals live here, in
// <package>_test.go, so that their dependencies stay out of the go.sum of those
// who import the light package.
package oracle
