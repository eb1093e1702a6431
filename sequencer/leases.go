package sequencer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
)

// DeskConfig bounds what a Desk promises. The zero value is useful.
type DeskConfig struct {
	// TTL is how long a lease lasts that is not renewed. Default 30 s.
	TTL time.Duration
	// Patience is how long only as many provers as must agree are on a block, from when
	// it was first leased, whoever renews, gives back and takes it again: a prover that
	// hangs renews for ever. Whenever it has passed once more, as many more may join them.
	// Default 2 min.
	Patience time.Duration
	// HoldMin is how long a prover that failed with a block, or let its lease run out, is
	// not given it again. It doubles from one failure to the next up to HoldMax; so does
	// the time for which nobody is given a block when one more prover failed with it. No
	// block is given up: nothing after it would ever be proven. Defaults 2 s and 60 s.
	HoldMin, HoldMax time.Duration
	// LeasesPerProver and Leases bound the leases that last. Defaults 64 and 4,096.
	LeasesPerProver, Leases int
	// Blocks is how many unproven blocks, from the oldest, are given out. Default 1,024.
	Blocks int
	// Now is a monotonic clock. Default time.Now.
	Now func() time.Time
}

func (c DeskConfig) withDefaults() DeskConfig {
	orDefault(&c.TTL, 30*time.Second)
	orDefault(&c.Patience, 2*time.Minute)
	orDefault(&c.HoldMin, 2*time.Second)
	orDefault(&c.HoldMax, time.Minute)
	orDefault(&c.LeasesPerProver, 64)
	orDefault(&c.Leases, 4096)
	orDefault(&c.Blocks, 1024)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// A board is what a Desk must know of the chain; a Sequencer is one.
type board interface {
	Unproven(limit int) []Unproven
	Attest(ctx context.Context, a *chain.Attestation) error
	Evidence() []Evidence
	// objects are those of an unproven block.
	objects(ctx context.Context, number, from uint64, most int) (*Page, error)
}

// A Desk shares the unproven blocks out among the provers, so that each block is
// worked on by as many of them as must agree, and the blocks of a prover that is lost
// go to others. All of it is in memory and of this process: after a restart everything
// is given out again, and work is done twice, which harms nobody. What counts is an
// attestation, for which no lease is asked.
//
// A lease has a random number. Only who was given it can renew or release it, so that
// one who comes back after his time cannot touch the lease of who came after him.
//
// All methods may be called concurrently. The Desk believes who the caller says the
// prover is: see package rpc/work.
type Desk struct {
	cfg       DeskConfig
	board     board
	allowed   map[common.Address]bool
	threshold int
	recover   attest.Recoverer

	// mu is taken before what the board locks. What the board says is only good under it:
	// by an older answer the leases of newer blocks would be those of proven ones.
	mu     sync.Mutex
	blocks map[uint64]*leasing // what is leased, or failed
	leases map[uint64]*lease
	held   map[common.Address]int // leases that last
	counts DeskCounts
}

// A leasing is what the Desk knows of a block.
type leasing struct {
	began    time.Time // when it was first leased
	leases   []*lease
	had      map[common.Address]bool // who was given it, ever
	failures map[common.Address]*failure
	last     string    // why the last of them failed
	rests    time.Time // nobody is given it before
}

type lease struct {
	id, number uint64
	prover     common.Address
	again      bool // not the prover's first of this block
	expires    time.Time
}

type failure struct {
	times int
	until time.Time // he is not given the block before
	why   string
}

// DeskCounts are what a Desk did since it was made.
type DeskCounts struct {
	Granted, Renewed, Released uint64
	Expired                    uint64 // leases that ran out
	Failed                     uint64 // leases given back because the block could not be proven
	Submitted, Refused         uint64 // attestations that were taken, and that were not
}

// NewDesk makes the Desk of a sequencer that has Config.Provers.
func NewDesk(s *Sequencer, c DeskConfig) *Desk {
	d := newDesk(s, s.cfg.Provers, s.cfg.ProverThreshold, c)
	d.recover = s.cfg.Recoverer
	return d
}

func newDesk(b board, provers []common.Address, threshold int, c DeskConfig) *Desk {
	d := &Desk{
		cfg: c.withDefaults(), board: b, allowed: make(map[common.Address]bool), threshold: threshold,
		blocks: make(map[uint64]*leasing), leases: make(map[uint64]*lease), held: make(map[common.Address]int),
	}
	for _, p := range provers {
		d.allowed[p] = true
	}
	return d
}

// Allows reports whether somebody is a prover of the chain.
func (d *Desk) Allows(who common.Address) bool { return d.allowed[who] }

// Lease gives a prover up to n blocks, the oldest first; none if there is nothing for
// him to do. The error matches ErrNotAllowed, or chain.ErrBusy if he has as many as he
// may have, or all together do.
func (d *Desk) Lease(who common.Address, n int) ([]prover.Job, error) {
	if !d.allowed[who] {
		return nil, fmt.Errorf("lease for %s: %w", who, ErrNotAllowed)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	todo, now := d.board.Unproven(d.cfg.Blocks), d.cfg.Now()
	d.tidy(todo, now)
	var jobs []prover.Job
	for i := range todo {
		if len(jobs) >= n {
			break
		}
		if !d.isFor(&todo[i], who, now) {
			continue
		}
		if d.held[who] >= d.cfg.LeasesPerProver || len(d.leases) >= d.cfg.Leases {
			if len(jobs) == 0 {
				return nil, fmt.Errorf("%w: %s has %d leases, all together %d", chain.ErrBusy, who, d.held[who], len(d.leases))
			}
			break
		}
		l := d.grant(who, todo[i].Publication.Block.Number, now)
		jobs = append(jobs, prover.Job{Publication: todo[i].Publication, Lease: l.id, Deadline: l.expires})
	}
	return jobs, nil
}

// isFor reports whether a block is to be given to a prover now. Who has it for another
// time keeps out only those who had it as well: else he could give it back and take it
// again for ever.
func (d *Desk) isFor(u *Unproven, who common.Address, now time.Time) bool {
	missing := d.threshold - len(u.Signers)
	b := d.blocks[u.Publication.Block.Number]
	switch {
	case missing <= 0 || slices.Contains(u.Signers, who):
		return false
	case b == nil:
		return true
	case now.Before(b.rests):
		return false
	}
	if f := b.failures[who]; f != nil && now.Before(f.until) {
		return false
	}
	on := 0
	for _, l := range b.leases {
		if l.prover == who {
			return false
		}
		if !l.again || b.had[who] {
			on++
		}
	}
	return on < missing*(1+int(now.Sub(b.began)/d.cfg.Patience))
}

func (d *Desk) grant(who common.Address, number uint64, now time.Time) *lease {
	b := d.blocks[number]
	if b == nil {
		b = &leasing{began: now, had: make(map[common.Address]bool), failures: make(map[common.Address]*failure)}
		d.blocks[number] = b
	}
	l := &lease{id: d.newID(), number: number, prover: who, again: b.had[who], expires: now.Add(d.cfg.TTL)}
	b.had[who] = true
	b.leases = append(b.leases, l)
	d.leases[l.id] = l
	d.held[who]++
	d.counts.Granted++
	return l
}

// newID is a number that nobody can guess and no lease has; 0 is none.
func (d *Desk) newID() uint64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // it does not fail
		id := binary.BigEndian.Uint64(b[:])
		if id != 0 && d.leases[id] == nil {
			return id
		}
	}
}

// tidy ends the leases of those who have signed, wherever they handed it in, and those
// that ran out, and forgets the blocks that are proven.
func (d *Desk) tidy(todo []Unproven, now time.Time) {
	for i := range todo {
		b := d.blocks[todo[i].Publication.Block.Number]
		if b == nil {
			continue
		}
		for _, l := range slices.Clone(b.leases) {
			if slices.Contains(todo[i].Signers, l.prover) {
				d.end(l)
			}
		}
	}
	for _, l := range d.leases {
		if !now.Before(l.expires) {
			d.counts.Expired++
			d.end(l)
			d.fail(l, "the lease ran out", now)
		}
	}
	for number, b := range d.blocks {
		if len(todo) > 0 && number >= todo[0].Publication.Block.Number {
			continue
		}
		for _, l := range slices.Clone(b.leases) {
			d.end(l)
		}
		delete(d.blocks, number)
	}
}

// end takes a lease out of the books.
func (d *Desk) end(l *lease) {
	delete(d.leases, l.id)
	if d.held[l.prover]--; d.held[l.prover] == 0 {
		delete(d.held, l.prover)
	}
	b := d.blocks[l.number]
	b.leases = slices.DeleteFunc(b.leases, func(other *lease) bool { return other == l })
}

// fail keeps a block from the prover that failed with it for a while; and if others
// failed before him, so that the block is to blame, from all. It does that once for each
// prover: one that fails again and again must not keep a block from all others.
func (d *Desk) fail(l *lease, why string, now time.Time) {
	b := d.blocks[l.number]
	f := b.failures[l.prover]
	if f == nil {
		f = new(failure)
		b.failures[l.prover] = f
		if others := len(b.failures) - 1; others > 0 {
			b.rests = now.Add(d.hold(others))
		}
	}
	f.times++
	f.why = da.Excerpt([]byte(why))
	b.last = f.why
	f.until = now.Add(d.hold(f.times))
}

// hold is HoldMin, doubled with each time, up to HoldMax.
func (d *Desk) hold(times int) time.Duration {
	hold := d.cfg.HoldMin
	for i := 1; i < times && hold < d.cfg.HoldMax; i++ {
		hold *= 2
	}
	return min(hold, d.cfg.HoldMax)
}

// find returns a lease that lasts and is the prover's. The error matches
// prover.ErrLeaseLost.
func (d *Desk) find(who common.Address, id uint64, now time.Time) (*lease, error) {
	if l := d.leases[id]; l != nil && l.prover == who && now.Before(l.expires) {
		return l, nil
	}
	return nil, fmt.Errorf("lease %#x of %s: %w", id, who, prover.ErrLeaseLost)
}

// Renew lets a lease last TTL from now, and returns until when. The error matches
// prover.ErrLeaseLost.
func (d *Desk) Renew(who common.Address, id uint64) (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.cfg.Now()
	l, err := d.find(who, id, now)
	if err != nil {
		return time.Time{}, err
	}
	d.counts.Renewed++
	l.expires = now.Add(d.cfg.TTL)
	return l.expires, nil
}

// AllLeases is the number, of no lease, by which Release ends all of a prover's.
const AllLeases = 0

// Release ends a lease. why is empty if the prover leaves, or else why it cannot prove
// the block. The error matches prover.ErrLeaseLost.
//
// AllLeases ends all leases of the prover, whatever why is, and never fails: one that starts
// does not know what it had when it was killed, and must not wait for its own leases to run
// out. Another process under the same key goes on without leases, at the price of work done
// twice.
func (d *Desk) Release(who common.Address, id uint64, why string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id == AllLeases {
		d.releaseAll(who)
		return nil
	}
	now := d.cfg.Now()
	l, err := d.find(who, id, now)
	if err != nil {
		return err
	}
	d.end(l)
	if why == "" {
		d.counts.Released++
		return nil
	}
	d.counts.Failed++
	d.fail(l, why, now)
	return nil
}

func (d *Desk) releaseAll(who common.Address) {
	for _, l := range d.leases {
		if l.prover == who {
			d.counts.Released++
			d.end(l)
		}
	}
}

// Submit enters an attestation, whoever had a lease: see Sequencer.Attest, whose errors
// these are. A lease of its signer for the block ends.
func (d *Desk) Submit(ctx context.Context, a *chain.Attestation) error {
	err := d.board.Attest(ctx, a)
	var liar common.Address
	if errors.Is(err, chain.ErrMismatch) {
		liar, _ = attest.RecoverBy(a, d.recover) // it went well before
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.counts.Submitted++
		return nil // tidy sees that he has signed
	}
	d.counts.Refused++
	b := d.blocks[a.Block.Number]
	if b == nil {
		return err
	}
	for _, l := range slices.Clone(b.leases) {
		if l.prover == liar {
			d.end(l)
			d.fail(l, err.Error(), d.cfg.Now())
		}
	}
	return err
}
