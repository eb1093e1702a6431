package gossip

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// knownMax is how many acquaintances are remembered, and toldMax at how many addresses
	// one is looked for because somebody said so.
	knownMax, toldMax = 256, 4

	redialFirst, redialMax = 250 * time.Millisecond, 30 * time.Second
	// bootRedialMax: a boot node that is back is to be found soon.
	bootRedialMax = 2 * time.Second
	// failsMax: who was not reached so often, within minutes, is forgotten until somebody
	// speaks of it again. Boot nodes are not.
	failsMax    = 12
	dialTimeout = 5 * time.Second
	dialEvery   = 100 * time.Millisecond
	// steadyAfter: a connection that ends sooner was none. Who is full, or does not want
	// us, ends it at once.
	steadyAfter = 5 * time.Second
)

// An acquaintance is somebody to dial. Whose address it is shows when it answers, with
// its key: a wrong one costs an attempt.
type acquaintance struct {
	id      peer.ID
	boot    []ma.Multiaddr // of Config.Boot
	found   ma.Multiaddr   // where it was the last time; nil if it never was
	told    []ma.Multiaddr // where it is said to be, the newest last
	dialing bool
	fails   int
	next    time.Time
}

func (a *acquaintance) isBoot() bool { return len(a.boot) > 0 }

// addrs are where to look for it; the slice is the caller's.
func (a *acquaintance) addrs() []ma.Multiaddr {
	list := slices.Concat(a.boot, a.told)
	if a.found != nil && !hasAddr(list, a.found) {
		list = append(list, a.found)
	}
	return list
}

func hasAddr(list []ma.Multiaddr, a ma.Multiaddr) bool { return slices.ContainsFunc(list, a.Equal) }

// hear of an address. It reports whether that is news: then it may have moved. What was
// said first is forgotten first.
func (a *acquaintance) hear(addr ma.Multiaddr) bool {
	if hasAddr(a.addrs(), addr) {
		return false
	}
	if len(a.told) == toldMax {
		a.told = slices.Delete(a.told, 0, 1)
	}
	a.told = append(a.told, addr)
	return true
}

// failed says that it was not reached; lost, that it went after it was.
func (a *acquaintance) failed(now time.Time) {
	most := redialMax
	if a.isBoot() {
		most = bootRedialMax
	}
	a.next = now.Add(jitter(min(redialFirst<<min(a.fails, 8), most)))
	a.fails++
}

func (a *acquaintance) lost(steady bool, now time.Time) {
	if steady {
		a.fails = 0
	}
	a.failed(now)
}

// learn remembers where somebody is said to be. One who is known may have moved.
func (p *peers) learn(info peer.AddrInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if info.ID == p.node.id || len(info.Addrs) == 0 {
		return
	}
	a := p.known[info.ID]
	if a == nil {
		if len(p.known) >= knownMax && !p.forgetWorst() {
			return
		}
		a = &acquaintance{id: info.ID}
		p.known[info.ID] = a
	}
	for _, addr := range info.Addrs {
		if a.hear(addr) {
			a.next = time.Time{}
		}
	}
}

// credible are the addresses that may be believed of one who is elsewhere himself: to us,
// a loopback address is of this machine.
func credible(list []ma.Multiaddr, teller ma.Multiaddr) []ma.Multiaddr {
	if teller != nil && manet.IsIPLoopback(teller) {
		return list
	}
	return slices.DeleteFunc(list, func(a ma.Multiaddr) bool { return manet.IsIPLoopback(a) || manet.IsIPUnspecified(a) })
}

// forgetWorst makes room among the acquaintances. The caller holds mu.
func (p *peers) forgetWorst() bool {
	var worst *acquaintance
	for id, a := range p.known {
		if !a.isBoot() && !a.dialing && p.list[id] == nil && a.fails > 0 && (worst == nil || a.fails > worst.fails) {
			worst = a
		}
	}
	if worst == nil {
		return false
	}
	delete(p.known, worst.id)
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
		if a.dialing && !a.isBoot() {
			there++
		}
		if a.dialing || p.list[id] != nil || now.Before(a.next) || !a.isBoot() && there >= wanted {
			continue
		}
		a.dialing = true
		if !a.isBoot() {
			there++
		}
		list = append(list, peer.AddrInfo{ID: id, Addrs: a.addrs()})
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
	n.peers.dialled(info.ID, err, time.Now())
}

// dialled says how a dial went. That it was reached, a connection says.
func (p *peers) dialled(id peer.ID, err error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.known[id]
	if a == nil {
		return
	}
	a.dialing = false
	if err == nil {
		return
	}
	if a.failed(now); a.fails >= failsMax && !a.isBoot() {
		delete(p.known, id)
	}
}

// jitter is around d, so that those who lost one peer do not all come back at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
