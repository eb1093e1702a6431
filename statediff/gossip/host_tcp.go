package gossip

import (
	"context"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ackPatience is how long a connection may have sent something, and got no sign that it
// came, until it is given up. TCP would try again after a pause that doubles each time: when
// a network is back after ten seconds, it may be silent for ten more, and longer after a
// longer time. A new connection is there within two or three, for these are dialled all the
// time. A link that is slow, or loses much, is not one that gives no sign.
const ackPatience = 5 * time.Second

// An impatient upgrader is one whose connections are given up after ackPatience: those that
// we make, and those that we take, for each end waits for its own.
type impatient struct{ transport.Upgrader }

// Upgrade implements transport.Upgrader.
func (u impatient) Upgrade(ctx context.Context, t transport.Transport, c manet.Conn, dir network.Direction, p peer.ID, scope network.ConnManagementScope) (transport.CapableConn, error) {
	hurry(c)
	return u.Upgrader.Upgrade(ctx, t, c, dir, p, scope)
}

// UpgradeGatedMaListener implements transport.Upgrader.
func (u impatient) UpgradeGatedMaListener(t transport.Transport, l transport.GatedMaListener) transport.Listener {
	return u.Upgrader.UpgradeGatedMaListener(t, impatientListener{l})
}

type impatientListener struct{ transport.GatedMaListener }

// Accept implements transport.GatedMaListener.
func (l impatientListener) Accept() (manet.Conn, network.ConnManagementScope, error) {
	c, scope, err := l.GatedMaListener.Accept()
	if err == nil {
		hurry(c)
	}
	return c, scope, err
}

// hurry gives a connection ackPatience. One that cannot have it, for it is closed, or
// simulated, is as good without it.
func hurry(c manet.Conn) {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = setAckPatience(fd, ackPatience) })
		}
	}
}
