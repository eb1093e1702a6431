// Package freeport finds TCP ports for servers of tests that are told their port, and
// may be started at it again.
//
// A listener at port 0 gets one that the kernel also gives to outgoing connections: as
// soon as the listener is closed any process may have it. These ports are below that
// range (Linux net.ipv4.ip_local_port_range, 32768 on; RFC 6335, section 6, 49152 on), so
// nobody gets one without asking for it by number.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const first, end = 20_000, 32_768

// Find returns a port of 127.0.0.1 that nobody listens at. It may be called from many
// goroutines.
func Find() (port string, err error) {
	const tries = 100
	for range tries {
		port = strconv.Itoa(first + rand.IntN(end-first))
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return port, l.Close()
		}
	}
	return "", fmt.Errorf("no free port after %d tries: %w", tries, err)
}
