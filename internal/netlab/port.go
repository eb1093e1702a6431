package netlab

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

const (
	mtu = 1500
	// waitingMax bounds the packets of one sender that are on their way, and with
	// them memory: 25 MB a node. At 1 Gbit/s it is 200 ms.
	waitingMax = 1 << 14
	// slack is how much too early a packet may be delivered. It is also what keeps
	// the next deadline off far enough that each turn of the loop gets to read.
	slack = 100 * time.Microsecond
)

// A packet is on its way.
type packet struct {
	due   time.Time
	order uint64 // among those due at the same time
	to    int
	size  int
	data  [mtu]byte
}

// packets are a heap by the time at which they are due.
type packets []*packet

func (p packets) Len() int { return len(p) }
func (p packets) Less(i, j int) bool {
	if !p[i].due.Equal(p[j].due) {
		return p[i].due.Before(p[j].due)
	}
	return p[i].order < p[j].order
}
func (p packets) Swap(i, j int) { p[i], p[j] = p[j], p[i] }

// Push implements heap.Interface.
func (p *packets) Push(x any) { *p = append(*p, x.(*packet)) }

// Pop implements heap.Interface.
func (p *packets) Pop() any {
	last := len(*p) - 1
	x := (*p)[last]
	(*p)[last] = nil
	*p = (*p)[:last]
	return x
}

// A port is where a node is plugged into the switch: the other end of its TUN device.
// Everything on its way from the node is the port's, and its goroutine's alone;
// only counters and the devices are shared with other ports.
type port struct {
	lab     *Lab
	index   int
	tun     *os.File
	paths   []*path // by node that they lead to; nil to itself
	traffic counters

	waiting packets
	free    []*packet
	order   uint64
}

// plug gives every node a port and starts to forward.
func (l *Lab) plug() error {
	for _, n := range l.nodes {
		tun, err := n.space.openTUN(address(n.index))
		if err != nil {
			return fmt.Errorf("node %d: %w", n.index, err)
		}
		n.port = &port{lab: l, index: n.index, tun: tun}
		for to := range l.nodes {
			var p *path
			if to != n.index {
				p = newPath(l.options.Conditions, l.options.Seed, n.index, to)
			}
			n.port.paths = append(n.port.paths, p)
		}
	}
	for _, n := range l.nodes {
		l.forwarding.Go(n.port.forward)
	}
	return nil
}

// forward reads what the node sends, and delivers it when it is due, until the device
// is closed.
func (p *port) forward() {
	for {
		if err := p.tun.SetReadDeadline(p.deliver(time.Now().Add(slack))); err != nil {
			return // closed
		}
		k := p.take()
		size, err := p.tun.Read(k.data[:])
		switch {
		case err == nil:
			k.size = size
			p.accept(k)
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.give(k)
		default:
			return
		}
	}
}

// accept puts a packet among the waiting, or counts why not. It counts as sent last:
// of what has been sent one then knows what became of it.
func (p *port) accept(k *packet) {
	size := k.size
	if drop := p.place(k); drop != nil {
		drop.Add(1)
		p.give(k)
	} else {
		heap.Push(&p.waiting, k)
	}
	p.traffic.sent(size)
}

// place gives a packet its destination and its time, or returns the counter of what
// becomes of it instead.
func (p *port) place(k *packet) (drop *atomic.Uint64) {
	if k.size < ipHeader || k.data[0]>>4 != 4 {
		return &p.traffic.stray
	}
	k.to = indexOf([4]byte(k.data[ipDestination:]))
	if k.to < 0 || k.to >= len(p.paths) || p.paths[k.to] == nil {
		return &p.traffic.stray
	}
	if p.lab.apart(p.index, k.to) {
		return &p.traffic.cut
	}
	if len(p.waiting) >= waitingMax {
		return &p.traffic.overflow
	}
	due, fate := p.paths[k.to].schedule(time.Now(), k.size)
	switch fate {
	case lost:
		return &p.traffic.lost
	case overflow:
		return &p.traffic.overflow
	}
	p.order++
	k.due, k.order = due, p.order
	return nil
}

// RFC 791: the least length of a header, and where the destination stands in it.
const (
	ipHeader      = 20
	ipDestination = 16
)

// deliver hands over what is due by then and returns when the next is; zero if nothing
// waits. A partition that came meanwhile has it all the same.
func (p *port) deliver(by time.Time) (next time.Time) {
	for len(p.waiting) > 0 {
		if p.waiting[0].due.After(by) {
			return p.waiting[0].due
		}
		k := heap.Pop(&p.waiting).(*packet)
		to := p.lab.nodes[k.to].port
		if p.lab.apart(p.index, k.to) {
			p.traffic.cut.Add(1)
		} else if _, err := to.tun.Write(k.data[:k.size]); err != nil {
			p.traffic.stray.Add(1)
		} else {
			to.traffic.received(k.size)
		}
		p.give(k)
	}
	return time.Time{}
}

// take and give are the port's own store of packets: as many as were ever on their way.
func (p *port) take() *packet {
	last := len(p.free) - 1
	if last < 0 {
		return new(packet)
	}
	k := p.free[last]
	p.free = p.free[:last]
	return k
}

func (p *port) give(k *packet) { p.free = append(p.free, k) }
