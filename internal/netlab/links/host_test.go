package links

import (
	"crypto/rand"
	"errors"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// newHost is a libp2p host of a new identity, which speaks what statediff/gossip's does,
// and has none of its bounds.
func newHost() (host.Host, *swarm.Swarm, error) {
	key, public, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		return nil, nil, err
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, nil, err
	}
	bus := eventbus.NewBus()
	net, err := swarm.NewSwarm(id, store, bus)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	err = errors.Join(store.AddPrivKey(id, key), store.AddPubKey(id, public), addTCP(net, key))
	if err != nil {
		return nil, nil, errors.Join(err, net.Close())
	}
	h, err := basichost.NewHost(net, &basichost.HostOpts{EventBus: bus, DisableSignedPeerRecord: true})
	if err != nil {
		return nil, nil, errors.Join(err, net.Close())
	}
	h.Start()
	return h, net, nil
}

func addTCP(net *swarm.Swarm, key crypto.PrivKey) error {
	muxers := []tptu.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	secure, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return err
	}
	unbounded := &network.NullResourceManager{}
	upgrader, err := tptu.New([]sec.SecureTransport{secure}, muxers, nil, unbounded, nil)
	if err != nil {
		return err
	}
	t, err := tcp.NewTCPTransport(upgrader, unbounded, nil)
	if err != nil {
		return err
	}
	return net.AddTransport(t)
}
