package serve

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/backend"
)

// Options are the flags of what a program serves.
type Options struct {
	Address string
	Port    int
	Hosts   string
	Origins string
	API     string
	Admin   bool
	Secret  string
	Profile bool
}

// Flags declares them; port is the default one.
func (o *Options) Flags(f *flag.FlagSet, port int) {
	f.StringVar(&o.Address, "http.addr", "127.0.0.1", "`address` to serve HTTP and WebSocket at")
	f.IntVar(&o.Port, "http.port", port, "`port` to serve HTTP and WebSocket at; 0 is any free one")
	f.StringVar(&o.Hosts, "http.vhosts", "localhost", "comma-separated host `names` that clients may use; * is any")
	f.StringVar(&o.Origins, "http.corsdomain", "", "comma-separated `origins` of web pages that may use the door; * is any")
	f.StringVar(&o.API, "http.api", strings.Join(rpc.DefaultNamespaces(), ","), "comma-separated `namespaces` to serve")
	f.BoolVar(&o.Admin, "admin.enable", false, "serve namespace admin at /admin, to holders of a token")
	f.StringVar(&o.Secret, "admin.jwtsecret", "", "`file` with the secret of these tokens, made if it is missing (default jwt.hex in the data directory)")
	f.BoolVar(&o.Profile, "pprof", false, "serve profiles at /debug/pprof/")
}

// A Service is a role as others see it. Fields that are nil are left out.
type Service struct {
	Options *Options
	// Dir is the role's data directory.
	Dir     string
	Backend backend.Backend
	Engine  *execution.Sequential
	// Metrics are the role's own; the door's and the process's are added.
	Metrics []prometheus.Collector
	Ready   func() []rpc.Reason
	// Page is served at / and below, where nothing else is.
	Page http.Handler
	// Drain ends the program, as a signal would.
	Drain    func()
	Log      *slog.Logger
	LogLevel *slog.LevelVar

	opened atomic.Pointer[rpc.Server]
}

// Stats is what the door did; nothing before Run opened it.
func (s *Service) Stats() rpc.Stats {
	if door := s.opened.Load(); door != nil {
		return door.Stats()
	}
	return rpc.Stats{}
}

// Listen opens the address.
func (o *Options) Listen() (net.Listener, error) {
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("-http.port %d is no port", o.Port)
	}
	return net.Listen("tcp", net.JoinHostPort(o.Address, strconv.Itoa(o.Port)))
}

// Run serves on l until ctx ends, then lets requests in flight finish. It closes l.
func (s *Service) Run(ctx context.Context, l net.Listener) error {
	door, err := s.door()
	if err != nil {
		l.Close()
		return err
	}
	return door.Serve(ctx, l)
}

func (s *Service) door() (*rpc.Server, error) {
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", s.metrics())
	if s.Options.Profile {
		profiles(pages)
	}
	if s.Page != nil {
		pages.Handle("GET /", s.Page)
	}
	cfg := rpc.Config{
		Backend: s.Backend, Engine: s.Engine, Namespaces: list(s.Options.API),
		Hosts: list(s.Options.Hosts), Origins: list(s.Options.Origins),
		Pages: pages, Ready: s.Ready, Logger: s.Log, Version: "vivace/" + Version(),
	}
	var err error
	if cfg.Admin, err = s.admin(); err != nil {
		return nil, err
	}
	door, err := rpc.New(cfg)
	if err != nil {
		return nil, err
	}
	s.opened.Store(door)
	return door, nil
}

func (s *Service) admin() (*rpc.Admin, error) {
	if !s.Options.Admin {
		return nil, nil
	}
	file := s.Options.Secret
	if file == "" {
		file = filepath.Join(s.Dir, "jwt.hex")
	}
	secret, err := rpc.LoadSecret(file)
	if err != nil {
		return nil, err
	}
	return &rpc.Admin{Secret: secret, LogLevel: s.LogLevel, Drain: s.Drain}, nil
}

// metrics serves what is counted.
func (s *Service) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Metrics...)
	registry.MustRegister(process()...)
	registry.MustRegister(&doorMetrics{s.Stats})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// list splits at commas. It is not nil: an empty list is none, and not the default.
func list(s string) []string {
	out := []string{}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
