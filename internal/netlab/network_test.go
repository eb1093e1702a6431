package netlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pings returns round trip times of datagrams between two nodes, sorted.
func pings(t *testing.T, from, to *Node, count int) (times []time.Duration) {
	t.Helper()
	server := listenPacket(t, to, at(to, 7))
	go func() {
		b := make([]byte, 64)
		for {
			n, who, err := server.ReadFrom(b)
			if err != nil {
				return // closed
			}
			_, _ = server.WriteTo(b[:n], who)
		}
	}()
	c, err := from.Dial(short(t), "udp", at(to, 7))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	for range count {
		begin := time.Now()
		_, err := c.Write([]byte("ping"))
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 4))
		require.NoError(t, err)
		times = append(times, time.Since(begin))
	}
	require.NoError(t, server.Close())
	slices.Sort(times)
	return times
}

func listenPacket(t *testing.T, n *Node, address string) (c net.PacketConn) {
	t.Helper()
	require.NoError(t, n.inside(func() (err error) {
		c, err = net.ListenPacket("udp", address)
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDelay(t *testing.T) {
	l := newLab(t, Options{Nodes: 4, Conditions: Conditions{Delay: 20 * time.Millisecond}})
	require.NoError(t, l.Link(0, 3).Set(Conditions{Delay: 60 * time.Millisecond}))
	require.NoError(t, l.Link(1, 2).SetOneWay(Conditions{Delay: 60 * time.Millisecond}))
	require.NoError(t, l.Link(0, 2).Set(Conditions{Delay: 5 * time.Millisecond, Jitter: 30 * time.Millisecond}))

	// The fastest is what the link makes of it; all else is the machine's.
	for name, c := range map[string]struct {
		to    *Node
		from  *Node
		least time.Duration
	}{
		"as all":    {l.Node(1), l.Node(0), 40 * time.Millisecond},
		"one way":   {l.Node(2), l.Node(1), 80 * time.Millisecond},
		"both ways": {l.Node(3), l.Node(0), 120 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			times := pings(t, c.from, c.to, 11)
			t.Log(times)
			require.GreaterOrEqual(t, times[0], c.least-2*slack)
			require.Less(t, times[0], c.least+15*time.Millisecond)
		})
	}
	t.Run("jitter", func(t *testing.T) {
		times := pings(t, l.Node(0), l.Node(2), 21)
		t.Log(times)
		require.GreaterOrEqual(t, times[0], 10*time.Millisecond-2*slack)
		require.Less(t, times[0], 60*time.Millisecond)
		require.Greater(t, times[20]-times[0], 10*time.Millisecond)
	})
}

func TestJitterIsEvenlySpread(t *testing.T) {
	const delay, jitter, count = 10 * time.Millisecond, 8 * time.Millisecond, 10_000
	p := newPath(Conditions{Delay: delay, Jitter: jitter}, 3, 0, 1)
	now, quarters := time.Now(), [4]int{}
	for range count {
		now = now.Add(time.Second) // none holds up another
		due, f := p.schedule(now, 100)
		require.Equal(t, arrives, f)
		late := due.Sub(now) - delay
		require.GreaterOrEqual(t, late, time.Duration(0))
		require.LessOrEqual(t, late, jitter)
		quarters[min(3, late/(jitter/4))]++
	}
	for _, n := range quarters {
		require.InDelta(t, count/4, n, 5*math.Sqrt(count*3/16))
	}
}

// numbers sends datagrams with numbers and returns those that arrived, in order of
// arrival.
func numbers(t *testing.T, l *Lab, count int) (got []int) {
	t.Helper()
	server := listenPacket(t, l.Node(1), at(l.Node(1), 7))
	c, err := l.Node(0).Dial(short(t), "udp", at(l.Node(1), 7))
	require.NoError(t, err)
	defer c.Close()
	before := l.Node(0).port.traffic.traffic()
	b := make([]byte, 4)
	for i := range count {
		binary.BigEndian.PutUint32(b, uint32(i))
		_, err := c.Write(b)
		require.NoError(t, err)
		if i%100 < 99 && i < count-1 {
			continue
		}
		var arrived int
		require.Eventually(t, func() bool { // no buffer may be full
			now := l.Node(0).port.traffic.traffic()
			arrived = i + 1 - int(now.Lost-before.Lost)
			return now.PacketsOut-before.PacketsOut == uint64(i+1)
		}, patience, time.Millisecond)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(patience)))
		for len(got) < arrived {
			_, _, err := server.ReadFrom(b)
			require.NoError(t, err, "%d of %d", len(got), arrived)
			got = append(got, int(binary.BigEndian.Uint32(b)))
		}
	}
	require.NoError(t, server.Close())
	return got
}

func TestLoss(t *testing.T) {
	const count, loss = 5000, 0.1
	run := func(seed uint64) []int {
		l := newLab(t, Options{Nodes: 2, Seed: seed, Conditions: Conditions{Loss: loss, Jitter: time.Millisecond}})
		got := numbers(t, l, count)
		require.Eventually(t, func() bool { // a packet is counted after it has been handed over
			return traffic(t, l.Node(1)).PacketsIn == uint64(len(got))
		}, patience, time.Millisecond)
		out, in := traffic(t, l.Node(0)), traffic(t, l.Node(1))
		require.Equal(t, uint64(count), out.PacketsOut)
		require.Equal(t, uint64(count*(20+8+4)), out.BytesOut)
		require.Equal(t, uint64(count-len(got)), out.Lost)
		require.Equal(t, uint64(len(got)*(20+8+4)), in.BytesIn)
		require.Zero(t, out.Cut+out.Overflow+out.Stray)
		return got
	}
	first := run(1)
	sigma := math.Sqrt(count * loss * (1 - loss))
	require.InDelta(t, count*(1-loss), len(first), 5*sigma)
	require.True(t, slices.IsSorted(first), "packets of one way keep their order, whatever the jitter")
	require.Equal(t, first, run(1), "the seed decides")
	require.NotEqual(t, first, run(2))
}

func traffic(t testing.TB, n *Node) Traffic {
	t.Helper()
	tr, err := n.Traffic()
	require.NoError(t, err)
	return tr
}

func TestRate(t *testing.T) {
	const rate, size = 8 * Mbit, 1 << 20
	l := newLab(t, Options{Nodes: 2})
	require.NoError(t, l.Link(0, 1).SetOneWay(Conditions{Delay: 5 * time.Millisecond, Rate: rate}))
	server := listen(t, l.Node(1), 7)
	c := dial(t, l.Node(0), at(l.Node(1), 7))
	from, err := server.Accept()
	require.NoError(t, err)
	defer from.Close()

	begin := time.Now()
	go func() { _, _ = c.Write(make([]byte, size)) }()
	_, err = io.ReadFull(from, make([]byte, size))
	took := time.Since(begin)
	require.NoError(t, err)
	least := time.Duration(size * 8 * int64(time.Second) / rate)
	t.Logf("%v, at the rate %v; %+v", took, least, traffic(t, l.Node(0)))
	require.Greater(t, took, least)
	require.Less(t, took, 3*least)

	// What comes the other way has no limit.
	begin = time.Now()
	go func() { _, _ = from.Write(make([]byte, size)) }()
	_, err = io.ReadFull(c, make([]byte, size))
	require.NoError(t, err)
	require.Less(t, time.Since(begin), least)
}

func listen(t testing.TB, n *Node, port int) net.Listener {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", at(n, port))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// A queue before a slow link is bounded in time.
func TestOverflow(t *testing.T) {
	p := newPath(Conditions{Rate: Mbit, Delay: time.Second}, 0, 0, 1)
	now, got := time.Now(), 0
	var last time.Time
	for range 1000 {
		if due, f := p.schedule(now, 1250); f == arrives { // 10 ms each
			got, last = got+1, due
		} else {
			require.Equal(t, overflow, f)
		}
	}
	require.Equal(t, int(QueueMax/(10*time.Millisecond))+1, got)
	require.Equal(t, now.Add(QueueMax+10*time.Millisecond+time.Second), last)
	due, f := p.schedule(now.Add(time.Hour), 1250)
	require.Equal(t, arrives, f, "it drains")
	require.Equal(t, now.Add(time.Hour+10*time.Millisecond+time.Second), due)
}

func TestPartition(t *testing.T) {
	l := newLab(t, Options{Nodes: 3, Conditions: Conditions{Delay: time.Millisecond}})
	server := listen(t, l.Node(2), 7)
	c := dial(t, l.Node(0), at(l.Node(2), 7))
	from, err := server.Accept()
	require.NoError(t, err)
	defer from.Close()
	exchange := func(line string) {
		_, err := fmt.Fprint(c, line)
		require.NoError(t, err)
		got := make([]byte, len(line))
		_, err = io.ReadFull(from, got)
		require.NoError(t, err)
		require.Equal(t, line, string(got))
	}
	exchange("before")

	require.NoError(t, l.Partition([]int{0, 1}))
	pings(t, l.Node(0), l.Node(1), 1) // within a side nothing changes
	_, err = fmt.Fprint(c, "during")
	require.NoError(t, err)
	require.NoError(t, from.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	_, err = from.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout")
	require.NotZero(t, traffic(t, l.Node(0)).Cut)

	l.Heal()
	require.NoError(t, from.SetDeadline(time.Now().Add(patience)))
	got := make([]byte, len("during"))
	_, err = io.ReadFull(from, got) // sent again by TCP
	require.NoError(t, err)
	require.Equal(t, "during", string(got))
	exchange("after")
}

// What is on its way when a link is cut never arrives, not even after it is healed.
func TestPartitionTakesWhatIsOnItsWay(t *testing.T) {
	l := newLab(t, Options{Nodes: 2, Conditions: Conditions{Delay: 200 * time.Millisecond}})
	c, err := l.Node(0).Dial(t.Context(), "udp", at(l.Node(1), 7))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("lost"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return traffic(t, l.Node(0)).PacketsOut == 1 }, patience, time.Millisecond)
	require.NoError(t, l.Partition([]int{0}, []int{1}))
	require.Eventually(t, func() bool { return traffic(t, l.Node(0)).Cut == 1 }, patience, time.Millisecond)
	require.Zero(t, traffic(t, l.Node(1)).PacketsIn)
}

func TestStray(t *testing.T) {
	l := newLab(t, Options{Nodes: 2})
	c, err := l.Node(0).Dial(t.Context(), "udp", "10.77.0.3:1")
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("hello?"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return traffic(t, l.Node(0)).Stray == 1 }, patience, time.Millisecond)
	require.Zero(t, traffic(t, l.Node(1)).PacketsIn)
}

// header is an IPv4 header, as far as a switch looks.
func header(version byte, to netip.Addr) []byte {
	b := make([]byte, ipHeader)
	b[0] = version<<4 | ipHeader/4
	copy(b[ipDestination:], to.AsSlice())
	return b
}

// newPort is that of the first of three nodes, without a device.
func newPort() *port {
	return &port{lab: new(Lab), paths: []*path{nil, newPath(Conditions{}, 0, 0, 1), newPath(Conditions{Loss: 1}, 0, 0, 2)}}
}

func TestPlace(t *testing.T) {
	p := newPort()
	p.lab.sides.Store(&[]int{0, 0, 0, 1})
	p.paths = append(p.paths, newPath(Conditions{}, 0, 0, 3))
	for name, c := range map[string]struct {
		data    []byte
		waiting int
		want    *atomic.Uint64
	}{
		"goes":          {header(4, address(1)), waitingMax - 1, nil},
		"too many":      {header(4, address(1)), waitingMax, &p.traffic.overflow},
		"lost":          {header(4, address(2)), 0, &p.traffic.lost},
		"to itself":     {header(4, address(0)), 0, &p.traffic.stray},
		"cut":           {header(4, address(3)), 0, &p.traffic.cut},
		"to nobody":     {header(4, address(4)), 0, &p.traffic.stray},
		"version":       {header(6, address(1)), 0, &p.traffic.stray},
		"short":         {header(4, address(1))[:ipHeader-1], 0, &p.traffic.stray},
		"empty":         {nil, 0, &p.traffic.stray},
		"other network": {header(4, netip.MustParseAddr("10.78.0.2")), 0, &p.traffic.stray},
	} {
		t.Run(name, func(t *testing.T) {
			k := new(packet)
			copy(k.data[:], header(4, address(1))) // of the packet before
			k.size = copy(k.data[:], c.data)
			p.waiting = make(packets, c.waiting)
			require.Same(t, c.want, p.place(k))
			if c.want == nil {
				require.Equal(t, 1, k.to)
			}
		})
	}
}

func FuzzPlace(f *testing.F) {
	f.Add(header(4, address(1)))
	f.Add(header(4, netip.IPv4Unspecified()))
	f.Add([]byte{0x45})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, k := newPort(), new(packet)
		k.size = copy(k.data[:], data)
		if p.place(k) == nil {
			require.Equal(t, 1, k.to, "the only one that can be reached")
		}
	})
}

func TestAddresses(t *testing.T) {
	for _, i := range []int{0, 1, 254, 255, NodesMax - 1} {
		require.Equal(t, i, indexOf(address(i).As4()))
	}
	require.Equal(t, netip.MustParseAddr("10.77.1.0"), address(255))
	require.Equal(t, -1, indexOf([4]byte{10, 77, 0, 0}))
	require.Equal(t, -1, indexOf([4]byte{10, 78, 0, 1}))
}

func TestRefusals(t *testing.T) {
	for name, o := range map[string]Options{
		"no nodes": {}, "many nodes": {Nodes: NodesMax + 1}, "fabric": {Nodes: 1, Fabric: 7},
		"loss": {Nodes: 1, Conditions: Conditions{Loss: 1.1}}, "no number": {Nodes: 1, Conditions: Conditions{Loss: math.NaN()}},
		"delay":  {Nodes: 1, Conditions: Conditions{Delay: -1}},
		"bridge": {Nodes: 1, Fabric: Bridge, Conditions: Conditions{Delay: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(o)
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrUnsupported)
		})
	}
	l := newLab(t, Options{Nodes: 2})
	require.Error(t, l.Partition([]int{2}))
	require.Error(t, l.Partition([]int{0}, []int{0}))
	require.Error(t, l.Link(1, 1).Set(Conditions{}))
	require.Error(t, l.Link(0, 1).Set(Conditions{Rate: -1}))
	_, err := l.Node(0).Dial(t.Context(), "tcp", "localhost:1")
	require.ErrorContains(t, err, "literal")
	_, err = l.Node(0).Listen(t.Context(), "tcp", ":1")
	require.ErrorContains(t, err, "literal")
}
