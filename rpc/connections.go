package rpc

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many HTTP connections are open. When there is no room for
// another, the one goes that has been waiting for its client longest: for a request,
// or for the rest of one. Only if all are being served, the new one goes. Those of
// WebSockets are counted elsewhere.
type connections struct {
	limit   int
	refused func()

	mu   sync.Mutex
	open map[net.Conn]*list.Element // nil while it is served
	idle list.List                  // of net.Conn that wait for their client, longest first
}

func newConnections(limit int, refused func()) *connections {
	return &connections{limit: limit, refused: refused, open: make(map[net.Conn]*list.Element)}
}

// connectionKey is the context's key of a request's connection.
type connectionKey struct{}

// context is for http.Server.ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// change is for http.Server.ConnState.
func (c *connections) change(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		c.remove(conn)
		return
	}
	if _, known := c.open[conn]; !known && state != http.StateNew {
		return // it was closed to make room
	}
	c.wait(conn)
	if len(c.open) <= c.limit {
		return
	}
	longest := c.idle.Front().Value.(net.Conn) // conn, at least
	c.remove(longest)
	c.refused()
	_ = longest.Close()
}

// serving keeps the connection of a request open, until done is called.
func (c *connections) serving(ctx context.Context) (done func()) {
	conn, ok := ctx.Value(connectionKey{}).(net.Conn)
	if !ok {
		return func() {} // it is not ours
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.open[conn]; e != nil {
		c.idle.Remove(e)
		c.open[conn] = nil
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, known := c.open[conn]; known {
			c.wait(conn)
		}
	}
}

// wait puts a connection behind all others that wait.
func (c *connections) wait(conn net.Conn) {
	if e := c.open[conn]; e != nil {
		c.idle.MoveToBack(e)
		return
	}
	c.open[conn] = c.idle.PushBack(conn)
}

func (c *connections) remove(conn net.Conn) {
	if e := c.open[conn]; e != nil {
		c.idle.Remove(e)
	}
	delete(c.open, conn)
}

func (c *connections) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
