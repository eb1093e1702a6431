package main

import (
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
)

// Attestations under a program that nobody allowed count for nothing, neither at the
// sequencer nor at a full node, and both say that there were some.
func TestProverPrograms(t *testing.T) {
	bin, other := build(t), "-prover-programs="+common.Hash{31: 1}.Hex()
	sequencer := func(flags ...string) (url string) {
		args := append(places(t), "-http.port=0", "-block-interval=100ms")
		s := start(t, filepath.Join(bin, "sequencer"), append(args, flags...)...)
		t.Cleanup(func() { s.kill(t) })
		url = door(s.line(t, "sequencer of chain"))
		prover := start(t, filepath.Join(bin, "prover"), "-sequencer="+url, "-http.port=0", "-log-format=json", "-log-level=error")
		t.Cleanup(func() { prover.kill(t) })
		prover.line(t, "under program ")
		return url
	}
	fullnode := func(sequencer string, flags ...string) (url string) {
		args := []string{"-datadir=" + t.TempDir(), "-sequencer=" + sequencer, "-http.port=0", "-p2p.port=0", "-print-interval=0"}
		node := start(t, filepath.Join(bin, "fullnode"), append(args, flags...)...)
		t.Cleanup(func() { node.kill(t) })
		return door(node.line(t, "full node of chain"))
	}

	strict := sequencer(other)
	refusing := strict + "/metrics"
	awaitMetric(t, refusing, "vivace_desk_refused_total")
	awaitPage(t, refusing, "\nvivace_sequencer_head_proven 0\n")
	awaitPage(t, strict+"/network", `"proverPrograms":["`+common.Hash{31: 1}.Hex()+`"]`)

	open := sequencer()
	believing, doubting := fullnode(open, "-prover-programs=reexecution")+"/metrics", fullnode(open, other)+"/metrics"
	awaitMetric(t, open+"/metrics", "vivace_sequencer_head_proven")
	awaitMetric(t, believing, "vivace_fullnode_head_proven")
	awaitPage(t, believing, "\nvivace_fullnode_words_refused_total 0\n")
	awaitMetric(t, doubting, "vivace_fullnode_words_refused_total")
	awaitPage(t, doubting, "\nvivace_fullnode_head_proven 0\n")
	require.NotContains(t, page(t, open+"/network"), "proverPrograms")
	http.DefaultClient.CloseIdleConnections()
}

// page is what a GET answers.
func page(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}
