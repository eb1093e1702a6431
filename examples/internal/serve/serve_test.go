package serve

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/examples/internal/cli"
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
	options := &Options{Address: "127.0.0.1", Hosts: "localhost", API: strings.Join(Namespaces(), ","), Admin: true, Profile: true}
	door, err := options.Open(t.TempDir())
	require.NoError(t, err)
	service := &Service{
		Door: door, Backend: node.OfSequencer(s, store), Engine: engine,
		Metrics: []prometheus.Collector{OfSequencer(s), OfHistory(store)},
		Ready:   SequencerReady(s, nil), Log: log, LogLevel: &level, Drain: cancel,
		Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page") }),
	}
	done := make(chan error, 1)
	go func() {
		done <- Together(ctx, s.Run, service.Run)
	}()
	for path, wants := range map[string][]string{
		"/":              {"a page"},
		"/metrics":       {"\nvivace_sequencer_pool_max 65536\n", "\nvivace_sequencer_da_errors_total{error=\"failover\"} 0\n"},
		"/healthz/ready": {"ok\n"},
		"/healthz/live":  {"ok\n"},
		"/debug/pprof/":  {"goroutine"},
	} {
		res, err := http.Get("http://" + door.Addr().String() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		for _, want := range wants {
			require.Contains(t, string(body), want, path)
		}
	}
	res, err := http.Post("http://"+door.Addr().String()+rpc.PathAdmin, "application/json", http.NoBody)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	require.NoError(t, <-done)
}

// Without a page of its own, a door says what there is.
func TestIndex(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := &Service{Name: "full node", Door: &Door{options: Options{API: "eth,net", Admin: all, Profile: all}}}
		answer := httptest.NewRecorder()
		s.index().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		require.Equal(t, http.StatusOK, answer.Code)
		text := answer.Body.String()
		for _, want := range []string{"full node, Vivace ", "eth, net\n", "\n/realtime ", "\n/healthz/ready ", "\n/metrics "} {
			require.Contains(t, text, want)
		}
		require.Equal(t, all, strings.Contains(text, "\n/admin "))
		require.Equal(t, all, strings.Contains(text, "\n/debug/pprof/ "))
		answer = httptest.NewRecorder()
		s.index().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/other", http.NoBody))
		require.Equal(t, http.StatusNotFound, answer.Code)
	}
}

// What makes no sense is said before anything is opened.
func TestOptionsRefused(t *testing.T) {
	loose := filepath.Join(t.TempDir(), "loose")
	require.NoError(t, os.WriteFile(loose, []byte(strings.Repeat("ab", rpc.SecretSize)), 0o600))
	require.NoError(t, os.Chmod(loose, 0o644))
	short := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(short, []byte("abc"), 0o600))
	for text, args := range map[string][]string{
		"-http.port: 65536 is no port":         {"-http.port=65536"},
		"-http.port: -1 is no port":            {"-http.port=-1"},
		`-http.api: there is no namespace "x"`: {"-http.api=eth,x"},
		"-http.api: no namespace":              {"-http.api= , "},
		"see -admin.enable":                    {"-http.api=eth,admin"},
		"-http.addr: ":                         {"-http.addr=127.0.0.1:8545"},
		"may be read by others":                {"-admin.enable", "-admin.jwtsecret=" + loose},
		"does not hold 64 hexadecimal digits":  {"-admin.enable", "-admin.jwtsecret=" + short},
	} {
		t.Run(text, func(t *testing.T) {
			var o Options
			flags := flag.NewFlagSet("", flag.ContinueOnError)
			o.Flags(flags, 0)
			require.NoError(t, flags.Parse(args))
			door, err := o.Open(t.TempDir())
			require.ErrorIs(t, err, cli.ErrUsage)
			require.ErrorContains(t, err, text)
			require.NotContains(t, err.Error(), "\n")
			require.Nil(t, door)
		})
	}
}
