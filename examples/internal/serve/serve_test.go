package serve

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Everything that a service can have is at its path, all at once.
func TestService(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)})
	require.NoError(t, err)
	store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: spec.Genesis.Header, Logger: log})
	require.NoError(t, err)
	defer store.Close()
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	s, err := sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), DA: inprocess.New(), History: store, Logger: log,
	})
	require.NoError(t, err)
	defer s.Close()
	var level slog.LevelVar
	service := &Service{
		Options: &Options{Address: "127.0.0.1", Hosts: "localhost", API: "eth,web3", Admin: true, Profile: true},
		Dir:     t.TempDir(), Backend: node.OfSequencer(s, store), Engine: engine,
		Metrics: []prometheus.Collector{OfSequencer(s), OfHistory(store)},
		Ready:   SequencerReady(s), Log: log, LogLevel: &level, Drain: cancel,
		Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page") }),
	}
	l, err := service.Options.Listen()
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		done <- Together(ctx, s.Run, func(ctx context.Context) error { return service.Run(ctx, l) })
	}()
	for path, want := range map[string]string{
		"/":              "a page",
		"/metrics":       "\nvivace_sequencer_pool_max 65536\n",
		"/healthz/ready": "ok\n",
		"/healthz/live":  "ok\n",
		"/debug/pprof/":  "goroutine",
	} {
		res, err := http.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		require.Contains(t, string(body), want, path)
	}
	res, err := http.Post("http://"+l.Addr().String()+rpc.PathAdmin, "application/json", http.NoBody)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-done)
}
