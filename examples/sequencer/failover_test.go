package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/inprocess"
)

// While the first of two layers is down (503), blocks go to the second, and when it has come
// back, to the first again; the door says which. Provers find them in either.
func TestFailover(t *testing.T) {
	bin := build(t)
	handler, err := altda.NewServer(altda.ServerConfig{Client: inprocess.New(), Mode: altda.Keccak})
	require.NoError(t, err)
	var down atomic.Bool
	var asked atomic.Int64 // for blobs
	layer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		if r.Method == http.MethodGet {
			asked.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	defer layer.Close()
	theirs := "altda=" + layer.URL
	t.Setenv("VIVACE_DA_LAYER", theirs+",own") // as good as a flag
	s := start(t, filepath.Join(bin, "sequencer"), append(places(t), "-http.port=0", "-block-interval=200ms", "-da.cooldown=500ms")...)
	defer s.kill(t)
	t.Setenv("VIVACE_DA_LAYER", "") // what the sequencer says
	sequencer := door(s.line(t, "sequencer of chain"))
	prover := start(t, filepath.Join(bin, "prover"), "-sequencer="+sequencer, "-http.port=0")
	defer prover.kill(t)
	prover.line(t, "under program ")

	metrics, ours := sequencer+"/metrics", `altda=http://127\.0\.0\.1:[0-9]+`
	active := func(announced, metric string) {
		t.Helper()
		awaitMatch(t, sequencer+"/network", `"daActive":"`+announced+`"`)
		awaitMatch(t, metrics, `\nvivace_da_active\{`+metric+`\} 1\n`)
	}
	active(theirs, `layer="`+theirs+`",position="0"`)
	awaitMatch(t, sequencer+"/network", `"da":"`+theirs+`,`+ours+`"`)
	awaitMetric(t, metrics, "vivace_sequencer_head_proven")
	require.Positive(t, asked.Load(), "the prover reads it there")

	down.Store(true)
	active(ours, `layer="own",position="1"`)
	published := value(t, metrics, "vivace_sequencer_head_published") + 3
	awaitValue(t, metrics, "vivace_sequencer_head_published", published)
	awaitPage(t, sequencer+"/healthz/ready", "ok\n")
	down.Store(false)
	active(theirs, `layer="`+theirs+`",position="0"`)
	awaitValue(t, metrics, "vivace_sequencer_head_proven", published+3)
	http.DefaultClient.CloseIdleConnections()
}

// awaitValue waits until a metric is least, or more.
func awaitValue(t *testing.T, metrics, name string, least float64) {
	t.Helper()
	require.Eventually(t, func() bool { return value(t, metrics, name) >= least }, 30*time.Second, 50*time.Millisecond, name)
}

// value is that of a metric.
func value(t *testing.T, metrics, name string) float64 {
	t.Helper()
	match := regexp.MustCompile(`\n` + name + ` (\S+)\n`).FindStringSubmatch(page(t, metrics))
	require.NotNil(t, match, name)
	v, err := strconv.ParseFloat(match[1], 64)
	require.NoError(t, err)
	return v
}
