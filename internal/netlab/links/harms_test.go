package links

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// A harm is done to one process under load, lasts for some time, and is over.
type harm struct {
	name string
	do   func(w *world, m *machine, lasts time.Duration)
}

var harms = []harm{
	{"killed", (*world).slay},
	{"cut off", (*world).cutOff},
	{"slowed down", (*world).slowDown},
}

// lasts is how long a harm lasts, round by round.
var lasts = []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second}

// Full nodes in turns, prover and sequencer are killed, cut off, and slowed down. The
// others go on meanwhile, and all is as it was soon after.
func TestHarms(t *testing.T) {
	w := newWorld(t, ordinary)
	for round := range rounds() {
		for _, h := range harms {
			for _, m := range []*machine{w.nodes[round%len(w.nodes)], w.prover, w.sequencer} {
				began := time.Now()
				h.do(w, m, lasts[round%len(lasts)])
				over := time.Now()
				// What a killed prover has leased is nobody's for 30 s, but for a
				// sequencer that is killed next: it forgets leases.
				w.catchUp(full() || m == w.sequencer)
				t.Logf("round %d: %s %s for %s, all well %s later", round, m.name, h.name,
					over.Sub(began).Round(time.Millisecond), time.Since(over).Round(time.Millisecond))
			}
		}
	}
	w.settle()
}

// slay kills a process and starts it again, which is soon however long others harms last.
func (w *world) slay(m *machine, _ time.Duration) {
	w.Helper()
	w.rest(300 * time.Millisecond) // so that not all die at the same point of a block
	m.kill()
	w.rest(200 * time.Millisecond)
	m.restart()
}

// cutOff leaves a node alone. Nothing of a block that is sealed meanwhile comes to it, or
// from it.
func (w *world) cutOff(m *machine, lasts time.Duration) {
	w.Helper()
	require.NoError(w, w.lab.Partition([]int{m.index}))
	defer w.lab.Heal()
	w.rest(lasts)
	newest := w.goOn(m)
	for _, n := range w.nodes {
		if m == n || m == w.sequencer {
			require.Less(w, n.head("latest"), newest, "%s is cut off, and %s has it", m.name, n.name)
		}
	}
	if m == w.prover || m == w.sequencer {
		require.Less(w, w.sequencer.head("finalized"), newest, "%s is not cut off", m.name)
	}
}

// slowRate is less than anybody says, hears or fetches, in bits per second.
const slowRate = 256 * netlab.Kbit

// slowDown makes all links of a node too slow for what is to go over them.
func (w *world) slowDown(m *machine, lasts time.Duration) {
	w.Helper()
	dropped := w.overflow()
	w.conditions(m.index, netlab.Conditions{Rate: slowRate})
	w.rest(lasts)
	w.goOn(m)
	require.Eventually(w, func() bool { return w.overflow() > dropped }, patience, 10*time.Millisecond, "the links are fast enough")
	w.conditions(m.index, netlab.Conditions{})
}

// overflow is how many packets did not find room on a link.
func (w *world) overflow() (n uint64) {
	w.Helper()
	for i := range w.lab.Size() {
		traffic, err := w.lab.Node(i).Traffic()
		require.NoError(w, err)
		n += traffic.Overflow
	}
	return n
}

// goOn waits for one more block than there is, which is sealed while a process is harmed.
// The others do not notice: full nodes have it, unless it is the sequencer.
func (w *world) goOn(harmed *machine) (newest uint64) {
	w.Helper()
	w.progress(w.load.count())
	newest = w.sequencer.head("latest") + 1
	w.sequencer.reaches("latest", newest)
	for _, n := range w.nodes {
		if harmed != n && harmed != w.sequencer {
			n.reaches("latest", newest)
		}
	}
	return newest
}

// catchUp waits until the load goes on, and all full nodes have what the sequencer has; and
// until it is proven, if it is to be.
func (w *world) catchUp(proven bool) {
	w.Helper()
	w.progress(w.load.count())
	newest := w.sequencer.head("latest")
	for _, n := range w.nodes {
		n.reaches("latest", newest)
	}
	if proven {
		w.sequencer.reaches("finalized", newest)
	}
}
