package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"

	"github.com/vivace-chain/vivace/internal/sched"
)

// Paths of the door.
const (
	PathStandard = "/"
	PathRealtime = "/realtime"
	PathAdmin    = "/admin"
	PathHealth   = "/healthz"
	PathLive     = "/healthz/live"
	PathReady    = "/healthz/ready"
)

// A Server is the door of a node. Make it with New; it may be used concurrently.
type Server struct {
	cfg      *Config
	since    time.Time
	hosts    hosts
	origins  *origins
	services *services

	standard, realtime, admin *endpoint // admin may be nil

	// timer is what tells go-ethereum's server how long a request may execute: it
	// looks for an http.Server in the context.
	timer       *http.Server
	memory      memory
	buffers     memory // the part of it that subscribers keep
	turns       *turns
	larges      *larges
	counters    counters
	connections *connections
	draining    atomic.Bool
	lines       sync.Map // of *subscriber, by name
	named       atomic.Uint64
	lingers     time.Duration // lingerTime, but in tests
	// streaming has one for each stream or socket that is at work on notifications:
	// thousands that begin at once, with each mini-block, leave a core to requests.
	streaming chan struct{}

	mu   sync.Mutex
	open map[*socket]struct{} // nil once closed
}

// New makes the door of a node. Nothing is bound: see Serve and Handler.
func New(config Config) (*Server, error) {
	cfg, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, since: time.Now(), hosts: newHosts(cfg.Hosts),
		origins:   newOrigins(cfg.Origins),
		timer:     newTimer(cfg.Limits.Timeout),
		memory:    memory{limit: cfg.Limits.Memory / 2},
		buffers:   memory{limit: cfg.Limits.Memory / 8},
		turns:     newTurns(cfg.Limits.Bulk),
		larges:    newLarges(cfg.Limits.Memory / 2),
		streaming: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		open:      make(map[*socket]struct{}),
		lingers:   lingerTime,
	}
	cfg.Services.Realtime.Line = s.line
	s.connections = newConnections(cfg.Limits.Connections, func() { s.counters.refused.Add(1) })
	if s.services, err = newServices(cfg); err != nil {
		return nil, err
	}
	for _, path := range []struct {
		endpoint **endpoint
		realtime bool
	}{{&s.standard, false}, {&s.realtime, true}} {
		receivers, err := s.services.receivers(path.realtime)
		if err != nil {
			return nil, err
		}
		if *path.endpoint, err = s.endpoint(receivers); err != nil {
			return nil, err
		}
		if slices.Contains(cfg.Namespaces, "eth") {
			(*path.endpoint).sender = s.services.eth.Path(path.realtime)
		}
	}
	if cfg.Admin != nil {
		if s.admin, err = s.endpoint([]receiver{{"admin", &adminAPI{s}}}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// A receiver is an object whose methods are those of a namespace, or a part of them.
type receiver struct {
	namespace string
	object    any
}

func (s *Server) endpoint(receivers []receiver) (*endpoint, error) {
	server := rpc.NewServer()
	server.SetBatchLimits(s.cfg.Limits.BatchItems, s.cfg.Limits.BatchBytes)
	server.SetHTTPBodyLimit(max(s.cfg.Limits.Body, s.cfg.Limits.Message)) // what is read is smaller already
	for _, r := range receivers {
		if err := server.RegisterName(r.namespace, r.object); err != nil {
			return nil, fmt.Errorf("rpc: namespace %s: %w", r.namespace, err)
		}
	}
	return &endpoint{door: s, server: server}, nil
}

// Handler serves all paths. Who serves it himself bounds connections and header sizes
// himself too, and calls Close in the end.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.route) }

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	if !s.hosts.allow(r.Host) {
		s.refuse(w, http.StatusForbidden, "invalid host specified")
		return
	}
	switch {
	case r.URL.Path == PathStandard:
		s.serve(s.standard, w, r)
	case r.URL.Path == PathRealtime, r.URL.Path == PathRealtime+"/":
		s.serve(s.realtime, w, r)
	case r.URL.Path == PathAdmin && s.admin != nil:
		s.guard(s.admin).ServeHTTP(w, r)
	default:
		defer s.connections.serving(r.Context())()
		s.page(w, r)
	}
}

// page serves what is no JSON-RPC.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case PathLive:
		serveLive(w, r)
	case PathReady, PathHealth:
		s.serveReady(w, r)
	case PathAdmin:
		http.NotFound(w, r)
	default:
		s.cfg.Pages.ServeHTTP(w, r)
	}
}

// serve is a path that browsers may use.
func (s *Server) serve(e *endpoint, w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		if page := r.Header.Get("Origin"); page != "" && !s.origins.allow(page) && !ofThisDoor(page, r.Host) {
			s.refuse(w, http.StatusForbidden, "invalid origin specified")
			return
		}
		e.serveSocket(w, r)
		return
	}
	if s.origins.share(w, r) {
		return
	}
	if r.URL.Path == PathStandard && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		defer s.connections.serving(r.Context())()
		s.page(w, r)
		return
	}
	e.ServeHTTP(w, r)
}

// Serve serves listener until ctx ends. Then it takes no more connections, answers what is
// in flight and what still comes over connections that it has, for at most Limits.Drain,
// ends WebSockets with a close frame (1001, going away) and returns nil. It may be called
// once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	limits := &s.cfg.Limits
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: limits.ReadTimeout,
		ReadTimeout:       limits.ReadTimeout,
		WriteTimeout:      limits.Timeout + limits.WriteTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    limits.Header,
		ConnState:         s.connections.change,
		ConnContext:       s.connections.context,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		s.Close()
		_ = server.Close()
		return fmt.Errorf("rpc: %w", err)
	case <-ctx.Done():
	}
	err := listener.Close()
	<-failed // else Shutdown would close the listener again
	return errors.Join(err, s.stop(server))
}

// stop ends what a server has open that accepts nothing any more: nothing, before clients
// are told to open other connections, for what they send over those that nobody accepts is
// lost, too.
func (s *Server) stop(server *http.Server) error {
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Limits.Drain)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); s.endSockets(ctx) }()
	s.linger(ctx)
	err := server.Shutdown(ctx)
	<-ended
	s.endServers()
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Logger.Warn("requests were cut off", "after", s.cfg.Limits.Drain)
		err = server.Close()
	}
	return err
}

// lingerTime is how long a door that stops waits for clients to send one more request over
// the connections that they keep, so that it can tell them, with the answer, to send no
// other. http.Server.Shutdown closes connections that seem idle: what a client has sent by
// then, and the server has not read, is lost, and the client cannot know whether it was
// executed. Those who are silent for so long risk that still, as they do at IdleTimeout.
const lingerTime = time.Second

// linger waits until no connection is open, for as long as the door lingers at most.
func (s *Server) linger(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.lingers)
	defer cancel()
	for s.connections.len() > 0 && sched.Sleep(ctx, time.Millisecond) == nil {
	}
}

// Close ends WebSockets and everything that goes on in them. Serve calls it.
func (s *Server) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.draining.Store(true)
	s.endSockets(ctx)
	s.endServers()
}

// endSockets ends WebSockets: gently until ctx ends, then not.
func (s *Server) endSockets(ctx context.Context) {
	s.mu.Lock()
	sockets := s.open
	s.open = nil
	s.mu.Unlock()
	for socket := range sockets {
		socket.drain()
	}
	for socket := range sockets {
		select {
		case <-socket.ended:
		case <-ctx.Done():
			socket.cancel()
			_ = socket.conn.Close()
		}
	}
}

// endServers ends the servers below, which answer nothing any more, not even with an error:
// it comes last.
func (s *Server) endServers() {
	s.standard.server.Stop()
	s.realtime.server.Stop()
}

// enter notes an open socket, unless the door is closed.
func (s *Server) enter(socket *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		return false
	}
	s.open[socket] = struct{}{}
	return true
}

func (s *Server) leave(socket *socket) {
	close(socket.ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, socket)
}

// Stats returns what the door did, and holds now.
func (s *Server) Stats() Stats {
	return Stats{
		Connections:   s.connections.len(),
		WebSockets:    int(s.counters.webSockets.Load()),
		Subscriptions: s.services.realtime.Subscriptions(),
		Refused:       s.counters.refused.Load(),
		MemoryBytes:   s.memory.used.Load(),
		MemoryPeak:    s.memory.peak.Load(),
		Methods:       s.counters.snapshot(),
	}
}
