package gossip

import (
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	// costRate and costBurst are how many signatures a peer may have us check in vain, a
	// second: of messages, and apart from that of answers. What is good and new costs
	// nothing: there is as much of it as signers say, and it comes once.
	costRate, costBurst = 400, 1000
	// serveRate and serveBurst are how many requests of a peer are answered, a second, where
	// serveItems in an answer count as a request more: some hundredths of a processor. A node
	// that catches up with all that a peer keeps, feed and bodies, needs less than half of
	// the burst, and one that mends a bad line for long about the rate.
	serveRate, serveBurst = 100, 4000
	serveItems            = 16
	// doubtFirst and doubtMax are how long a peer is not believed that it has what it did
	// not give: longer each time.
	doubtFirst, doubtMax = mendAgain, 30 * time.Second
	// standingFor is how long a peer's standing outlives its last connection, and
	// standingsMax of how many it does; who left first makes room.
	standingFor, standingsMax = 10 * time.Minute, 1024
)

// A standing is what we hold for or against a peer. It is not better for coming back.
type standing struct {
	own    float64 // what requests were worth
	cost   [bills]*rate.Limiter
	doubts [questionsEnd]doubt
	empty  [questionsEnd]int // answers in a row that brought nothing
	left   time.Time         // when the peer did, if it is not connected
}

// A bill is what a peer costs in one of the ways in which it can: who has used up what its
// messages may cost can still give what was asked of it.
type bill int

const (
	billHeard    bill = iota // for messages
	billAnswered             // for answers
	billServed               // for requests
	bills
)

// A doubt is about what a peer says it has: it did not give it, so often in a row. It may
// have been a lie, or have been so once: what it says is nothing to go by for a while.
type doubt struct {
	times int
	until time.Time
}

func newStanding() *standing {
	s := new(standing)
	for b := range s.cost {
		s.cost[b] = rate.NewLimiter(costRate, costBurst)
	}
	s.cost[billServed] = rate.NewLimiter(serveRate, serveBurst)
	return s
}

// standingOf is that of a peer that comes now. The caller holds mu.
func (p *peers) standingOf(id peer.ID, now time.Time) *standing {
	s := p.left[id]
	delete(p.left, id)
	if s == nil || now.Sub(s.left) >= standingFor {
		return newStanding()
	}
	s.own *= math.Pow(decayOwn, now.Sub(s.left).Seconds())
	return s
}

// keepStanding keeps that of a peer that leaves. The caller holds mu.
func (p *peers) keepStanding(m *member, now time.Time) {
	m.left = now
	p.left[m.id] = m.standing
	if len(p.left) <= standingsMax {
		return
	}
	first := m.id
	for id, s := range p.left {
		if s.left.Before(p.left[first].left) {
			first = id
		}
	}
	delete(p.left, first)
}

// charge takes from what a peer may cost for so many items: that were opened in vain, or
// sent.
func (p *peers) charge(id peer.ID, b bill, items int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		for now := time.Now(); items > 0 && m.cost[b].AllowN(now, 1); items-- {
		}
	}
}

// solvent reports whether a peer may cost something.
func (p *peers) solvent(id peer.ID, b bill) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[id]
	return m == nil || m.cost[b].Tokens() >= 1
}

// gave: a peer gave what it said it has, or not.
func (p *peers) gave(id peer.ID, q question, something bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[id]
	switch {
	case m == nil:
	case something:
		m.doubts[q] = doubt{}
	default:
		d := &m.doubts[q]
		d.until = time.Now().Add(min(doubtFirst<<min(d.times, 16), doubtMax))
		d.times++
	}
}

// brought: an answer of a peer was of use, or not.
func (p *peers) brought(id peer.ID, q question, something bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[id]
	switch {
	case m == nil:
	case something:
		m.empty[q] = 0
	default:
		m.empty[q]++
	}
}
