package links

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc/work"
)

// Two of three provers must agree on a block, and one of the three lies: of every second
// block he also says what is right, and so contradicts himself. With one honest prover
// nothing is proven but what he said right. What he said is kept, and shown, at the
// sequencer also after a crash. With the second honest prover all is proven.
func TestPerjury(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	var names []string
	for _, name := range []string{"first", "second", "perjurer"} {
		names = append(names, newKey(t, file(name)).Hex())
	}
	perjurer := common.HexToAddress(names[2])
	newKey(t, file("stranger"))
	o := ordinary
	o.others, o.prover = 2, []string{"-key", file("first")}
	o.sequencer = []string{"-provers", strings.Join(names, ","), "-prover-threshold", "2"}
	o.node = o.sequencer
	w := newWorld(t, o)
	joined := w.sequencer.head("latest") // or earlier: what was there before, nodes take
	liar := w.machine("perjurer", w.other(), role(t, "perjurer", oath{
		mission: mission{Invitation: w.invitation, Targets: w.invitation.Peers}, Door: w.sequencerURL(),
		Prover: secret(t, file("perjurer")), Stranger: secret(t, file("stranger")), Sequencer: secret(t, w.sequencerKey()),
	}))
	w.sequencer.counts("vivace_sequencer_evidence", 4)
	for _, n := range w.nodes {
		n.counts("vivace_fullnode_evidence", 1)
		n.counts("vivace_fullnode_words_refused_total", 1)
	}
	w.rest(sized(time.Second, 20*time.Second))
	before := w.evidence(perjurer)
	w.sequencer.kill()
	w.sequencer.restart()
	after := w.evidence(perjurer)
	require.GreaterOrEqual(t, len(after), len(before), "what was known before the crash")
	require.Zero(t, w.sequencer.head("finalized"))
	for _, n := range w.nodes {
		require.LessOrEqual(t, n.metric("vivace_fullnode_head_proven"), float64(joined), n.name)
	}
	t.Logf("%d words of the perjurer against blocks up to %d are kept, %d of them contradict another of his",
		len(after), w.sequencer.head("latest"), twice(after))
	require.Positive(t, twice(after), "he contradicts himself")
	require.True(t, liar.running(), "all was refused as it should be")

	w.proveWith("second prover", w.other(), "-key", file("second"))
	w.settle()
	proven := w.sequencer.head("finalized")
	for _, n := range w.nodes {
		n.counts("vivace_fullnode_head_proven", float64(proven))
		got, err := n.header("finalized")
		require.NoError(t, err)
		want, err := w.sequencer.header(got.Number.String())
		require.NoError(t, err)
		require.Equal(t, want, got, "%s: proven, and not on the chain", n.name)
	}
}

// evidence is the words of a prover that the sequencer keeps, and shows at its door.
func (w *world) evidence(of common.Address) (list []work.Evidence) {
	w.Helper()
	w.sequencer.await("evidence", func() error { return w.sequencer.call(&list, "prover_evidence", "0x0") })
	require.NotEmpty(w, list)
	for _, e := range list {
		var a chain.Attestation
		require.NoError(w, a.UnmarshalBinary(e.Attestation))
		signer, err := attest.Recover(&a)
		require.NoError(w, err)
		require.Equal(w, of, signer)
		require.Equal(w, of, e.Signer)
	}
	return list
}

// twice is how much of the evidence is two words that contradict each other.
func twice(list []work.Evidence) (n int) {
	for _, e := range list {
		if len(e.Other) > 0 {
			n++
		}
	}
	return n
}
