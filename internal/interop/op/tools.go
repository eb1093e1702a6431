//go:build tools

// Package op builds programs of the OP stack, as they are, for the tests in
// internal/interop. It is a module of its own, which nobody imports: optimism needs a
// replacement of go-ethereum, and ours must not have one.
package op

import _ "github.com/ethereum-optimism/optimism/op-alt-da/cmd/daserver" // a program
