package dashboard

import "time"

// A Snapshot is what a chain came to at one moment, counted from its start. Parts that
// are nil are left out of the page.
type Snapshot struct {
	// Name of the program, ChainID of the chain, and since when it runs.
	Name    string
	ChainID uint64
	Started time.Time
	// Durability is what an acknowledgement waits for: "fsync" or "none".
	Durability string
	// Load is how many transactions per second the program sends itself; 0 is no such
	// number.
	Load int
	// MiniBlockInterval and BlockInterval are how long each is open.
	MiniBlockInterval, BlockInterval time.Duration

	// Transactions acknowledged, and in how many commit groups, whose fsyncs took
	// SyncTime together.
	Transactions, Groups uint64
	SyncTime             time.Duration
	// MiniBlocks sealed, with DiffBytes of encoded diffs.
	MiniBlocks, DiffBytes uint64
	// WitnessBytes of the blocks that hold WitnessTxs transactions.
	WitnessBytes, WitnessTxs uint64
	// Latency of receipts, if it was measured.
	Latency *Latency

	Heads     Heads
	Nodes     []Node
	Provers   []Prover
	Queues    []Queue
	Addresses []Address
}

// Heads are the newest blocks by how sure they are.
type Heads struct {
	// Number and Index name the newest mini-block.
	Number uint64
	Index  uint32
	// Sealed, Published and Proven are block numbers.
	Sealed, Published, Proven uint64
	// Proves says whether anybody proves: without, Proven means nothing.
	Proves bool
}

// A Latency counts durations by class.
type Latency struct {
	// From is what the page assumes as the lower bound of the first class, and Bounds
	// are the upper bounds of all but the last, which has none. They rise, and stay the
	// same as long as the program runs.
	From   time.Duration
	Bounds []time.Duration
	// Counts has one entry more than Bounds.
	Counts []uint64
}

// A Node is a full node.
type Node struct {
	Name string
	// MiniBlocksBehind the sequencer's newest mini-block, and BlocksBehind its newest
	// sealed block.
	MiniBlocksBehind, BlocksBehind uint64
	// Transactions applied, and DiffBytes that they took.
	Transactions, DiffBytes uint64
}

// A Prover checks blocks and attests to them.
type Prover struct {
	Name              string
	Attested, Refused uint64
	Waiting           int // blocks not checked yet
}

// A Queue has a bound.
type Queue struct {
	Name string
	What string // waits in it, and for what
	// Length is how many wait, and Most how many may.
	Length, Most int
}

// An Address is where clients may go.
type Address struct {
	Name string
	URLs []string
}
