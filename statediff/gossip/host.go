package gossip

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	// streamWindow is how much one stream may have in flight, in bytes: at 100 ms there
	// and back, 10 MiB/s.
	streamWindow = 1 << 20
	// streamsPerPeer: gossip has one in each direction, identify and our requests a few.
	streamsPerPeer = 32
	// memoryMax bounds what connections and streams buffer, in bytes.
	memoryMax = 128 << 20
)

// newHost makes a host of TCP, Noise and yamux, which does not listen yet. libp2p.New
// would do it in a line, and link QUIC, WebTransport and WebRTC whatever its options say:
// twice the packages.
func newHost(s *settings) (host.Host, *swarm.Swarm, error) {
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, nil, err
	}
	manager, err := newResourceManager(s.PeersMax)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	bus := eventbus.NewBus()
	net, err := newSwarm(s, store, bus, manager)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close(), manager.Close())
	}
	h, err := basichost.NewHost(net, &basichost.HostOpts{EventBus: bus, UserAgent: "vivace", DisableSignedPeerRecord: true})
	if err != nil {
		return nil, nil, errors.Join(err, net.Close())
	}
	h.Start()
	return h, net, nil
}

// listen lets peers connect, if they are to.
func listen(h host.Host, s *settings) error {
	if len(s.listen) == 0 {
		return nil
	}
	if err := h.Network().Listen(s.listen...); err != nil {
		return fmt.Errorf("listen at %v: %w", s.Listen, err)
	}
	return nil
}

func newSwarm(s *settings, store peerstore.Peerstore, bus event.Bus, manager network.ResourceManager) (*swarm.Swarm, error) {
	if err := errors.Join(store.AddPrivKey(s.id, s.key), store.AddPubKey(s.id, s.key.GetPublic())); err != nil {
		return nil, err
	}
	net, err := swarm.NewSwarm(s.id, store, bus, swarm.WithResourceManager(manager), swarm.WithConnectionGater(s.gate))
	if err != nil {
		return nil, err
	}
	t, err := newTransport(s, manager)
	if err == nil {
		err = net.AddTransport(t)
	}
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	return net, nil
}

func newTransport(s *settings, manager network.ResourceManager) (transport.Transport, error) {
	config := *yamux.DefaultTransport.Config()
	config.MaxStreamWindowSize = streamWindow
	muxers := []tptu.StreamMuxer{{ID: yamux.ID, Muxer: (*yamux.Transport)(&config)}}
	secure, err := noise.New(noise.ID, s.key, muxers)
	if err != nil {
		return nil, err
	}
	upgrader, err := tptu.New([]sec.SecureTransport{secure}, muxers, nil, manager, s.gate)
	if err != nil {
		return nil, err
	}
	if s.Transport != nil {
		return s.Transport(upgrader, manager)
	}
	return tcp.NewTCPTransport(impatient{upgrader}, manager, nil)
}

// newResourceManager bounds connections, streams and memory by what a Config says, not
// by how large the machine is: the same peers are refused everywhere.
func newResourceManager(peers int) (network.ResourceManager, error) {
	var (
		conns   = rcmgr.LimitVal(2*peers + 16) // some are being made, or are twice there for a moment
		streams = rcmgr.ResourceLimits{
			Streams: streamsPerPeer, StreamsInbound: streamsPerPeer / 2, StreamsOutbound: streamsPerPeer,
			Conns: 4, ConnsInbound: 4, ConnsOutbound: 4, FD: 4, Memory: memoryMax / 8,
		}
		all = rcmgr.ResourceLimits{
			Streams: rcmgr.LimitVal(peers * streamsPerPeer), StreamsInbound: rcmgr.LimitVal(peers * streamsPerPeer / 2), StreamsOutbound: rcmgr.LimitVal(peers * streamsPerPeer),
			Conns: conns, ConnsInbound: conns, ConnsOutbound: conns, FD: conns, Memory: memoryMax,
		}
		limits = rcmgr.PartialLimitConfig{System: all, Transient: all, PeerDefault: streams}
	)
	defaults := rcmgr.DefaultLimits
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(defaults.Scale(4*memoryMax, 1024))),
		rcmgr.WithMetricsDisabled(),
		// One machine may be many nodes: whom to refuse is the gate's affair.
		rcmgr.WithLimitPerSubnet([]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: peers}}, []rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: peers}}),
	)
}
