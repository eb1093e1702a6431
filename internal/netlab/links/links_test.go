package links

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// progress waits until there are receipts that were not there before.
func (w *world) progress(before int64) {
	w.Helper()
	require.Eventually(w, func() bool { return w.load.count() > before }, patience, 10*time.Millisecond, "no progress")
}

// The data-availability layer cannot be reached for a while. The chain goes on until as
// many blocks wait as may, and everything is published in its order afterwards.
func TestOutage(t *testing.T) {
	o := ordinary
	o.layerApart = true
	w := newWorld(t, o)
	w.observer.heard(2)
	require.NoError(t, w.lab.Partition([]int{atLayer}))
	published := w.steady("published without a layer", func() uint64 { return uint64(len(w.observer.heard(1))) })
	sealed, count := w.sequencer.head("latest"), w.load.count()
	w.rest(sized(3*time.Second, time.Minute))
	w.sequencer.reaches("latest", sealed+3) // it does not wait for the layer
	require.Len(t, w.observer.heard(1), int(published), "publications without a layer")
	w.progress(count)
	w.lab.Heal()
	w.settle()
}

// steady is a figure when it has been the same for a second: nothing of what was on its
// way comes any more.
func (w *world) steady(what string, figure func() uint64) uint64 {
	w.Helper()
	for deadline := time.Now().Add(patience); ; {
		n := figure()
		w.rest(time.Second)
		if figure() == n {
			return n
		}
		require.True(w, time.Now().Before(deadline), what)
	}
}

// Three full nodes join under load: one begins at a snapshot, one at genesis with what its
// peers keep of the feed, and one at genesis without a peer that keeps any: all but where
// the blocks are it has from the data-availability layer, and the receipts by executing.
func TestLateJoin(t *testing.T) {
	o := ordinary
	o.full, o.late = 1, 3
	w := newWorld(t, o)
	w.sequencer.reaches("safe", sized[uint64](16, 80)) // behind a snapshot, but kept by the network
	fromSnapshot := w.join()
	fromGenesis := w.join("-from-snapshot=false")
	sealed := w.sequencer.head("latest")
	byLayer := w.join(w.byLayer("-verify")...)
	const begin = "begins at block "
	require.False(t, strings.HasPrefix(fromSnapshot.said(begin), "0 "), "a snapshot is there, and not used")
	for _, n := range []*machine{fromGenesis, byLayer} {
		require.True(t, strings.HasPrefix(n.said(begin), "0 "), "genesis is asked for, and not used")
	}
	byLayer.reaches("latest", sealed)
	require.GreaterOrEqual(t, byLayer.metric("vivace_fullnode_blocks_from_da_total"), float64(sealed/2), "no peer has them")
	require.Zero(t, fromGenesis.metric("vivace_fullnode_blocks_from_da_total"), "peers have them all")
	w.rest(sized(2*time.Second, 20*time.Second))
	w.settle()
}

// Nobody reaches the data-availability layer, and a full node joins by a snapshot that the
// sequencer has.
func TestLateJoinWithoutLayer(t *testing.T) {
	o := ordinary
	o.full, o.late, o.layerApart = 1, 1, true
	w := newWorld(t, o)
	w.sequencer.reaches("safe", sized[uint64](9, 80)) // behind a snapshot
	require.NoError(t, w.lab.Partition([]int{atLayer}))
	joiner := w.join()
	block := joiner.said("begins at block ")
	require.False(t, strings.HasPrefix(block, "0 "), "a snapshot is there, and not used")
	joiner.reaches("latest", w.sequencer.head("latest"))
	w.lab.Heal()
	w.settle()
}
