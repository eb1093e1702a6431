// Command sequencer runs a chain's sequencer as a process of its own. Clients talk to
// it by JSON-RPC; full nodes and provers on the same machine follow it through a
// directory that they share.
package main

import (
	"os"

	"github.com/vivace-chain/vivace/examples/internal/role"
)

func main() { os.Exit(role.Sequencer(os.Args[1:])) }
