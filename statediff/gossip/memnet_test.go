package gossip

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// A memnet is a network in memory, with delay and loss: what is lost comes late, as it
// does over TCP, and holds up what is behind it. It uses the clock of package time, so
// that in a bubble of testing/synctest it takes no time.
type memnet struct {
	delay time.Duration // one way
	loss  float64       // of writes

	mu        sync.Mutex
	rng       *rand.Rand
	listeners map[string]*memListener
}

func newMemnet(delay time.Duration, loss float64) *memnet {
	return &memnet{delay: delay, loss: loss, rng: rand.New(rand.NewPCG(1, 2)), listeners: make(map[string]*memListener)}
}

// address is of node i.
func (m *memnet) address(i int) string {
	return fmt.Sprintf("/ip4/10.1.%d.%d/tcp/4000", i/250, i%250+1)
}

// transport is node i's.
func (m *memnet) transport(i int) func(transport.Upgrader, libp2p.ResourceManager) (transport.Transport, error) {
	return func(up transport.Upgrader, rc libp2p.ResourceManager) (transport.Transport, error) {
		a, err := ma.NewMultiaddr(m.address(i))
		return &memTransport{m, up, rc, a}, err
	}
}

func (m *memnet) late() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rng.Float64() < m.loss {
		return 3*m.delay + 10*time.Millisecond
	}
	return m.delay
}

type memTransport struct {
	net *memnet
	up  transport.Upgrader
	rc  libp2p.ResourceManager
	at  ma.Multiaddr
}

func (t *memTransport) Dial(ctx context.Context, raddr ma.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	t.net.mu.Lock()
	l := t.net.listeners[raddr.String()]
	t.net.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("nobody is at %s", raddr)
	}
	scope, err := t.rc.OpenConnection(libp2p.DirOutbound, true, raddr)
	if err != nil {
		return nil, err
	}
	there, back := newMemPipe(t.net), newMemPipe(t.net)
	select {
	case l.incoming <- &memConn{in: there, out: back, local: raddr, remote: t.at}:
	case <-l.closed:
		scope.Done()
		return nil, net.ErrClosed
	case <-ctx.Done():
		scope.Done()
		return nil, ctx.Err()
	}
	return t.up.Upgrade(ctx, t, &memConn{in: back, out: there, local: t.at, remote: raddr}, libp2p.DirOutbound, p, scope)
}

func (t *memTransport) Listen(a ma.Multiaddr) (transport.Listener, error) {
	l := &memListener{net: t.net, at: a, incoming: make(chan manet.Conn, 64), closed: make(chan struct{})}
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	t.net.listeners[a.String()] = l
	return t.up.UpgradeGatedMaListener(t, t.up.GateMaListener(l)), nil
}

func (t *memTransport) CanDial(ma.Multiaddr) bool { return true }
func (t *memTransport) Protocols() []int          { return []int{ma.P_TCP} }
func (t *memTransport) Proxy() bool               { return false }

type memListener struct {
	net      *memnet
	at       ma.Multiaddr
	incoming chan manet.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *memListener) Accept() (manet.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.at.String()] == l {
			delete(l.net.listeners, l.at.String())
		}
		close(l.closed)
	})
	return nil
}

func (l *memListener) Multiaddr() ma.Multiaddr { return l.at }

func (l *memListener) Addr() net.Addr {
	a, _ := manet.ToNetAddr(l.at)
	return a
}

// A memPipe is one direction of a connection.
type memPipe struct {
	net    *memnet
	mu     sync.Mutex
	parts  []memPart
	rest   []byte
	last   time.Time
	ended  bool
	closed chan struct{}
	wake   chan struct{}
}

type memPart struct {
	at    time.Time
	bytes []byte
}

func newMemPipe(m *memnet) *memPipe {
	return &memPipe{net: m, closed: make(chan struct{}), wake: make(chan struct{}, 1)}
}

func (p *memPipe) write(b []byte) (int, error) {
	at := time.Now().Add(p.net.late())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return 0, io.ErrClosedPipe
	}
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	p.parts = append(p.parts, memPart{at, slices.Clone(b)})
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *memPipe) read(b []byte) (int, error) {
	for {
		n, due, ended := p.take(b)
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if ended {
			return 0, io.EOF
		}
		var timer <-chan time.Time
		if !due.IsZero() {
			timer = time.After(time.Until(due))
		}
		select {
		case <-timer:
		case <-p.wake:
		case <-p.closed:
		}
	}
}

// take reads what has arrived, or says when the next arrives.
func (p *memPipe) take(b []byte) (n int, due time.Time, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.rest) == 0 && len(p.parts) > 0 && !p.ended {
		if due = p.parts[0].at; due.After(time.Now()) {
			return 0, due, false
		}
		p.rest, p.parts = p.parts[0].bytes, p.parts[1:]
	}
	n = copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, time.Time{}, p.ended && n == 0
}

func (p *memPipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		close(p.closed)
	}
}

type memConn struct {
	in, out       *memPipe
	local, remote ma.Multiaddr
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *memConn) Close() error {
	c.in.close()
	c.out.close()
	return nil
}

func (c *memConn) LocalAddr() net.Addr {
	a, _ := manet.ToNetAddr(c.local)
	return a
}

func (c *memConn) RemoteAddr() net.Addr {
	a, _ := manet.ToNetAddr(c.remote)
	return a
}

func (c *memConn) LocalMultiaddr() ma.Multiaddr     { return c.local }
func (c *memConn) RemoteMultiaddr() ma.Multiaddr    { return c.remote }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
