package links

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// Full node, prover and sequencer are killed under load, again and again, in turns.
func TestKill(t *testing.T) {
	w := newWorld(t, ordinary)
	for round := range sized(2, 30) {
		for _, m := range []*machine{w.nodes[round%len(w.nodes)], w.prover, w.sequencer} {
			before := w.load.count()
			w.rest(300 * time.Millisecond)
			m.kill()
			w.rest(200 * time.Millisecond)
			m.restart()
			w.progress(before)
		}
	}
	w.settle()
}

// progress waits until there are receipts that were not there before.
func (w *world) progress(before int64) {
	w.Helper()
	require.Eventually(w, func() bool { return w.load.count() > before }, patience, 10*time.Millisecond, "no progress")
}

// A full node is alone for a while, then the sequencer is.
func TestPartition(t *testing.T) {
	w := newWorld(t, ordinary)
	for _, d := range sized([]time.Duration{time.Second, 4 * time.Second}, []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second}) {
		for _, m := range []*machine{w.nodes[0], w.sequencer} {
			before := w.load.count()
			w.alone(m.index, d)
			w.progress(before)
			for _, n := range w.nodes {
				n.reaches("latest", w.sequencer.head("latest"))
			}
		}
	}
	traffic, err := w.nodes[0].node.Traffic()
	require.NoError(t, err)
	require.Positive(t, traffic.Cut, "nothing was cut")
	w.settle()
}

// One full node has a link of 1 Mbit/s for a while. The others do not notice, and it
// catches up.
func TestSlowLink(t *testing.T) {
	o := ordinary
	o.lanes, o.pause = 16, time.Millisecond
	w := newWorld(t, o)
	slow, other := w.nodes[0], w.nodes[1]
	w.conditions(slow.index, netlab.Conditions{Rate: netlab.Mbit})
	before, began, received := other.head("latest"), time.Now(), slow.received()
	w.rest(sized(4*time.Second, 30*time.Second))
	bits := 8 * float64(slow.received()-received) / time.Since(began).Seconds()
	head := other.head("latest")
	require.Greater(t, head, before, "the other full node waits for the slow one")
	// Each of the other nodes has a link of its own to the slow one.
	t.Logf("the slow node got %.2f Mbit/s from all, and is %d blocks behind", bits/netlab.Mbit, int64(head)-int64(slow.head("latest")))
	w.conditions(slow.index, netlab.Conditions{})
	w.settle()
}

// received is how many bytes have come to a node.
func (m *machine) received() uint64 {
	m.Helper()
	traffic, err := m.node.Traffic()
	require.NoError(m, err)
	return traffic.BytesIn
}

// The data-availability layer cannot be reached for a while. The chain goes on until as
// many blocks wait as may, and everything is published in its order afterwards.
func TestOutage(t *testing.T) {
	o := ordinary
	o.layerApart = true
	w := newWorld(t, o)
	w.observer.heard(2)
	require.NoError(t, w.lab.Partition([]int{atLayer}))
	w.rest(time.Second) // what was on its way has come
	published, sealed, count := len(w.observer.heard(1)), w.sequencer.head("latest"), w.load.count()
	w.rest(sized(5*time.Second, time.Minute))
	require.Len(t, w.observer.heard(1), published, "publications without a layer")
	require.Greater(t, w.sequencer.head("latest"), sealed+2, "the chain waits for the layer")
	w.progress(count)
	w.lab.Heal()
	w.settle()
}

// Two full nodes join under load: one begins at a snapshot, one at genesis.
func TestLateJoin(t *testing.T) {
	o := ordinary
	o.full, o.late = 1, 2
	w := newWorld(t, o)
	w.sequencer.reaches("safe", sized[uint64](10, 80)) // behind a snapshot, but kept by the network
	fromSnapshot := w.join()
	fromGenesis := w.join("-from-snapshot=false")
	begin := "full node of chain 31337 at http://[::]:8545 begins at block "
	require.False(t, strings.HasPrefix(fromSnapshot.said(begin), "0 "), "a snapshot is there, and not used")
	require.True(t, strings.HasPrefix(fromGenesis.said(begin), "0 "), "genesis is asked for, and not used")
	w.rest(sized(2*time.Second, 20*time.Second))
	w.settle()
}
