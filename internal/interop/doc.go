// Package interop runs the clients that people use, unmodified and at pinned versions,
// against a node: viem, ethers, web3.py, cast, forge and go-ethereum's ethclient; and the
// OP stack's alt-DA client and server against ours. It
// has no code of its own; README.md says how to run it and what it found out.
//
// The tests that need npm and Python are skipped unless VIVACE_INTEROP is 1.
package interop
