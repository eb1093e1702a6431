package gossip

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"
)

const (
	// costRate and costBurst are how many signatures a peer may have us check, a
	// second. A feed at 10 ms with bodies needs 200.
	costRate, costBurst = 400, 1000
	// knownMax is how many addresses of peers are remembered.
	knownMax = 256

	redialFirst, redialMax = 250 * time.Millisecond, 30 * time.Second
	// bootRedialMax: a boot node that is back is to be found soon.
	bootRedialMax = 2 * time.Second
	dialTimeout   = 5 * time.Second
	dialEvery     = 100 * time.Millisecond
)

// What requests are worth to a peer's score, which fades in minutes.
const (
	scoreServed, scoreServedMax = 1, 20
	scoreTimeout                = -5
	scoreWithheld               = -5 // it said it had what it does not give
	scoreBadAnswer              = -50
)

// peers are the connected ones, and those that might be. All methods may be called
// concurrently.
type peers struct {
	node *Node

	mu      sync.Mutex
	stopped bool
	list    map[peer.ID]*member
	known   map[peer.ID]*acquaintance
	met     chan struct{} // closed when there was a peer, and it was greeted
	once    sync.Once
}

// A member is a connected peer.
type member struct {
	id      peer.ID
	addr    ma.Multiaddr
	since   time.Time
	status  *status // nil until it was asked
	rtt     time.Duration
	total   float64 // the router's score, as of a second ago
	own     float64 // what requests were worth
	cost    *rate.Limiter
	asked   int  // requests under way
	serving int  // requests of its that are being answered
	ahead   bool // sent something that we cannot use yet
}

// An acquaintance is somebody to dial.
type acquaintance struct {
	peer.AddrInfo
	boot    bool
	dialing bool
	fails   int
	next    time.Time
}

func newPeers(n *Node) *peers {
	p := &peers{node: n, list: make(map[peer.ID]*member), known: make(map[peer.ID]*acquaintance), met: make(chan struct{})}
	for _, b := range n.boot {
		p.known[b.ID] = &acquaintance{AddrInfo: b, boot: true}
	}
	return p
}

func (p *peers) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list)
}

// stop makes connections that still come mean nothing.
func (p *peers) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
}

func (n *Node) connected(c network.Conn) {
	p := n.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	id := c.RemotePeer()
	if p.stopped || p.list[id] != nil {
		return
	}
	p.list[id] = &member{
		id: id, addr: c.RemoteMultiaddr(), since: time.Now(), rtt: rttUnknown, cost: rate.NewLimiter(costRate, costBurst),
	}
	if a := p.known[id]; a != nil {
		a.fails = 0
	}
	n.spawn(func() { n.greet(id) })
}

func (n *Node) disconnected(c network.Conn) {
	p, id := n.peers, c.RemotePeer()
	if n.host.Network().Connectedness(id) == network.Connected {
		return // one of two connections
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.list, id)
	if a := p.known[id]; a != nil {
		a.next = time.Now().Add(jitter(redialFirst))
	}
}

// throwOut ends what we have with a peer, and does not let it in for a while.
func (n *Node) throwOut(id peer.ID) {
	n.peers.mu.Lock()
	m := n.peers.list[id]
	n.peers.mu.Unlock()
	if m == nil || n.isBoot(id) {
		return // it is not there, or is the operator's own
	}
	n.tally.bans.Add(1)
	n.Logger.Warn("gossip: peer thrown out", "peer", id, "addr", m.addr)
	n.gate.ban(id, m.addr, time.Now())
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

// mayCost takes a signature from what that peer may cost.
func (p *peers) mayCost(id peer.ID) bool {
	p.mu.Lock()
	m := p.list[id]
	p.mu.Unlock()
	return m == nil || m.cost.Allow()
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

// statusOf is what a peer said of itself; nil if it did not yet.
func (p *peers) statusOf(id peer.ID) *status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.list[id]; m != nil {
		return m.status
	}
	return nil
}

// statuses are what peers said of themselves.
func (p *peers) statuses() (list []status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.list {
		if m.status != nil {
			list = append(list, *m.status)
		}
	}
	return list
}

// best are peers to ask, the best first: among those that answer alike, any, so that
// nobody is asked by all.
func (p *peers) best(may func(*status) bool) []peer.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	type candidate struct {
		id    peer.ID
		worth float64
	}
	var list []candidate
	for id, m := range p.list {
		if m.status == nil || m.asked >= askedMax || !may(m.status) {
			continue
		}
		worth := m.own - float64(m.rtt/(20*time.Millisecond)) - 5*float64(m.asked) + 5*rand.Float64()
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
	ids := p.best(func(*status) bool { return true })
	if len(ids) == 0 {
		return "", false
	}
	return ids[rand.IntN(len(ids))], true
}

// learn remembers where somebody is said to be.
func (p *peers) learn(info peer.AddrInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if info.ID == p.node.id || len(info.Addrs) == 0 || p.known[info.ID] != nil {
		return
	}
	if len(p.known) >= knownMax && !p.forgetWorst() {
		return
	}
	p.known[info.ID] = &acquaintance{AddrInfo: info}
}

// forgetWorst makes room among the acquaintances. The caller holds mu.
func (p *peers) forgetWorst() bool {
	var worst *acquaintance
	for id, a := range p.known {
		if !a.boot && !a.dialing && p.list[id] == nil && a.fails > 0 && (worst == nil || a.fails > worst.fails) {
			worst = a
		}
	}
	if worst == nil {
		return false
	}
	delete(p.known, worst.ID)
	return true
}

// dial keeps the boot nodes connected, and as many others as are wanted.
func (n *Node) dial(ctx context.Context) {
	for ok := true; ok; ok = pause(ctx, dialEvery) {
		for _, info := range n.peers.toDial(time.Now(), n.PeersWanted) {
			n.spawn(func() { n.connect(ctx, info) })
		}
	}
}

// toDial is whom to dial now; they count as being dialled.
func (p *peers) toDial(now time.Time, wanted int) (list []peer.AddrInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	there := len(p.list)
	for id, a := range p.known {
		if a.dialing && !a.boot {
			there++
		}
		if a.dialing || p.list[id] != nil || now.Before(a.next) || !a.boot && there >= wanted {
			continue
		}
		a.dialing = true
		if !a.boot {
			there++
		}
		list = append(list, a.AddrInfo)
	}
	return list
}

// connect dials somebody, once.
func (n *Node) connect(ctx context.Context, info peer.AddrInfo) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	n.swarm.Backoff().Clear(info.ID) // ours is shorter, and ends
	err := n.host.Connect(ctx, info)
	if err != nil && !errors.Is(err, context.Canceled) {
		n.Logger.Debug("gossip: peer cannot be reached", "peer", info.ID, "err", err)
	}
	n.peers.dialled(info.ID, err)
}

// dialled says how a dial went.
func (p *peers) dialled(id peer.ID, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.known[id]
	if a == nil {
		return
	}
	a.dialing = false
	if err == nil {
		a.fails = 0
		a.next = time.Now().Add(jitter(redialFirst))
		return
	}
	most := redialMax
	if a.boot {
		most = bootRedialMax
	}
	a.next = time.Now().Add(jitter(min(redialFirst<<min(a.fails, 8), most)))
	a.fails++
}

// jitter is around d, so that those who lost one peer do not all come back at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
