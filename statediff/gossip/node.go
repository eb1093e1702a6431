package gossip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"golang.org/x/time/rate"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// A Node is a member of a chain's network; see the package comment. All methods may be
// called concurrently.
type Node struct {
	*settings
	checker *envelope.Checker
	shelf   *shelf
	peers   *peers
	tally   tally

	host   host.Host
	swarm  *swarm.Swarm
	topics map[string]*pubsub.Topic // by name of internal/link
	syncID protocol.ID              // of requests

	stock   *stock                          // for those who join
	timeFor func(size uint64) time.Duration // of contents to come from peers
	speaker speaker
	uploads *rate.Limiter // bytes of answers

	ctx   context.Context // ends with the node
	end   context.CancelFunc
	close func() error // once

	workMu sync.Mutex
	closed bool           // nothing begins any more
	work   sync.WaitGroup // goroutines of the node's own
}

// New makes a node, which listens and answers from now on. Without Run it does not
// look for peers, and does not send. Whoever does not Run it must Close it.
func New(cfg Config) (*Node, error) {
	s, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{settings: s, shelf: newShelf(s), timeFor: timeFor}
	if n.stock, err = openStock(vfs.OS, s.SnapshotDir, s.SnapshotMax, s.Logger); err != nil {
		return nil, fmt.Errorf("gossip: Config.SnapshotDir: %w", err)
	}
	n.checker, err = envelope.NewChecker(envelope.Config{
		ChainID: s.ChainID, Genesis: s.Genesis, Signers: s.Signers, Limits: s.Sizes, Recover: s.Recover,
	})
	if err != nil {
		return nil, err
	}
	n.ctx, n.end = context.WithCancel(context.Background())
	n.close = sync.OnceValue(n.shut)
	n.peers = newPeers(n)
	n.speaker.init(s.Term)
	n.uploads = rate.NewLimiter(uploadRate, uploadBurst)
	n.syncID = protocol.ID(s.network() + "/sync/1")
	s.gate.connected = n.peers.count
	if n.host, n.swarm, err = newHost(s); err != nil {
		n.end()
		return nil, err
	}
	if err := n.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("gossip: %w", err), n.Close())
	}
	return n, nil
}

// open lets peers in, once everything is there that they could find.
func (n *Node) open() error {
	n.host.SetStreamHandler(n.syncID, n.serve)
	n.host.Network().Notify(&network.NotifyBundle{
		ConnectedF:    func(_ network.Network, c network.Conn) { n.connected(c) },
		DisconnectedF: func(_ network.Network, c network.Conn) { n.disconnected(c) },
	})
	if err := n.join(); err != nil {
		return err
	}
	return listen(n.host, n.settings)
}

// Run looks for peers, repairs what is lost on the way and sends what is published,
// until ctx ends; then it closes the node and returns nil, or what failed in closing.
// It is called once.
func (n *Node) Run(ctx context.Context) error {
	for _, task := range []func(context.Context){n.dial, n.mend, n.mendBodies, n.keepStatus, n.send, n.sendLater, n.beat} {
		n.spawn(func() { task(n.ctx) })
	}
	select {
	case <-ctx.Done():
	case <-n.ctx.Done():
	}
	return n.Close()
}

// enter counts a goroutine as one of the node's own, for which Close waits, unless the
// node is closing.
func (n *Node) enter() bool {
	n.workMu.Lock()
	defer n.workMu.Unlock()
	if !n.closed {
		n.work.Add(1)
	}
	return !n.closed
}

// spawn runs f, which ends with the node, unless the node is closing.
func (n *Node) spawn(f func()) bool {
	if !n.enter() {
		return false
	}
	go func() {
		defer n.work.Done()
		f()
	}()
	return true
}

// Close leaves the network and frees everything. Subscriptions end with chain.ErrClosed.
func (n *Node) Close() error { return n.close() }

func (n *Node) shut() error {
	n.workMu.Lock()
	n.closed = true
	n.workMu.Unlock()
	n.end()
	err := n.host.Close()
	n.work.Wait()
	return err
}

// Addrs are the multiaddresses of this node, with its peer id: what others give as
// Config.Boot.
func (n *Node) Addrs() []string {
	var list []string
	for _, a := range n.host.Addrs() {
		list = append(list, a.String()+"/p2p/"+n.id.String())
	}
	return list
}

// ID is the node's peer id.
func (n *Node) ID() string { return n.id.String() }

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool { return sched.Sleep(ctx, d) == nil }

var errClosed = fmt.Errorf("gossip: node: %w", chain.ErrClosed)
