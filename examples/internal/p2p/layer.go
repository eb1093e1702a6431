package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/directory"
	"github.com/vivace-chain/vivace/da/eigenda"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/serve"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// LayerUsage says what -da.layer may be.
const LayerUsage = "data-availability `layer`: eigenda=URL of EigenDA's proxy, eigenda-op=URL of the same in its mode for OP, altda=URL of an OP alt-DA server"

// CheckLayer finds a -da.layer that makes no sense; the error matches cli.ErrUsage.
func CheckLayer(spec string) error {
	if spec == "" {
		return nil
	}
	_, err := Layer(spec)
	return err
}

// Layer is a client of the data-availability layer that spec names; see LayerUsage.
// Errors match cli.ErrUsage.
func Layer(spec string) (chain.DAClient, error) {
	client, err := newClient(spec)
	if err != nil {
		return nil, fmt.Errorf("%w: -da.layer: %w", cli.ErrUsage, err)
	}
	return client, nil
}

// Layers is what reads from the layers of a comma-separated list, as the sequencer has it.
// Errors match cli.ErrUsage.
func Layers(list string) (chain.DAClient, error) {
	client, err := newClients(list)
	if err != nil {
		return nil, fmt.Errorf("%w: -da.layer: %w", cli.ErrUsage, err)
	}
	return client, nil
}

func newClients(list string) (chain.DAClient, error) {
	var clients []chain.DAClient
	for _, spec := range cli.List(list) {
		client, err := newClient(spec)
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	if len(clients) == 1 {
		return clients[0], nil
	}
	client, err := da.NewFailover(da.FailoverConfig{Layers: clients})
	if err != nil {
		return nil, err
	}
	return client, nil
}

func newClient(spec string) (chain.DAClient, error) {
	kind, url, ok := strings.Cut(spec, "=")
	if !ok {
		return nil, fmt.Errorf("%q is not of the form layer=URL", spec)
	}
	return newLayer(kind, url)
}

func newLayer(kind, url string) (chain.DAClient, error) {
	switch kind {
	case "altda":
		return altda.New(altda.Config{URL: url, Mode: altda.Keccak})
	case "eigenda", "eigenda-op":
		mode := eigenda.Standard
		if kind == "eigenda-op" {
			mode = eigenda.OPGeneric
		}
		client, err := eigenda.New(eigenda.Config{URL: url, Mode: mode})
		if err != nil {
			return nil, err
		}
		return da.NewChunked(da.ChunkedConfig{Client: client, MaxBlob: eigenda.MaxPayload})
	}
	return nil, fmt.Errorf("there is no layer %q", kind)
}

// Behind is layer, and behind it the peers for snapshots that it does not give. Those that
// it gives or takes, the node keeps for them.
func Behind(layer chain.DAClient, peers *gossip.Node) chain.DAClient {
	return peers.Layer(layer, func(blob []byte) bool { return da.KindOf(blob) == da.Snapshot })
}

// An OwnLayer is a directory of this machine that others read from an alt-DA server, for
// those who have no other layer. Nobody else writes to it: it is as full as its owner
// makes it, and no stranger keeps its owner from writing.
type OwnLayer struct {
	listener net.Listener
	store    *directory.Store
}

// OpenLayer opens the directory and an address for it. Errors match cli.ErrUsage if the
// address is none.
func OpenLayer(dir, address string, port int) (*OwnLayer, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("-da.port: %w", err)
	}
	store, err := directory.Open(directory.Config{Directory: dir})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &OwnLayer{listener, store}, nil
}

// Client is the layer for its owner, with the names that it has for others.
func (l *OwnLayer) Client() chain.DAClient { return altda.Local(l.store) }

// Spec is what others give as -da.layer, who reach this machine at a host: that matters
// if the layer listens at all of its addresses.
func (l *OwnLayer) Spec(host string) string {
	at := l.listener.Addr().(*net.TCPAddr)
	if !at.IP.IsUnspecified() {
		host = at.IP.String()
	}
	return "altda=http://" + net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// Run serves until ctx ends, and lets requests in flight finish.
func (l *OwnLayer) Run(ctx context.Context) error {
	handler, err := altda.NewServer(altda.ServerConfig{Client: l.store, Mode: altda.Keccak, ReadOnly: true})
	if err != nil {
		return err
	}
	return serve.HTTP(ctx, l.listener, handler)
}

// Close closes what Run does not.
func (l *OwnLayer) Close() error {
	err := l.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, l.store.Close())
}
