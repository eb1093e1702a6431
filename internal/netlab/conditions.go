package netlab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Bits per second, for Conditions.Rate.
const (
	Kbit = 1_000
	Mbit = 1_000 * Kbit
)

// Conditions are those of one way of a link. The zero value is a link that forwards
// at once.
type Conditions struct {
	// Delay is how long a packet takes.
	Delay time.Duration
	// Jitter is the most that a packet takes longer, evenly spread. Packets keep
	// their order: one that is late holds up the next.
	Jitter time.Duration
	// Loss is the part of packets that is lost, 0 to 1.
	Loss float64
	// Rate is in bits per second, of IP packets with their headers; 0 is no
	// limit. What would have to wait more than QueueMax for its turn is lost.
	Rate int64
}

// QueueMax is how long packets wait for a link with a Rate before further ones
// are dropped: as much as an ordinary router buffers.
const QueueMax = 200 * time.Millisecond

func (c Conditions) validate() error {
	switch {
	case c.Delay < 0 || c.Jitter < 0 || c.Rate < 0:
		return fmt.Errorf("netlab: conditions %+v: nothing may be negative", c)
	case !(c.Loss >= 0 && c.Loss <= 1): // so written, NaN is refused
		return fmt.Errorf("netlab: loss %v, may be 0 to 1", c.Loss)
	}
	return nil
}

// A Link is what joins two nodes.
type Link struct{ there, back *path }

// Link is that between two different nodes; it has no state of its own.
func (l *Lab) Link(i, j int) Link {
	if l.options.Fabric == Bridge || i == j {
		return Link{}
	}
	return Link{l.nodes[i].port.paths[j], l.nodes[j].port.paths[i]}
}

// errNoLink: of a node with itself, or of a bridge.
var errNoLink = errors.New("netlab: no link with conditions: it is a bridge's, or leads from a node to itself")

// Set puts both ways under the conditions, each with a rate of its own. Packets that
// are on their way arrive as they would have.
func (k Link) Set(c Conditions) error {
	if err := k.SetOneWay(c); err != nil {
		return err
	}
	k.back.conditions.Store(&c)
	return nil
}

// SetOneWay is Set for the way from the first node of the link to the second.
func (k Link) SetOneWay(c Conditions) error {
	if k.there == nil {
		return errNoLink
	}
	if err := c.validate(); err != nil {
		return err
	}
	k.there.conditions.Store(&c)
	return nil
}

// A fate is what becomes of a packet.
type fate int

const (
	arrives  fate = iota
	lost          // by Loss
	overflow      // no room before it
)

// A path is one way of a link. All but its conditions belongs to the goroutine of
// the node that it leads away from.
type path struct {
	conditions atomic.Pointer[Conditions]
	random     *rand.Rand
	free       time.Time // when what came before has been sent, at the rate
	last       time.Time // when the packet before arrives
}

func newPath(c Conditions, seed uint64, from, to int) *path {
	p := &path{random: rand.New(rand.NewPCG(seed, uint64(from)<<32|uint64(to)))}
	p.conditions.Store(&c)
	return p
}

// schedule decides over a packet of size bytes that leaves now.
func (p *path) schedule(now time.Time, size int) (arrival time.Time, f fate) {
	c := p.conditions.Load()
	if c.Loss > 0 && p.random.Float64() < c.Loss {
		return time.Time{}, lost
	}
	if c.Rate > 0 {
		if p.free.Before(now) {
			p.free = now
		}
		if p.free.Sub(now) > QueueMax {
			return time.Time{}, overflow
		}
		p.free = p.free.Add(time.Duration(int64(size) * 8 * int64(time.Second) / c.Rate))
		now = p.free
	}
	arrival = now.Add(c.Delay)
	if c.Jitter > 0 {
		arrival = arrival.Add(time.Duration(p.random.Int64N(int64(c.Jitter) + 1)))
	}
	if arrival.Before(p.last) {
		arrival = p.last
	}
	p.last = arrival
	return arrival, arrives
}
