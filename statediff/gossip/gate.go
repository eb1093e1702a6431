package gossip

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// banFor is how long a peer is refused that was thrown out.
	banFor = 10 * time.Minute
	// bansPerIP: an address from which so many were thrown out is refused whoever comes
	// from it.
	bansPerIP = 3
	// bansMax is how many bans are remembered; the one that ends first makes room.
	bansMax = 4096
)

// A gate decides who may be connected. All methods may be called concurrently.
type gate struct {
	allow, deny guests
	max         int
	boot        func(peer.ID) bool
	connected   func() int // set before the first connection

	mu   sync.Mutex
	bans map[any]ban // by peer.ID and by netip.Addr
}

type ban struct {
	until time.Time
	count int
}

// guests are peers by id or by address.
type guests struct {
	ids    map[peer.ID]bool
	ranges []netip.Prefix
}

func parseGuests(list []string) (g guests, err error) {
	g.ids = make(map[peer.ID]bool)
	for _, text := range list {
		if id, err := peer.Decode(text); err == nil {
			g.ids[id] = true
			continue
		}
		r, err := netip.ParsePrefix(text)
		if err != nil {
			return g, fmt.Errorf("gossip: %q is neither a peer id nor an address range: %w", text, err)
		}
		g.ranges = append(g.ranges, r.Masked())
	}
	return g, nil
}

func (g *guests) empty() bool { return len(g.ids) == 0 && len(g.ranges) == 0 }

func (g *guests) hasAddr(a netip.Addr) bool {
	for _, r := range g.ranges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

func newGate(s *settings) (*gate, error) {
	g := &gate{max: s.PeersMax, boot: s.isBoot, bans: make(map[any]ban)}
	var err error
	if g.allow, err = parseGuests(s.Allow); err != nil {
		return nil, err
	}
	g.deny, err = parseGuests(s.Deny)
	return g, err
}

// ban refuses a peer for a while, and its address if it was not the first from there.
// Boot nodes and loopback addresses are the operator's own.
func (g *gate) ban(id peer.ID, at ma.Multiaddr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bans[id] = ban{now.Add(banFor), bansPerIP}
	if a := addrOf(at); a.IsValid() && !a.IsLoopback() {
		site := siteOf(a)
		g.bans[site] = ban{now.Add(banFor), g.bans[site].count + 1}
	}
	for len(g.bans) > bansMax {
		g.forgetOne()
	}
}

// forgetOne drops the ban that ends first. The caller holds mu.
func (g *gate) forgetOne() {
	var (
		first any
		until time.Time
	)
	for key, b := range g.bans {
		if first == nil || b.until.Before(until) {
			first, until = key, b.until
		}
	}
	delete(g.bans, first)
}

func (g *gate) banned(key any) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, ok := g.bans[key]
	if ok && !time.Now().Before(b.until) {
		delete(g.bans, key)
		return false
	}
	return b.count >= bansPerIP
}

// lets says whether that peer may be at that address.
func (g *gate) lets(id peer.ID, at ma.Multiaddr) bool {
	a := addrOf(at)
	switch {
	case g.deny.ids[id] || g.deny.hasAddr(a) || g.banned(id):
		return false
	case g.boot(id):
		return true
	case g.banned(siteOf(a)):
		return false
	}
	return g.allow.empty() || g.allow.ids[id] || g.allow.hasAddr(a)
}

// addrOf is the IP address, or none.
func addrOf(at ma.Multiaddr) netip.Addr {
	if at == nil {
		return netip.Addr{}
	}
	ip, err := manet.ToIP(at)
	if err != nil {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// siteOf is what one tenant has of addresses: a single one of IPv4, 2^64 of IPv6.
func siteOf(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	site, _ := a.WithZone("").Prefix(64)
	return site.Addr()
}

// InterceptPeerDial implements connmgr.ConnectionGater.
func (g *gate) InterceptPeerDial(id peer.ID) bool { return !g.deny.ids[id] && !g.banned(id) }

// InterceptAddrDial implements connmgr.ConnectionGater.
func (g *gate) InterceptAddrDial(id peer.ID, at ma.Multiaddr) bool { return g.lets(id, at) }

// InterceptAccept implements connmgr.ConnectionGater: before a byte is exchanged.
func (g *gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	a := addrOf(c.RemoteMultiaddr())
	return !g.deny.hasAddr(a) && !g.banned(siteOf(a))
}

// InterceptSecured implements connmgr.ConnectionGater: who it is, is proven.
func (g *gate) InterceptSecured(dir network.Direction, id peer.ID, c network.ConnMultiaddrs) bool {
	if !g.lets(id, c.RemoteMultiaddr()) {
		return false
	}
	return dir == network.DirOutbound || g.boot(id) || g.connected() < g.max
}

// InterceptUpgraded implements connmgr.ConnectionGater.
func (g *gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
