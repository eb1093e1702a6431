// Guest checks one block without state, inside a machine whose execution can be
// proven: a frame on standard input, the public outputs on standard output. Package
// program has the formats and the check; a rollup with precompiles of its own hands
// them to program.Run in a main like this one.
//
// It is built the same everywhere by the same version of Go:
//
//	GOOS=linux GOARCH=riscv64 CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' ./prover/zkvm/guest
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/vivace-chain/vivace/prover/zkvm/program"
)

// memoryMax is where the collector sets in, in bytes. Below it a run collects
// nothing: it is short, and what it takes (36 MiB for a block of 30 Mgas) goes with
// it.
const memoryMax = 1 << 30

func main() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryMax)
	os.Exit(run(os.Stdin, os.Stdout, os.Stderr))
}

// run returns the status to end with.
func run(stdin io.Reader, stdout, stderr io.Writer) int {
	output, err := program.Run(context.Background(), stdin, nil)
	if err != nil {
		fmt.Fprintln(stderr, program.Line(err.Error()))
		return program.ExitRefused
	}
	if _, err := stdout.Write(output); err != nil {
		fmt.Fprintln(stderr, program.Line(err.Error()))
		return 1
	}
	return 0
}
