package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/vivace-chain/vivace/chain"
)

// A Node is a machine of the lab. Its methods may be called from any goroutine.
type Node struct {
	lab   *Lab
	index int
	dir   string
	space *space
	port  *port // nil with a bridge

	mu        sync.Mutex
	processes []*Process
	closed    bool
}

func newNode(l *Lab, i int) (*Node, error) {
	n := &Node{lab: l, index: i, dir: filepath.Join(l.options.Dir, fmt.Sprintf("node-%02d", i))}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	n.space, err = newSpace()
	return n, err
}

// Addr is the node's address in the lab's network.
func (n *Node) Addr() netip.Addr { return address(n.index) }

// Dir is where what the node's processes write is kept: for each that was started a
// NUMBER-NAME.stdout and a .stderr.
func (n *Node) Dir() string { return n.dir }

// Dial connects to an address as a process on the node would. The address is a
// literal one with its port: a name would be looked up elsewhere. The shape is that of
// net.Dialer.DialContext.
func (n *Node) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if err := literal(address); err != nil {
		return nil, err
	}
	err = n.inside(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens on the node, at a literal address: this process then is a
// server there.
func (n *Node) Listen(ctx context.Context, network, address string) (listener net.Listener, err error) {
	if err := literal(address); err != nil {
		return nil, err
	}
	err = n.inside(func() error {
		listener, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	return listener, err
}

func literal(address string) error {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return fmt.Errorf("netlab: not a literal address: %w", err)
	}
	return nil
}

// inside calls what makes sockets, on the goroutine that calls it.
func (n *Node) inside(call func() error) error {
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed {
		return fmt.Errorf("netlab: node %d: %w", n.index, chain.ErrClosed)
	}
	return n.space.do(call)
}

// Traffic is what the node has sent and received; nothing of it came or went over
// its loopback.
func (n *Node) Traffic() (Traffic, error) {
	if n.port != nil {
		return n.port.traffic.traffic(), nil
	}
	return n.space.deviceTraffic()
}

// Usage is the sum over all processes that were ever started on the node; of MemoryMax
// it is the largest.
func (n *Node) Usage() Usage {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum Usage
	for _, p := range n.processes {
		u := p.Usage()
		sum.CPU += u.CPU
		sum.MemoryMax = max(sum.MemoryMax, u.MemoryMax)
	}
	return sum
}

// shut kills all processes of the node; no further one is started.
func (n *Node) shut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, p := range n.processes {
		p.Kill()
	}
}

// unplug takes the node's device away, with which its port ends.
func (n *Node) unplug() error {
	if n.port == nil {
		return nil
	}
	return n.port.tun.Close()
}
