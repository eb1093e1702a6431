package gossip

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
)

func addrsOf(t testing.TB, texts ...string) (list []ma.Multiaddr) {
	for _, text := range texts {
		a, err := ma.NewMultiaddr(text)
		require.NoError(t, err)
		list = append(list, a)
	}
	return list
}

// A node that went elsewhere is found there, as soon as somebody who met it is asked.
func TestMoved(t *testing.T) {
	x := newWorld(t)
	boot := x.node()
	cfg := x.config(boot.Node)
	cfg.PeersWanted = 1 // it looks for nobody else
	mover := x.run(cfg)
	other := x.node(boot.Node)
	x.connected(other, 2)
	mover.stop()
	require.Eventually(t, func() bool { return other.peers.count() == 1 }, 10*time.Second, time.Millisecond)
	cfg.Key = mover.Key
	moved := x.run(cfg)
	require.Equal(t, mover.ID(), moved.ID())
	x.connected(other, 2)
}

// Addresses of a known peer are added, and the true ones stay whatever is said.
func TestAddresses(t *testing.T) {
	x := newWorld(t)
	boot := x.idle(x.config())
	cfg := x.config(boot)
	cfg.Boot = append(cfg.Boot, "/ip4/192.0.2.9/tcp/1/p2p/"+boot.ID())
	n := x.idle(cfg)
	require.Len(t, n.peers.known[boot.id].boot, 2)

	id := peer.ID("somebody")
	addrs := addrsOf(t, "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2", "/ip4/192.0.2.1/tcp/3", "/ip4/192.0.2.1/tcp/4", "/ip4/192.0.2.1/tcp/5", "/ip4/192.0.2.1/tcp/6")
	learn := func(id peer.ID, a ma.Multiaddr) { n.peers.learn(peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{a}}) }
	learn(id, addrs[0])
	a := n.peers.known[id]
	a.found = addrs[0]
	a.failed(time.Now())
	learn(id, addrs[0])
	require.False(t, a.next.IsZero(), "that is no news")
	for _, addr := range addrs[1:] {
		learn(id, addr)
		require.Contains(t, a.addrs(), addr)
		require.Contains(t, a.addrs(), addrs[0])
		require.LessOrEqual(t, len(a.addrs()), toldMax+1)
	}
	require.True(t, a.next.IsZero(), "it may have moved")
	b := n.peers.known[boot.id]
	for _, addr := range addrs {
		learn(boot.id, addr)
	}
	require.Subset(t, b.addrs(), b.boot)
	require.Len(t, b.addrs(), 2+toldMax)
	learn(n.id, addrs[0])
	require.Nil(t, n.peers.known[n.id])
}

// Who cannot be reached, or hangs up at once, is dialled less and less, and forgotten;
// but for boot nodes.
func TestUnreachable(t *testing.T) {
	x := newWorld(t)
	boot := x.idle(x.config())
	n := x.idle(x.config(boot))
	id := peer.ID("somebody")
	n.peers.learn(peer.AddrInfo{ID: id, Addrs: addrsOf(t, "/ip4/192.0.2.1/tcp/1")})
	a, now := n.peers.known[id], time.Now()
	a.lost(true, now)
	require.Less(t, a.next.Sub(now), 2*redialFirst)
	a.lost(true, now)
	require.Less(t, a.next.Sub(now), 2*redialFirst)
	for range 6 {
		a.lost(false, now)
	}
	require.Greater(t, a.next.Sub(now), 8*redialFirst)
	for range failsMax {
		require.Len(t, n.peers.toDial(now.Add(time.Hour), 8), 2)
		n.peers.dialled(id, errClosed, now)
		n.peers.dialled(boot.id, errClosed, now)
		if n.peers.known[id] == nil {
			break
		}
	}
	require.Nil(t, n.peers.known[id])
	require.LessOrEqual(t, n.peers.known[boot.id].next.Sub(now), 2*bootRedialMax)
}

// A loopback address is of the machine on which it is said.
func TestCredible(t *testing.T) {
	list := func() []ma.Multiaddr {
		return addrsOf(t, "/ip4/127.0.0.1/tcp/1", "/ip4/192.0.2.1/tcp/1", "/ip6/::1/tcp/1")
	}
	near := addrsOf(t, "/ip4/127.0.0.1/tcp/9")[0]
	far := addrsOf(t, "/ip4/192.0.2.2/tcp/9")[0]
	require.Equal(t, list(), credible(list(), near))
	require.Equal(t, list()[1:2], credible(list(), far))
	require.Equal(t, list()[1:2], credible(list(), nil))
}
