package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/rpc"
)

// WatchOptions are the flags of a program that clients do not talk to.
type WatchOptions struct {
	Address string
	Port    int
	usual   int
}

// Flags declares them; port is the default one.
func (o *WatchOptions) Flags(f *flag.FlagSet, port int) {
	o.usual = port
	f.StringVar(&o.Address, "http.addr", "127.0.0.1", "`address` to serve health and metrics at")
	f.IntVar(&o.Port, "http.port", port, "`port` to serve health and metrics at; 0 is any free one, and so is the default if another program has it")
}

// Open opens the address. An error matches cli.ErrUsage if it makes no sense.
func (o *WatchOptions) Open() (net.Listener, error) {
	l, err := listen(o.Address, o.Port)
	if o.Port == o.usual && errors.Is(err, syscall.EADDRINUSE) {
		return listen(o.Address, 0) // there may be several of the program
	}
	return l, err
}

// listen opens the address of -http.addr and -http.port.
func listen(address string, port int) (net.Listener, error) {
	if err := checkPort(port); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	var wrong *net.AddrError
	var unresolved *net.DNSError
	if errors.As(err, &wrong) || errors.As(err, &unresolved) {
		return nil, fmt.Errorf("%w: -http.addr: %w", cli.ErrUsage, err)
	}
	return l, err
}

func checkPort(port int) error {
	if port < 0 || port > 65535 {
		return fmt.Errorf("%w: -http.port: %d is no port", cli.ErrUsage, port)
	}
	return nil
}

// A Watch is what a program that clients do not talk to serves: whether it is well, and
// what it counts, as a Service does.
type Watch struct {
	// Listener is where; Run closes it.
	Listener net.Listener
	Metrics  []prometheus.Collector
	Ready    func() []rpc.Reason
}

// Run serves until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.Metrics...)
	registry.MustRegister(process()...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET "+rpc.PathLive, func(answer http.ResponseWriter, r *http.Request) { rpc.AnswerHealth(answer, r, nil) })
	ready := func(answer http.ResponseWriter, r *http.Request) { rpc.AnswerHealth(answer, r, w.Ready()) }
	mux.HandleFunc("GET "+rpc.PathReady, ready)
	mux.HandleFunc("GET "+rpc.PathHealth, ready)
	return HTTP(ctx, w.Listener, mux)
}
