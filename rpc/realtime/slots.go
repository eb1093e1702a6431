package realtime

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// slots bounds how many subscriptions there are, and what memory their filters take.
// It may be used concurrently.
type slots struct {
	most, perConn usage

	mu    sync.Mutex
	all   usage
	conns map[any]usage
}

// A usage is what subscriptions take.
type usage struct {
	count int
	bytes int // of their filters, about
}

// take takes a slot for a connection's subscription, whose filter has so many bytes;
// the caller gives it back, once, with the function that take returns.
func (s *slots) take(conn any, bytes int) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.conns[conn]
	switch {
	case s.all.count >= s.most.count:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "too many subscriptions: the node has %d", s.most.count)
	case own.count >= s.perConn.count:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "too many subscriptions: the connection has %d", s.perConn.count)
	case bytes > s.most.bytes-s.all.bytes:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "filters of subscriptions too large: %d bytes of the node's %d are left", s.most.bytes-s.all.bytes, s.most.bytes)
	case bytes > s.perConn.bytes-own.bytes:
		return nil, wire.Errorf(wire.CodeLimitExceeded, "filters of subscriptions too large: %d bytes of the connection's %d are left", s.perConn.bytes-own.bytes, s.perConn.bytes)
	}
	if s.conns == nil {
		s.conns = make(map[any]usage)
	}
	s.change(conn, 1, bytes)
	return func() { s.release(conn, bytes) }, nil
}

func (s *slots) release(conn any, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(conn, -1, -bytes)
}

// change adds to what a connection takes. The caller has the lock.
func (s *slots) change(conn any, count, bytes int) {
	s.all = usage{s.all.count + count, s.all.bytes + bytes}
	own := s.conns[conn]
	own = usage{own.count + count, own.bytes + bytes}
	if own.count == 0 {
		delete(s.conns, conn)
		return
	}
	s.conns[conn] = own
}

func (s *slots) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.count
}

// filterBytes is how much memory a subscription keeps for its filter.
func filterBytes(f *wire.LogFilter) int {
	const list = 24 // a slice's header
	n := cap(f.Addresses)*common.AddressLength + cap(f.Topics)*list
	for _, topics := range f.Topics {
		n += cap(topics) * common.HashLength
	}
	return n
}
