package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A Service is a role as others see it. Fields that are nil are left out.
type Service struct {
	// Door is where; Run closes it.
	Door *Door
	// Name says what serves, on the page of those that have no other.
	Name    string
	Backend backend.Backend
	Engine  *execution.Sequential
	// Metrics are the role's own; the door's and the process's are added.
	Metrics []prometheus.Collector
	Ready   func() []rpc.Reason
	// Page is served at / and below, where nothing else is. Default: a list of what the
	// door serves.
	Page http.Handler
	// Extra are namespaces that are not the door's own.
	Extra map[string]any
	// Invitation is served at /network: what others need to know to follow the chain.
	Invitation http.Handler
	// Chain is served at /genesis.json, as go-ethereum has it.
	Chain *genesis.Spec
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

// Run serves until ctx ends, then lets requests in flight finish.
func (s *Service) Run(ctx context.Context) error {
	defer s.Door.Close()
	door, err := s.open()
	if err != nil {
		return err
	}
	s.Log.Info("serves JSON-RPC", "address", s.Door.Addr().String())
	defer s.Log.Info("serves no more")
	return door.Serve(ctx, s.Door.listener)
}

func (s *Service) open() (*rpc.Server, error) {
	o := &s.Door.options
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", s.metrics())
	if o.Profile {
		profiles(pages)
	}
	if s.Invitation != nil {
		pages.Handle("GET /network", s.Invitation)
	}
	if s.Chain != nil {
		pages.HandleFunc("GET "+GenesisPath, s.serveGenesis)
	}
	if s.Page == nil {
		s.Page = s.index()
	}
	pages.Handle("GET /", s.Page)
	cfg := rpc.Config{
		Backend: s.Backend, Engine: s.Engine, Namespaces: cli.List(o.API), Extra: s.Extra,
		Hosts: cli.List(o.Hosts), Origins: cli.List(o.Origins),
		Pages: pages, Ready: s.Ready, Logger: s.Log, Version: "vivace/" + Version(),
	}
	if o.Admin {
		cfg.Admin = &rpc.Admin{Secret: s.Door.secret, LogLevel: s.LogLevel, Drain: s.Drain}
	}
	door, err := rpc.New(cfg)
	if err != nil {
		return nil, err
	}
	s.opened.Store(door)
	return door, nil
}

// GenesisPath is where a door has the genesis.json of its chain.
const GenesisPath = "/genesis.json"

func (s *Service) serveGenesis(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := s.Chain.Write(w); err != nil { // its reader has gone
		s.Log.Debug("genesis.json is not written to its end", "err", err)
	}
}

// index is a page of text that says what there is.
func (s *Service) index() http.Handler {
	o := &s.Door.options
	rows := [][2]string{
		{"/", "JSON-RPC by POST, or a WebSocket: " + strings.Join(cli.List(o.API), ", ")},
		{"/realtime", "the same, answered from the newest mini-block"},
	}
	if o.Admin {
		rows = append(rows, [2]string{"/admin", "JSON-RPC of namespace admin, for holders of a token"})
	}
	if s.Chain != nil {
		rows = append(rows, [2]string{GenesisPath, "the chain's beginning, for whoever follows it, or go-ethereum"})
	}
	rows = append(rows, [2]string{"/healthz/live", "whether the process serves"},
		[2]string{"/healthz/ready", "whether it should get traffic, and why not"},
		[2]string{"/metrics", "for Prometheus"})
	if o.Profile {
		rows = append(rows, [2]string{"/debug/pprof/", "profiles"})
	}
	text := fmt.Sprintf("%s, Vivace %s\n\n", s.Name, Version())
	for _, row := range rows {
		text += fmt.Sprintf("%-15s  %s\n", row[0], row[1])
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text)
	})
	return mux
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
