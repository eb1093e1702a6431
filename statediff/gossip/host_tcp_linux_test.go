package gossip

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Both ends of a connection are given up when the other one cannot be reached any more.
func TestAckPatience(t *testing.T) {
	x := newWorld(t)
	home := x.run(x.config())
	guest := x.run(x.config(home.Node))
	require.NoError(t, guest.Await(t.Context()))
	at, err := manet.ToNetAddr(home.host.Addrs()[0])
	require.NoError(t, err)
	dialled, taken := socketsAt(t, at.(*net.TCPAddr).Port)
	require.Equal(t, []time.Duration{ackPatience}, dialled)
	require.Equal(t, []time.Duration{ackPatience}, taken)
}

// socketsAt is how long the connections of this process to a port of it wait, at the end
// that dialled, and at the one that was.
func socketsAt(t *testing.T, port int) (dialled, taken []time.Duration) {
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		require.NoError(t, err)
		there, err := unix.Getpeername(fd)
		if err != nil {
			continue // not a connection
		}
		here, err := unix.Getsockname(fd)
		require.NoError(t, err)
		waits, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if a, ok := there.(*unix.SockaddrInet4); ok && a.Port == port {
			dialled = append(dialled, time.Duration(waits)*time.Millisecond)
		}
		if a, ok := here.(*unix.SockaddrInet4); ok && a.Port == port {
			taken = append(taken, time.Duration(waits)*time.Millisecond)
		}
	}
	return dialled, taken
}
