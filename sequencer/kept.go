package sequencer

import "sync"

// kept are the payloads of blocks that are not proven, in memory, for provers that do not
// find them in the data-availability layer: what that loses after it was read back, nobody
// else could give them.
//
// They take up to max bytes. Of those that do not fit, the newest are given up: the proven
// head waits for the oldest, and can pass none. Nothing is left of them after a restart.
//
// Rejected: to give up the oldest, as caches do. With provers that are away for longer than
// the bytes last, the head would stand at a block of which nothing is kept, while what is
// kept is of no use before that.
type kept struct {
	max int

	mu     sync.Mutex
	bytes  int
	proven uint64 // nothing up to here is kept
	blocks map[uint64]payloads
}

// payloads are those of a block's objects.
type payloads struct{ body, witness, diff []byte }

func (p *payloads) size() int { return cap(p.body) + cap(p.witness) + cap(p.diff) }

// keep keeps the payloads of a block, which nobody may alter from then on, if they fit.
func (k *kept) keep(number uint64, p payloads) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number <= k.proven || k.max <= 0 {
		return
	}
	if k.blocks == nil {
		k.blocks = make(map[uint64]payloads)
	}
	k.blocks[number] = p
	k.bytes += p.size()
	for k.bytes > k.max {
		k.drop(k.newest())
	}
}

func (k *kept) newest() (number uint64) {
	for n := range k.blocks {
		number = max(number, n)
	}
	return number
}

func (k *kept) drop(number uint64) {
	p := k.blocks[number]
	k.bytes -= p.size()
	delete(k.blocks, number)
}

// prove gives up the blocks up to number, which are proven.
func (k *kept) prove(number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.proven = max(k.proven, number)
	for n := range k.blocks {
		if n <= k.proven {
			k.drop(n)
		}
	}
}

func (k *kept) get(number uint64) (payloads, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.blocks[number]
	return p, ok
}

// report is what Stats says of them.
func (k *kept) report(s *Stats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.UnprovenBytes, s.UnprovenBytesMax = k.bytes, k.max
}
