package rest_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// TestNobody: one whom nothing reaches is given up in seconds, so that others can be asked.
func TestNobody(t *testing.T) {
	t.Parallel()
	client, err := rest.New("http://"+blackHole(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = client.Do(t.Context(), rest.Request{Op: "get", Method: http.MethodGet, Timeout: time.Minute, Limit: 100})
	if took := time.Since(began); !errors.Is(err, da.ErrTransient) || took < 3*time.Second || took > 8*time.Second {
		t.Errorf("%s, %v", took, err)
	}
}

// blackHole is an address that answers no attempt to connect: it listens, and has no room
// for another connection that nobody accepts.
func blackHole(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}
