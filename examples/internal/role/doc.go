// Package role has the programs sequencer, fullnode and prover, so that examples/devnet can
// start them as processes of its own binary.
package role
