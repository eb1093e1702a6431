package realtime

import (
	"sync"

	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// slots bounds how many subscriptions there are. It may be used concurrently.
type slots struct {
	most, perConn int

	mu    sync.Mutex
	all   int
	conns map[any]int
}

// take takes a slot for a connection; the caller gives it back, once, with the
// function that take returns.
func (s *slots) take(conn any) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.all >= s.most:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "too many subscriptions: the node has %d", s.most)
	case s.conns[conn] >= s.perConn:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "too many subscriptions: the connection has %d", s.perConn)
	}
	if s.conns == nil {
		s.conns = make(map[any]int)
	}
	s.all++
	s.conns[conn]++
	return func() { s.release(conn) }, nil
}

func (s *slots) release(conn any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.conns[conn]--; s.conns[conn] == 0 {
		delete(s.conns, conn)
	}
}

func (s *slots) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}
