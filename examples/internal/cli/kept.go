package cli

import (
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/trie"
)

// Kept is how far back a node can be asked.
type Kept struct {
	States int    // blocks before the newest
	Blocks uint64 // 0: all
}

// leastStates is what a sequencer needs itself, for blocks that are not published yet.
const leastStates = 128

// Flags declares the flags of Kept; blocks is the default for history.
func (k *Kept) Flags(f *flag.FlagSet, blocks uint64) {
	f.IntVar(&k.States, "state-blocks", leastStates, "`blocks` before the newest whose state and proofs can be asked for, "+strconv.Itoa(leastStates)+" at least; each takes memory for what it changed")
	f.Uint64Var(&k.Blocks, "history-blocks", blocks, "`blocks` whose transactions and receipts are kept on disk; 0 keeps all")
}

// Check finds values that make no sense.
func (k *Kept) Check() error {
	if k.States < leastStates || k.States > 1<<20 {
		return fmt.Errorf("%w: -state-blocks must be from %d to %d", ErrUsage, leastStates, 1<<20)
	}
	return nil
}

// Open makes what keeps the states, in memory, and their tries.
func (k *Kept) Open() (*state.Store, *trie.StateTrie, error) {
	// What waits for publication is counted from the newest block, so it needs some more.
	n := k.States + 8
	store, err := state.Open(state.Config{Retain: n})
	return store, trie.New(trie.Config{Retain: n}), err
}

// CheckIntervals finds intervals, by the names of their flags, that make no sense.
func CheckIntervals(miniName string, mini time.Duration, blockName string, block time.Duration) error {
	if mini <= 0 || block < mini {
		return fmt.Errorf("%w: -%s and -%s must be positive, and a block no shorter than a mini-block", ErrUsage, miniName, blockName)
	}
	return nil
}
