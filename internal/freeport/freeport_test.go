package freeport_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/freeport"
)

// A port can be listened at, and is none that an outgoing connection may get.
func TestFind(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Skip("the kernel does not say which ports it gives to connections: ", err)
	}
	low, err := strconv.Atoi(strings.Fields(string(text))[0])
	require.NoError(t, err)
	for range 1000 {
		port, err := freeport.Find()
		require.NoError(t, err)
		number, err := strconv.Atoi(port)
		require.NoError(t, err)
		require.Less(t, number, low)
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}
