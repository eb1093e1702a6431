package rpc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/backend"
)

// DefaultAddress is where binaries listen unless they are told otherwise.
const DefaultAddress = "127.0.0.1:8545"

// DefaultNamespaces are served unless Config.Namespaces says otherwise.
func DefaultNamespaces() []string {
	return []string{"eth", "net", "web3", "txpool", "debug", "realtime"}
}

// DefaultOrigins are the web pages that may use the door unless Config.Origins says
// otherwise: those that a program on the user's own machine serves, at any port. A dapp
// in development is one of them.
func DefaultOrigins() []string { return []string{"localhost", "127.0.0.1", "[::1]"} }

// Config says what the door serves, to whom, and how much. Fields marked required
// have no default.
type Config struct {
	// Backend is the node. Required.
	Backend backend.Backend
	// Engine executes calls and traces; it is that of the node's chain. Required.
	Engine *execution.Sequential
	// Namespaces are the first parts of the method names that are served. Default:
	// DefaultNamespaces. There is one more, "testing".
	Namespaces []string
	// Extra are the objects behind namespaces that are not the door's own, by name, such
	// as rpc/work's "prover": their methods are served as go-ethereum's rpc.Server serves
	// them. Default: none.
	Extra map[string]any
	// Version is what web3_clientVersion answers. Default: "vivace".
	Version string
	// Hosts are the names, besides IP addresses, under which clients may address the
	// door; "*" is any. Default: localhost.
	Hosts []string
	// Origins are the web pages that may use the door, as scheme://host:port, of which
	// scheme and port may be left out; "*" is any. Pages of the door itself always may.
	// Default, if nil: DefaultOrigins.
	Origins []string
	// Pages serves other paths, and GET of /. Default: a line of text at / and nothing
	// elsewhere.
	Pages http.Handler
	// Ready says why the node should not get traffic; nothing says that it should.
	// Default: nothing.
	Ready func() []Reason
	// Admin turns the namespace admin on. Default: off.
	Admin *Admin
	// Limits bound what clients may take.
	Limits Limits
	// Services are limits of single methods.
	Services Services
	// Logger gets what an operator should know. Default: slog.Default.
	Logger *slog.Logger
}

// Limits bound what clients may take. A field that is zero has its default.
type Limits struct {
	// BatchItems is how many calls a batch may have. Default 1000.
	BatchItems int
	// BatchBytes is how large the results of a batch may be together. Default 25 MB.
	// The call that goes beyond is the last one executed, but for up to nine small ones
	// that follow it.
	BatchBytes int
	// Body is the largest HTTP request, in bytes. Default 5 MiB.
	Body int
	// Message is the largest WebSocket message, in bytes. Default 32 MiB.
	Message int
	// Header is the largest HTTP header, in bytes. Default 64 KiB.
	Header int
	// Memory is the most bytes of requests and answers in flight, with the copies that
	// are made of them, besides 64 KiB that each connection may take without asking.
	// Default 512 MiB. It should be some times the largest of Body, Message and
	// BatchBytes. An eighth of it at most is what subscriptions' connections keep for
	// long filters. Half of it is for answers of methods
	// that may have large ones (blocks, receipts, logs, traces, batches of such) while
	// they are made: as many at a time as there is room for, with 32 MiB each, and at
	// least one of each kind; others wait in line. A call that waits for something has no
	// place there.
	Memory int64
	// Connections is how many HTTP connections may be open. Default 4096. An idle one
	// costs about 20 KB.
	Connections int
	// WebSockets is how many WebSockets may be open. Default 1024.
	WebSockets int
	// InFlight is how many calls of one WebSocket execute at a time; further ones are
	// not read yet. A batch counts its calls, up to InFlight. Default 64.
	InFlight int
	// Bulk is how many bulk requests are executed at a time: those above 16 KiB, calls
	// that subscribe, and pieces of batches, which are up to ten small calls or one that is
	// not. One that takes longer than 100 ms, or waits for something, goes on, but no
	// longer keeps others waiting in line. Default: GOMAXPROCS less one, at least one, so
	// that small requests find a core free. While there are no small requests, there is
	// one more.
	Bulk int
	// ReadTimeout is how long a client may take to send a request, or a WebSocket message
	// that it began. Default 15 s.
	ReadTimeout time.Duration
	// Timeout is how long a request may execute; then it is answered with an error.
	// Single methods have less: see Services. Default 2 min.
	Timeout time.Duration
	// WriteTimeout is how long a client may take to take an answer. Default 15 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a client may say nothing between requests. A WebSocket
	// is asked for a sign of life instead. Default 2 min.
	IdleTimeout time.Duration
	// Drain is how long requests in flight may go on when Serve's context ends.
	// Default 10 s.
	Drain time.Duration
}

// setDefault gives a field that is zero its default.
func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.BatchItems, 1000)
	setDefault(&l.BatchBytes, 25_000_000)
	setDefault(&l.Body, 5<<20)
	setDefault(&l.Message, 32<<20)
	setDefault(&l.Header, 64<<10)
	setDefault(&l.Memory, 512<<20)
	setDefault(&l.Connections, 4096)
	setDefault(&l.WebSockets, 1024)
	setDefault(&l.InFlight, 64)
	setDefault(&l.Bulk, max(1, runtime.GOMAXPROCS(0)-1))
	setDefault(&l.ReadTimeout, 15*time.Second)
	setDefault(&l.Timeout, 2*time.Minute)
	setDefault(&l.IdleTimeout, 2*time.Minute)
	setDefault(&l.WriteTimeout, 15*time.Second)
	setDefault(&l.Drain, 10*time.Second)
	return l
}

func (l *Limits) validate() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"BatchItems", int64(l.BatchItems)}, {"BatchBytes", int64(l.BatchBytes)}, {"Body", int64(l.Body)},
		{"Message", int64(l.Message)}, {"Header", int64(l.Header)}, {"Memory", l.Memory},
		{"Connections", int64(l.Connections)}, {"WebSockets", int64(l.WebSockets)}, {"InFlight", int64(l.InFlight)},
		{"Bulk", int64(l.Bulk)},
		{"ReadTimeout", int64(l.ReadTimeout)}, {"Timeout", int64(l.Timeout)}, {"IdleTimeout", int64(l.IdleTimeout)},
		{"WriteTimeout", int64(l.WriteTimeout)}, {"Drain", int64(l.Drain)},
	} {
		if field.value < 0 {
			return fmt.Errorf("field %s of Limits is negative", field.name)
		}
	}
	if most := 4 * int64(max(l.Body, l.Message)); l.Memory < most {
		return fmt.Errorf("field Memory of Limits is %d, too little: half of it must have room for two copies of one message, so it takes %d", l.Memory, most)
	}
	return nil
}

func (c Config) withDefaults() (*Config, error) {
	if c.Namespaces == nil {
		c.Namespaces = DefaultNamespaces()
	}
	if c.Hosts == nil {
		c.Hosts = []string{"localhost"}
	}
	if c.Origins == nil {
		c.Origins = DefaultOrigins()
	}
	setDefault(&c.Version, "vivace")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Ready == nil {
		c.Ready = func() []Reason { return nil }
	}
	if c.Pages == nil {
		c.Pages = http.HandlerFunc(plainPage)
	}
	c.Limits = c.Limits.withDefaults()
	setDefault(&c.Services.Traces.ResultMax, int(min(64<<20, c.Limits.Memory/6)))
	return &c, c.validate()
}

func (c *Config) validate() error {
	switch {
	case c.Backend == nil:
		return errors.New("rpc: Config.Backend is required")
	case c.Engine == nil:
		return errors.New("rpc: Config.Engine is required")
	case slices.Contains(c.Namespaces, "admin"):
		return errors.New("rpc: namespace admin is turned on by Config.Admin, at its own path")
	}
	if _, taken := c.Extra["admin"]; taken {
		return errors.New("rpc: Config.Extra: namespace admin is the door's own")
	}
	if err := c.Limits.validate(); err != nil {
		return fmt.Errorf("rpc: %w", err)
	}
	if most := c.Limits.Memory / 6; int64(c.Services.Traces.ResultMax) > most {
		return fmt.Errorf("rpc: field ResultMax of Services.Traces is %d: Limits.Memory has no room for an answer above %d", c.Services.Traces.ResultMax, most)
	}
	if c.Admin != nil {
		return c.Admin.validate()
	}
	return nil
}
