package gossip

import (
	"sync/atomic"
)

// A tally is what a node counts as it goes.
type tally struct {
	verdicts [Contradiction + 1]atomic.Uint64
	refused  [refusals]atomic.Uint64
	fault    atomic.Pointer[error] // the newest of a signer's

	received, sent atomic.Uint64 // bytes of gossip
	duplicates     atomic.Uint64
	dropped        atomic.Uint64 // by full queues, on the way in
	unsent         atomic.Uint64 // by full queues, on the way out

	asked, answered   atomic.Uint64 // requests to peers, and those that brought something
	served, turned    atomic.Uint64 // requests of peers, and those that were turned away
	servedBytes       atomic.Uint64
	lostBodies, begun atomic.Uint64
	bans              atomic.Uint64
}
