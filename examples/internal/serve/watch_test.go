package serve

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer"
)

// A prover says at its address what it does, and that it cannot.
func TestWatch(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	bus := sequencer.NewBus(1 << 10)
	p, err := prover.New(prover.Config{ChainConfig: params.MergedTestChainConfig, Key: key, DA: inprocess.New(), Source: prover.FromTopic(bus, bus, 0)})
	require.NoError(t, err)
	var door, layer Pulse
	reasons := []rpc.Reason(nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &Watch{Listener: listener, Metrics: []prometheus.Collector{OfProver(p, &door, &layer)}, Ready: func() []rpc.Reason { return reasons }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + listener.Addr().String() + path)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	layer.Note(errors.New("down"))
	code, body := get("/metrics")
	require.Equal(t, http.StatusOK, code)
	for _, line := range []string{"\nvivace_prover_attested_total 0\n", "\nvivace_prover_door_errors_total 0\n", "\nvivace_prover_da_errors_total 1\n", "\nvivace_build_info{"} {
		require.Contains(t, body, line)
	}
	for _, path := range []string{"/healthz", "/healthz/ready", "/healthz/live"} {
		code, body = get(path)
		require.Equal(t, http.StatusOK, code, path)
		require.Equal(t, "ok\n", body, path)
	}
	reasons = []rpc.Reason{{Check: "da", Detail: "is down"}}
	code, body = get("/healthz/ready")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "unavailable\nda: is down\n", body)
	code, _ = get("/healthz/live")
	require.Equal(t, http.StatusOK, code)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-ended)
}

// The default port is given up to whoever has it; one that was asked for is not.
func TestWatchPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	options := func(usual int, args ...string) *WatchOptions {
		var o WatchOptions
		f := flag.NewFlagSet("", flag.ContinueOnError)
		o.Flags(f, usual)
		require.NoError(t, f.Parse(args))
		return &o
	}
	l, err := options(port).Open()
	require.NoError(t, err)
	require.NotEqual(t, port, l.Addr().(*net.TCPAddr).Port)
	require.NoError(t, l.Close())
	o := options(1)
	o.Port = port
	_, err = o.Open()
	require.ErrorContains(t, err, "in use")
	for _, bad := range []string{"-http.port=-1", "-http.port=65536", "-http.addr=127.0.0.1:1"} {
		_, err = options(0, bad).Open()
		require.ErrorIs(t, err, cli.ErrUsage, bad)
	}
}

// What a server answers is noted, and that nobody answers; not what nobody waits for.
func TestPulseOfTransport(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	var p Pulse
	client := http.Client{Transport: p.Transport(&http.Transport{})}
	ask := func(ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		if response, err := client.Do(r); err == nil {
			require.NoError(t, response.Body.Close())
		}
	}
	silent := func() time.Duration {
		d, _ := p.silent(time.Now().Add(time.Minute))
		return d
	}
	ask(t.Context())
	require.Zero(t, p.Errors())
	status = http.StatusServiceUnavailable
	ask(t.Context())
	ask(t.Context())
	require.EqualValues(t, 2, p.Errors())
	require.GreaterOrEqual(t, silent(), time.Minute)
	status = http.StatusNotFound
	ask(t.Context())
	require.Zero(t, silent())
	client.CloseIdleConnections()
	server.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	ask(canceled)
	require.EqualValues(t, 2, p.Errors())
	ask(t.Context())
	require.EqualValues(t, 3, p.Errors())
	require.GreaterOrEqual(t, silent(), time.Minute)
}

// answering is a layer that answers every question with an error.
type answering struct {
	chain.DAClient
	err error
}

func (a *answering) Get(context.Context, chain.BlobID) ([]byte, error) { return nil, a.err }

func TestPulseOfLayer(t *testing.T) {
	var p Pulse
	a := new(answering)
	layer := p.Layer(a)
	for _, c := range []struct {
		err      error
		answered bool
	}{{da.ErrTransient, false}, {nil, true}, {da.ErrFailover, false}, {da.ErrNotFound, true}, {&da.BusyError{}, false}, {da.ErrDropped, true}, {errors.New("other"), false}} {
		a.err = c.err
		_, err := layer.Get(t.Context(), nil)
		require.Equal(t, c.err, err)
		silent, _ := p.silent(time.Now().Add(time.Minute))
		require.Equal(t, c.answered, silent == 0, "%v", c.err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	p.Note(nil)
	cancel()
	_, _ = layer.Get(canceled, nil)
	require.EqualValues(t, 4, p.Errors())
}

func TestProverReasons(t *testing.T) {
	var door, layer Pulse
	later := func(d time.Duration) []rpc.Reason { return proverReasons(time.Now().Add(d), &door, &layer) }
	require.Empty(t, later(time.Hour))
	door.Note(errors.New("refused"))
	require.Empty(t, later(proverPatience-time.Second), "it may be started again")
	reasons := later(proverPatience + time.Second)
	require.Len(t, reasons, 1)
	require.Equal(t, "sequencer", reasons[0].Check)
	require.Contains(t, reasons[0].Detail, "has not answered for 31s: refused")
	layer.Note(errors.New("down"))
	require.Len(t, later(time.Hour), 2)
	door.Note(nil)
	layer.Note(nil)
	require.Empty(t, later(time.Hour))
}
