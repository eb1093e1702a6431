// Command prover verifies the blocks that a sequencer on the same machine
// publishes, statelessly and in any order, and signs an attestation of each.
package main

import (
	"os"

	"github.com/vivace-chain/vivace/examples/internal/role"
)

func main() { os.Exit(role.Prover(os.Args[1:])) }
