package links

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// memoryMax is how much memory a process may take that is being attacked, in bytes.
const memoryMax = 512 << 20

// Rogues of all manners are among the peers, while the chain is under load and a full node
// comes back: the nodes refuse what is bad and throw out who says it, nobody honest is
// taken for one of them, the chain goes on as it did, and memory stays bounded.
func TestRogues(t *testing.T) {
	o := ordinary
	o.others = len(manners)
	w := newWorld(t, o)
	back, steady := w.nodes[0], w.nodes[1]
	// Rogues are nearer to everybody than the sequencer is: what it says they hear first.
	for _, n := range w.nodes {
		require.NoError(t, w.lab.Link(atSequencer, n.index).Set(netlab.Conditions{Delay: 20 * time.Millisecond}))
	}
	source, ear := w.sequencer.listen(t.Context()), steady.listen(t.Context())
	w.rest(time.Second)
	calm := w.propagation(source, ear, sized(time.Second, 20*time.Second))
	all := append([]*machine{w.sequencer}, w.nodes...)
	before := make([]int64, len(all))
	for i, m := range all {
		before[i] = m.process.Usage().MemoryMax
	}
	rogues := w.sendRogues()
	w.rest(sized(2*time.Second, 10*time.Second))
	storm := w.propagation(source, ear, sized(3*time.Second, time.Minute))
	back.kill()
	w.rest(500 * time.Millisecond)
	back.restart()
	w.progress(w.load.count())
	back.reaches("latest", w.sequencer.head("latest"))
	for _, m := range []*machine{w.sequencer, steady} {
		m.counts("vivace_p2p_refused_total", 6)
		m.counts("vivace_p2p_bans_total", 3)
		m.counts("vivace_p2p_turned_away_total", 1)
		require.Zero(t, m.metric("vivace_p2p_evidence"), m.name)
		t.Logf("%s: refused %.0f messages and %.0f requests, threw out %.0f", m.name,
			m.metric("vivace_p2p_refused_total"), m.metric("vivace_p2p_turned_away_total"), m.metric("vivace_p2p_bans_total"))
	}
	w.settle() // they are still there
	t.Logf("p50 / p99 from door to door in ms: %s without rogues, %s with them", calm, storm)
	w.checkThrownOut(rogues)
	for i, m := range all {
		memory := m.process.Usage().MemoryMax
		t.Logf("%s: %d MiB at most, %d before them", m.name, memory>>20, before[i]>>20)
		require.Less(t, memory, int64(memoryMax), m.name)
	}
	for _, r := range rogues {
		require.True(t, r.running(), r.name)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		require.NoError(t, r.process.Stop(ctx), r.name)
		cancel()
		t.Log(strings.Join(r.lines("life "), "; "))
	}
}

// propagation is how long mini-blocks take from one door to the other, for some time.
func (w *world) propagation(source, ear *listener, d time.Duration) string {
	w.Helper()
	first := source.newest() + 1
	w.rest(d)
	last := source.newest()
	w.rest(time.Second) // what is on its way
	took := lags(source.heard(first, last), ear.heard(first, last))
	require.NotEmpty(w, took)
	return spread(took)
}

// sendRogues starts one of each manner, on a node of its own, against all that have a door.
func (w *world) sendRogues() (rogues []*machine) {
	w.Helper()
	targets := slices.Clone(w.invitation.Peers)
	for _, n := range w.nodes {
		targets = append(targets, strings.Fields(n.said("meets peers at "))...)
	}
	for _, name := range slices.Sorted(maps.Keys(manners)) {
		rogues = append(rogues, w.machine(name, w.other(), role(w, "rogue", mission{w.invitation, targets, name})))
	}
	return rogues
}

// checkThrownOut looks at whom the nodes threw out: rogues, and nobody else.
func (w *world) checkThrownOut(rogues []*machine) {
	w.Helper()
	for _, m := range append([]*machine{w.sequencer}, w.nodes...) {
		text, err := os.ReadFile(m.process.Stderr)
		require.NoError(w, err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "peer thrown out") {
				require.True(w, slices.ContainsFunc(rogues, func(r *machine) bool {
					return strings.Contains(line, fmt.Sprintf("/ip4/%s/", r.node.Addr()))
				}), "%s: %s", m.name, line)
			}
		}
	}
}

// lines are those of the process's output that begin so.
func (m *machine) lines(prefix string) (list []string) {
	m.Helper()
	text, err := os.ReadFile(m.process.Stdout)
	require.NoError(m, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, prefix) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}
