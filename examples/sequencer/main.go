// Command sequencer runs a chain's sequencer as a process of its own. Clients talk to it by
// JSON-RPC; full nodes follow it over p2p; provers ask it for work, and fetch that from the
// data-availability layer.
package main

import (
	"os"

	"github.com/vivace-chain/vivace/examples/internal/role"
)

func main() { os.Exit(role.Sequencer(os.Args[1:])) }
