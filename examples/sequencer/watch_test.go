package main

import (
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each program says what becomes of its links, and a full node without a peer that it
// should not get traffic.
func TestWatched(t *testing.T) {
	bin := build(t)
	s := start(t, filepath.Join(bin, "sequencer"), append(places(t), "-http.port=0")...)
	sequencer := door(s.line(t, "sequencer of chain"))
	node := start(t, filepath.Join(bin, "fullnode"), "-datadir="+t.TempDir(), "-sequencer="+sequencer, "-http.port=0", "-p2p.port=0", "-print-interval=0")
	prover := start(t, filepath.Join(bin, "prover"), "-sequencer="+sequencer, "-http.port=0")
	fullnode, watch := door(node.line(t, "full node of chain")), door(prover.line(t, "prover of chain"))
	for _, url := range []string{sequencer, fullnode, watch} {
		awaitPage(t, url+"/healthz/ready", "ok\n")
	}
	for _, c := range []struct{ url, line string }{
		{sequencer, "vivace_p2p_peers 1"}, {sequencer, `vivace_desk_leases_total{event="granted"} `}, {sequencer, "vivace_sequencer_head_proven "},
		{fullnode, "vivace_p2p_peers 1"}, {fullnode, `vivace_p2p_messages_total{verdict="taken"} `}, {fullnode, "vivace_p2p_heartbeat_timestamp_seconds "},
		{fullnode, "vivace_fullnode_head_proven "}, {watch, "vivace_prover_leased_total "}, {watch, "vivace_prover_door_errors_total 0"},
	} {
		awaitPage(t, c.url+"/metrics", "\n"+c.line)
	}
	s.kill(t)
	awaitPage(t, fullnode+"/healthz/ready", "peers: no peer is connected")
	node.kill(t)
	prover.kill(t)
	http.DefaultClient.CloseIdleConnections()
}

// door is the address in a line.
func door(line string) string {
	_, rest, _ := strings.Cut(line, "http://")
	at, _, _ := strings.Cut(rest, " ")
	return "http://" + strings.TrimSuffix(at, ",")
}

// awaitPage waits until a page contains text.
func awaitPage(t *testing.T, url, text string) {
	t.Helper()
	awaitMatch(t, url, regexp.QuoteMeta(text))
}

// awaitMetric waits until a metric is not zero.
func awaitMetric(t *testing.T, url, name string) {
	t.Helper()
	awaitMatch(t, url, `\n`+name+` [1-9]`)
}

// awaitMatch waits until a page matches a regular expression.
func awaitMatch(t *testing.T, url, pattern string) {
	t.Helper()
	wanted, page := regexp.MustCompile(pattern), ""
	for deadline := time.Now().Add(30 * time.Second); !wanted.MatchString(page); time.Sleep(50 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "%s has no %q: %s", url, pattern, page)
		if response, err := http.Get(url); err == nil {
			read, _ := io.ReadAll(response.Body)
			page = string(read)
			_ = response.Body.Close()
		}
	}
}
