package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
)

// ErrUnsupported: this machine cannot make a lab. The error that wraps it says
// why: no Linux, no root, no TUN device, no ip command, no bridges or veth in the kernel.
// Tests skip on it.
var ErrUnsupported = errors.New("a network of processes is not supported here")

// A Fabric is what joins the nodes of a lab.
type Fabric int

const (
	// Switch forwards in this process, under Conditions.
	Switch Fabric = iota
	// Bridge leaves it to the kernel, without any.
	Bridge
)

// NodesMax is how many nodes a lab may have: the state of links grows with its square,
// to 10 MB.
const NodesMax = 256

// Options are what a lab is made with.
type Options struct {
	// Nodes is their number, 1 to NodesMax.
	Nodes int
	// Fabric is Switch by default.
	Fabric Fabric
	// Conditions are those of all links at the beginning; by default there is no
	// delay, loss or limit.
	Conditions Conditions
	// Seed decides which packets are lost, and how the delay varies.
	Seed uint64
	// Dir is where what processes write is kept, by node. By default it is a
	// temporary directory, which Close removes.
	Dir string
}

func (o Options) validate() error {
	switch {
	case o.Nodes < 1 || o.Nodes > NodesMax:
		return fmt.Errorf("netlab: %d nodes, may be 1 to %d", o.Nodes, NodesMax)
	case o.Fabric != Switch && o.Fabric != Bridge:
		return fmt.Errorf("netlab: no fabric %d", o.Fabric)
	case o.Fabric == Bridge && o.Conditions != Conditions{}:
		return errNoConditions
	}
	return o.Conditions.validate()
}

// errNoConditions: the kernel's bridge forwards as fast as it can.
var errNoConditions = errors.New("netlab: a bridge has no conditions and no partitions")

// A Lab is a network of nodes. Its methods may be called from any goroutine.
type Lab struct {
	options   Options
	temporary bool // the directory is ours
	nodes     []*Node
	hub       *space // where the bridge is; nil for a switch
	broom     *broom

	// sides are the groups of a partition by node; nil while all are together.
	sides      atomic.Pointer[[]int]
	forwarding sync.WaitGroup

	close func() error
}

// New makes a lab. The error wraps ErrUnsupported where the machine is the reason.
// The caller closes it.
func New(o Options) (*Lab, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Lab{options: o}
	l.close = sync.OnceValue(l.clear)
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("netlab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) build() (err error) {
	if err := supported(l.options.Fabric); err != nil {
		return err
	}
	if l.options.Dir == "" {
		l.temporary = true
		if l.options.Dir, err = os.MkdirTemp("", "netlab"); err != nil {
			return err
		}
	}
	for i := range l.options.Nodes {
		n, err := newNode(l, i)
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		l.nodes = append(l.nodes, n)
	}
	join := l.plug
	if l.options.Fabric == Bridge {
		join = l.bridge
	}
	if err := join(); err != nil {
		return err
	}
	l.broom, err = newBroom(l.nodes)
	return err
}

// Close kills the processes of all nodes, takes the network down and waits until
// nothing of either is left. Connections and listeners that the caller made with
// Dial and Listen stay the caller's to close. Further calls return what the first did.
func (l *Lab) Close() error { return l.close() }

func (l *Lab) clear() error {
	var errs []error
	for _, n := range l.nodes {
		n.shut()
	}
	if l.broom != nil {
		errs = append(errs, l.broom.sweep())
	}
	for _, n := range l.nodes {
		errs = append(errs, n.unplug())
	}
	l.forwarding.Wait()
	for _, n := range l.nodes {
		errs = append(errs, n.space.close())
	}
	if l.hub != nil {
		errs = append(errs, l.hub.close())
	}
	if l.temporary {
		errs = append(errs, os.RemoveAll(l.options.Dir))
	}
	return errors.Join(errs...)
}

// Size is the number of nodes.
func (l *Lab) Size() int { return len(l.nodes) }

// Node is the node with that number, from 0.
func (l *Lab) Node(i int) *Node { return l.nodes[i] }

// Partition cuts the links between nodes of different groups, and heals all others.
// Nodes that no group names are together in one more. Packets on their way over a cut
// link are lost. A node may be in one group only.
func (l *Lab) Partition(groups ...[]int) error {
	if l.options.Fabric == Bridge {
		return errNoConditions
	}
	sides := make([]int, len(l.nodes))
	for g, members := range groups {
		for _, i := range members {
			if i < 0 || i >= len(sides) {
				return fmt.Errorf("netlab: partition of %d nodes names node %d", len(sides), i)
			}
			if sides[i] != 0 {
				return fmt.Errorf("netlab: partition names node %d twice", i)
			}
			sides[i] = g + 1
		}
	}
	l.sides.Store(&sides)
	return nil
}

// Heal ends the partition. Conditions of links stay.
func (l *Lab) Heal() { l.sides.Store(nil) }

// apart reports whether a partition is between two nodes.
func (l *Lab) apart(i, j int) bool {
	sides := l.sides.Load()
	return sides != nil && (*sides)[i] != (*sides)[j]
}

// network holds the addresses of all nodes: 10.77.0.1 and what follows.
var network = netip.MustParsePrefix("10.77.0.0/16")

func address(i int) netip.Addr {
	a := network.Addr().As4()
	a[2], a[3] = byte((i+1)>>8), byte(i+1)
	return netip.AddrFrom4(a)
}

// indexOf is address turned round: -1 if no node can have it.
func indexOf(a [4]byte) int {
	if !network.Contains(netip.AddrFrom4(a)) {
		return -1
	}
	return int(a[2])<<8 | int(a[3]) - 1
}
