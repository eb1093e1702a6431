package rpc

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many HTTP connections are open. When there is no room for
// another, the one that has been idle for longest goes, and if none is, the new one.
// Those of WebSockets are counted elsewhere.
type connections struct {
	limit   int
	refused func()

	mu   sync.Mutex
	open map[net.Conn]*list.Element // nil while it is busy
	idle list.List                  // of net.Conn, longest idle first
}

func newConnections(limit int, refused func()) *connections {
	return &connections{limit: limit, refused: refused, open: make(map[net.Conn]*list.Element)}
}

// change is for http.Server.ConnState.
func (c *connections) change(conn net.Conn, state http.ConnState) {
	if out := c.move(conn, state); out != nil {
		c.refused()
		out.Close()
	}
}

// move notes the state and returns what must be closed, if anything.
func (c *connections) move(conn net.Conn, state http.ConnState) (out net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.open[conn]; e != nil {
		c.idle.Remove(e)
	}
	switch state {
	case http.StateActive:
		c.open[conn] = nil
	case http.StateNew, http.StateIdle: // a new one has not said anything either
		c.open[conn] = c.idle.PushBack(conn)
	default:
		delete(c.open, conn)
	}
	if len(c.open) <= c.limit {
		return nil
	}
	out = c.idle.Remove(c.idle.Front()).(net.Conn) // at least conn itself, which is new
	delete(c.open, out)
	return out
}

func (c *connections) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
