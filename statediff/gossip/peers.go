package gossip

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// What requests are worth to a peer's score, which fades in minutes. Only what is wrong
// costs. Who is slow, or does not give what it said it has, is asked later, and others
// before it: see rtt and doubt.
const (
	scoreServed, scoreServedMax = 1, 20
	scoreWithheld               = -5 // it answers otherwise than one who has what it said
	scoreCut                    = -5 // an answer that just ends; who cannot go on resets
	scoreBadAnswer              = -50
)

// peers are the connected ones, and those that might be. All methods may be called
// concurrently.
type peers struct {
	node *Node

	mu    sync.Mutex
	list  map[peer.ID]*member
	left  map[peer.ID]*standing // of those that were connected
	known map[peer.ID]*acquaintance
	met   chan struct{} // closed when there was a peer, and it was greeted
	once  sync.Once
}

// A member is a connected peer.
type member struct {
	*standing
	id      peer.ID
	conns   map[network.Conn]bool // the open ones: at least one
	addr    ma.Multiaddr
	since   time.Time
	status  *status // nil until it was asked
	rtt     time.Duration
	total   float64 // the router's score, as of a second ago
	asked   int     // requests under way
	serving int     // requests of its that are being answered
	ahead   bool    // sent something that we cannot use yet
}

func newPeers(n *Node) *peers {
	p := &peers{node: n, list: make(map[peer.ID]*member), left: make(map[peer.ID]*standing), known: make(map[peer.ID]*acquaintance), met: make(chan struct{})}
	for _, b := range n.boot {
		if p.known[b.ID] == nil {
			p.known[b.ID] = &acquaintance{id: b.ID}
		}
		p.known[b.ID].boot = append(p.known[b.ID].boot, b.Addrs...)
	}
	return p
}

func (p *peers) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list)
}

// connected counts a connection. Of each, libp2p says once that it is there and later
// once that it is gone; but what it says of two connections of one peer may come in any
// order. A second one may be of a peer that started anew before its end was noticed: it
// is greeted as well.
func (n *Node) connected(c network.Conn) {
	if !n.peers.enter(c, time.Now()) {
		c.Close() // many came at once, and the gate counted none of them yet
		return
	}
	n.spawn(func() { n.greet(c.RemotePeer()) })
}

// enter adds a connection, if there may be one more peer.
func (p *peers) enter(c network.Conn, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, outbound := c.RemotePeer(), c.Stat().Direction == network.DirOutbound
	m := p.list[id]
	if m == nil {
		if !outbound && !p.node.isBoot(id) && len(p.list) >= p.node.PeersMax {
			return false
		}
		m = &member{standing: p.standingOf(id, now), id: id, conns: make(map[network.Conn]bool), since: now, rtt: rttUnknown}
		p.list[id] = m
	}
	m.conns[c], m.addr = true, c.RemoteMultiaddr()
	if a := p.known[id]; a != nil && outbound {
		a.found = m.addr
	}
	return true
}

func (n *Node) disconnected(c network.Conn) { n.peers.leave(c, time.Now()) }

// leave takes a connection away, and with the last one what we knew of the peer but for
// its standing: it may come back as another program, but not as another peer.
func (p *peers) leave(c network.Conn, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[c.RemotePeer()]
	if m == nil {
		return
	}
	delete(m.conns, c)
	if len(m.conns) > 0 {
		return
	}
	delete(p.list, m.id)
	p.keepStanding(m, now)
	if a := p.known[m.id]; a != nil {
		a.lost(now.Sub(m.since) >= steadyAfter, now)
	}
}

// throwOut ends what we have with a peer, and does not let it in for a while.
func (n *Node) throwOut(id peer.ID) {
	addr := n.peers.addrOf(id)
	if addr == nil || n.isBoot(id) {
		return // it is not there, or is the operator's own
	}
	n.tally.bans.Add(1)
	n.Logger.Warn("gossip: peer thrown out", "peer", id, "addr", addr)
	n.gate.ban(id, addr, time.Now())
	n.host.Network().ClosePeer(id)
}

// score is what the router adds to its own.
func (p *peers) score(id peer.ID) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		return m.own
	}
	return 0
}

func (p *peers) noteScore(id peer.ID, total float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		m.total = total
		m.own *= decayOwn
	}
}

var decayOwn = decay(10 * time.Minute)

// reward adds to a peer's score.
func (p *peers) reward(id peer.ID, by float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		m.own = min(m.own+by, scoreServedMax)
	}
}

// ahead remembers that a peer sent what we cannot use yet.
func (p *peers) ahead(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		m.ahead = true
	}
}

// setStatus keeps what a peer said of itself.
func (p *peers) setStatus(id peer.ID, s status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		m.status, m.ahead = &s, false
	}
}

// greeted says that what a peer has is known here too.
func (p *peers) greeted(id peer.ID) {
	if p.statusOf(id) != nil {
		p.once.Do(func() { close(p.met) })
	}
}

// statusOf is what a peer said of itself, as far as it is believed; nil if it said
// nothing yet.
func (p *peers) statusOf(id peer.ID) *status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		return m.believed(time.Now())
	}
	return nil
}

// statuses are what peers said of themselves, as far as they are believed.
func (p *peers) statuses() (list []status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, m := range p.list {
		if st := m.believed(now); st != nil {
			list = append(list, *st)
		}
	}
	return list
}

// believed is the peer's status, which ends where it begins in what is in doubt. The
// caller holds peers.mu.
func (m *member) believed(now time.Time) *status {
	if m.status == nil {
		return nil
	}
	st := *m.status
	if now.Before(m.doubts[askFeed].until) {
		st.feedEnd = st.feed
	}
	if now.Before(m.doubts[askBodies].until) {
		st.bodiesEnd = st.bodies
	}
	if now.Before(m.doubts[askPublications].until) {
		st.newestPublication = 0
	}
	if now.Before(m.doubts[askSnapshots].until) {
		st.newestSnapshot = 0
	}
	return &st
}

// best are peers to ask, the best first: among those that answer alike, any, so that
// nobody is asked by all.
func (p *peers) best(q question, may func(*status) bool) []peer.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	type candidate struct {
		id    peer.ID
		worth float64
	}
	var list []candidate
	now := time.Now()
	for id, m := range p.list {
		if st := m.believed(now); st == nil || m.asked >= askedMax || !may(st) {
			continue
		}
		worth := m.own - float64(m.rtt/(20*time.Millisecond)) - 5*float64(m.asked+m.empty[q]) + 5*rand.Float64()
		list = append(list, candidate{id, worth})
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Compare(b.worth, a.worth) })
	ids := make([]peer.ID, len(list))
	for i := range list {
		ids[i] = list[i].id
	}
	return ids
}

// anyone is a random peer that has a status.
func (p *peers) anyone() (peer.ID, bool) {
	ids := p.best(askStatus, func(*status) bool { return true })
	if len(ids) == 0 {
		return "", false
	}
	return ids[rand.IntN(len(ids))], true
}
