package sequencer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
)

// release gives a lease of prover i back, or fails with its block.
func (w *deskWorld) release(i int, job prover.Job, why string) {
	w.t.Helper()
	require.NoError(w.t, w.Release(w.who(i), job.Lease, why))
}

// A prover that gives a block back and takes it again keeps nobody out who has not had
// it.
func TestTakingAgainKeepsNobodyOut(t *testing.T) {
	w := newDeskWorld(t, 3, 1, 1)
	w.release(0, w.lease(0, 1)[0], "")
	again := w.lease(0, 1)
	require.Len(t, again, 1, "nobody else wants it")
	require.Empty(t, w.lease(0, 1), "he has it")
	other := w.lease(1, 1)
	require.Len(t, other, 1)
	require.Empty(t, w.lease(2, 1), "one has it for the first time")

	// Among those who had it, one at a time.
	w.release(0, again[0], "")
	w.release(1, other[0], "")
	require.Len(t, w.lease(1, 1), 1)
	require.Empty(t, w.lease(0, 1))
	require.Len(t, w.lease(2, 1), 1)
}

// Patience is the block's: it does not begin again with another lease, whoever takes it.
func TestPatienceIsTheBlocks(t *testing.T) {
	w := newDeskWorld(t, 4, 1, 1)
	first := w.lease(0, 1)[0]
	for range 11 {
		w.pass(10 * time.Second)
		_, err := w.Renew(w.who(0), first.Lease)
		require.NoError(t, err)
		require.Empty(t, w.lease(2, 1))
	}
	w.release(0, first, "")
	require.Len(t, w.lease(1, 1), 1, "his friend")
	require.Empty(t, w.lease(2, 1))
	w.pass(10*time.Second - 1)
	require.Empty(t, w.lease(2, 1))
	w.pass(1)
	require.Len(t, w.lease(2, 1), 1, "two minutes after the block was first leased")
	require.Empty(t, w.lease(3, 1), "one more, not all")
}

// With two that must agree, two that hang leave room for two.
func TestPatienceOfAThreshold(t *testing.T) {
	w := newDeskWorld(t, 4, 2, 1)
	jobs := []prover.Job{w.lease(0, 1)[0], w.lease(1, 1)[0]}
	for range 12 {
		require.Empty(t, w.lease(2, 1))
		w.pass(10 * time.Second)
		for i, job := range jobs {
			_, err := w.Renew(w.who(i), job.Lease)
			require.NoError(t, err)
		}
	}
	require.Len(t, w.lease(2, 1), 1)
	require.Len(t, w.lease(3, 1), 1)
}

// A prover that fails with a block whenever it may does not keep it from others: they
// rest once for each that fails, not each time.
func TestFailingAgainKeepsNobodyOut(t *testing.T) {
	w := newDeskWorld(t, 8, 1, 1)
	for i := range 7 {
		for !w.leaseOne(i, 1) {
			w.pass(time.Second)
		}
		for _, l := range w.blocks[1].leases {
			require.NoError(t, w.Release(l.prover, l.id, "broken"))
		}
	}
	w.pass(time.Minute)
	w.release(0, w.lease(0, 1)[0], "broken")
	require.Len(t, w.lease(7, 1), 1)
}

// What a request sees of the chain is not older than what another one, which was quicker,
// has acted on.
func TestRequestsDoNotOvertake(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 1)
	newer := w.todo
	var quick []prover.Job
	done := make(chan struct{})
	w.todo = nil // there is nothing to do, says the board to the first
	w.asked = func() {
		w.asked, w.todo = nil, newer
		go func() {
			defer close(done)
			quick, _ = w.Lease(w.who(1), 1)
		}()
		select {
		case <-done:
		case <-time.After(50 * time.Millisecond): // it waits for the first, as it should
		}
	}
	slow, err := w.Lease(w.who(0), 1)
	require.NoError(t, err)
	require.Empty(t, slow)
	<-done
	require.Len(t, quick, 1)
	_, err = w.Renew(w.who(1), quick[0].Lease)
	require.NoError(t, err, "the slow one took it away")
}

// Whatever allowed provers do, what the Desk keeps is bounded.
func TestDeskIsBounded(t *testing.T) {
	const provers, blocks = 4, 40
	w := newDeskWorld(t, provers, 2, 1000, func(c *DeskConfig) {
		c.LeasesPerProver, c.Leases, c.Blocks = 30, 80, blocks
	})
	r := rand.New(rand.NewPCG(1, 2))
	why := strings.Repeat("x", 1<<20)
	var open [provers][]prover.Job
	for range 400 {
		i := r.IntN(provers)
		switch r.IntN(6) {
		case 0:
			for _, job := range open[i] {
				_, _ = w.Renew(w.who(i), job.Lease)
			}
		case 1:
			for _, job := range open[i] {
				_ = w.Release(w.who(i), job.Lease, why[:r.IntN(2)*len(why)])
			}
			open[i] = nil
		case 2:
			w.submit(i, r.Uint64N(2000), chain.ErrMismatch)
		case 3:
			w.todo = w.todo[min(r.IntN(3), len(w.todo)):]
		default:
			if jobs, err := w.Lease(w.who(i), 1000); err == nil {
				open[i] = append(open[i], jobs...)
			}
			w.pass(time.Duration(r.IntN(5)) * time.Second)
		}
		w.check()
		require.LessOrEqual(t, len(w.blocks), blocks)
		require.LessOrEqual(t, len(w.leases), 80)
		for _, b := range w.blocks {
			require.LessOrEqual(t, len(b.had), provers)
			require.LessOrEqual(t, len(b.failures), provers)
			for _, f := range b.failures {
				require.LessOrEqual(t, len(f.why), 256)
			}
		}
	}
}
