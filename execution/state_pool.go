package execution

import (
	"math"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A statePool keeps the memory of states. Blocks and calls have one each: emptying
// the maps of a state costs as much as they ever held, so a call must not get one in
// which a block was.
type statePool struct {
	sync.Pool
	most int // entries of a state that is kept
}

var (
	blockStates = statePool{most: math.MaxInt}
	callStates  = statePool{most: 1 << 12}
)

func (p *statePool) get() *state {
	if s, kept := p.Get().(*state); kept {
		return s
	}
	return newState()
}

func (p *statePool) put(s *state) {
	if len(s.accounts)+len(s.slots) <= p.most {
		s.close()
		p.Put(s)
	}
}

func newState() *state {
	return &state{
		accounts:  make(map[common.Address]*account),
		slots:     make(map[slotKey]*slot),
		codes:     make(map[common.Hash][]byte),
		transient: make(map[transientKey]common.Hash),
	}
}

// open begins a block on view.
func (s *state) open(view chain.StateView, eip158 bool, fail func()) {
	s.view, s.eip158, s.fail = view, eip158, fail
	for i := range s.epoch {
		s.epoch[i] = 1
	}
}

// close forgets the block and keeps the memory, within bounds.
func (s *state) close() {
	const keep = 1 << 16 // entries
	for sp := range s.dirty {
		clear(s.dirty[sp])
		s.dirty[sp] = s.dirty[sp][:0]
	}
	clear(s.precompiles)
	s.accountArena.reset(keep)
	s.slotArena.reset(keep)
	s.journal.reset()
	s.accesses.reset()
	*s = state{
		accounts: emptied(s.accounts, keep), slots: emptied(s.slots, keep), codes: emptied(s.codes, keep), transient: emptied(s.transient, keep),
		accountArena: s.accountArena, slotArena: s.slotArena, dirty: s.dirty, journal: s.journal, accesses: s.accesses,
		precompiles: s.precompiles[:0],
	}
}

// emptied is m without its entries, or a new map if clearing, which costs as much as
// the map once held, would cost too much.
func emptied[M ~map[K]V, K comparable, V any](m M, keep int) M {
	if len(m) > keep {
		return make(M)
	}
	clear(m)
	return m
}
