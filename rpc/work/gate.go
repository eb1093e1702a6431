package work

import (
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/signature"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

const (
	// skewMax is how far a stamp's time may be from ours.
	skewMax = time.Minute
	// memory is how long a nonce must be remembered: a stamp that is ahead of us may come
	// again until it is behind us.
	memory = 2 * skewMax
	// noncesMax is how many stamps of one key are taken in that time, or a little more.
	noncesMax = 1 << 13
)

// A gate lets requests of provers in, each once.
type gate struct {
	chainID uint64
	allows  func(common.Address) bool
	recover attest.Recoverer
	now     func() time.Time
	since   time.Time // what was stamped before may have been let in by an earlier process

	mu   sync.Mutex
	seen map[common.Address]*nonces
}

// nonces are of one key, in two generations: each is filled for the time of memory,
// and dropped when the next one is full.
type nonces struct {
	young, old map[uint64]struct{}
	turned     time.Time
}

// admit returns whose request it is. The error matches ErrStale, ErrNotAllowed,
// chain.ErrCorrupt or chain.ErrBusy. What is cheap is looked at first, and nothing is
// remembered of strangers.
func (g *gate) admit(a *ask, s *Stamp) (common.Address, error) {
	now := g.now()
	if err := g.checkTime(int64(s.Time), now); err != nil {
		return common.Address{}, err
	}
	sig := [65]byte(s.Signature)
	who, err := signature.RecoverOnly(g.recover, a.hash(g.chainID, uint64(s.Time), uint64(s.Nonce)), &sig)
	if err != nil {
		return common.Address{}, &chain.CorruptError{What: "stamp", Offset: -1, Err: err}
	}
	if !g.allows(who) {
		return common.Address{}, fmt.Errorf("%s of %s: %w", a.method, who, sequencer.ErrNotAllowed)
	}
	return who, g.spend(who, uint64(s.Nonce), now)
}

// checkTime compares a stamp's time, in Unix milliseconds.
func (g *gate) checkTime(ms int64, now time.Time) error {
	ahead := ms - now.UnixMilli()
	switch {
	case ahead > skewMax.Milliseconds() || ahead < -skewMax.Milliseconds():
		return fmt.Errorf("%w: its time is %d ms ahead of ours, at most %d either way may be", ErrStale, ahead, skewMax.Milliseconds())
	case ms < g.since.UnixMilli():
		return fmt.Errorf("%w: it is older than this process", ErrStale)
	}
	return nil
}

// spend takes a nonce of a key, once.
func (g *gate) spend(who common.Address, nonce uint64, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.seen[who]
	if n == nil {
		n = &nonces{young: make(map[uint64]struct{}), turned: now}
		g.seen[who] = n
	}
	if now.Sub(n.turned) >= memory {
		n.young, n.old, n.turned = make(map[uint64]struct{}), n.young, now
	}
	_, young := n.young[nonce]
	_, old := n.old[nonce]
	switch {
	case young || old:
		return fmt.Errorf("%w: it was there before", ErrStale)
	case len(n.young) >= noncesMax:
		return fmt.Errorf("%w: %d requests of %s in %s", chain.ErrBusy, len(n.young), who, memory)
	}
	n.young[nonce] = struct{}{}
	return nil
}
