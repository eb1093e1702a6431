// Command fullnode follows a sequencer on the same machine by diffs, through the
// directory that they share, serves what it knows by JSON-RPC, and prints where it
// stands.
package main

import (
	"os"

	"github.com/vivace-chain/vivace/examples/internal/role"
)

func main() { os.Exit(role.Fullnode(os.Args[1:])) }
