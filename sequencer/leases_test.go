package sequencer

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A desk of tests: a board that says what the test wants, and a clock that it moves.
type deskWorld struct {
	*Desk
	t       testing.TB
	todo    []Unproven
	verdict error // of the next Attest
	now     time.Time
	keys    []*attest.Key
	asked   func() // called by Unproven, once it knows its answer
}

func newDeskWorld(t testing.TB, provers, threshold int, blocks uint64, change ...func(*DeskConfig)) *deskWorld {
	w := &deskWorld{t: t, now: time.Unix(1e9, 0)}
	var addresses []common.Address
	for i := range provers {
		key, err := attest.NewKey(append(make([]byte, 31), byte(i+1)))
		require.NoError(t, err)
		w.keys, addresses = append(w.keys, key), append(addresses, key.Address())
	}
	for n := range blocks {
		w.todo = append(w.todo, Unproven{Publication: chain.Publication{Block: chain.BlockID{Number: n + 1}}})
	}
	cfg := DeskConfig{Now: func() time.Time { return w.now }}
	for _, f := range change {
		f(&cfg)
	}
	w.Desk = newDesk(w, addresses, threshold, cfg)
	t.Cleanup(w.check)
	return w
}

func (w *deskWorld) Unproven(limit int) []Unproven {
	todo := w.todo[:min(limit, len(w.todo))]
	if w.asked != nil {
		w.asked()
	}
	return todo
}

func (w *deskWorld) Attest(context.Context, *chain.Attestation) error { return w.verdict }

func (w *deskWorld) Evidence() []Evidence { return nil }

func (w *deskWorld) objects(context.Context, uint64, uint64, int) (*Page, error) { return nil, nil }

func (w *deskWorld) who(i int) common.Address { return w.keys[i].Address() }

func (w *deskWorld) pass(d time.Duration) { w.now = w.now.Add(d) }

// lease asks for prover i, and returns what it got.
func (w *deskWorld) lease(i, n int) []prover.Job {
	w.t.Helper()
	jobs, err := w.Lease(w.who(i), n)
	require.NoError(w.t, err)
	w.check()
	return jobs
}

// numbers are the blocks of jobs.
func numbers(jobs []prover.Job) (out []uint64) {
	for _, j := range jobs {
		out = append(out, j.Publication.Block.Number)
	}
	return out
}

// submit hands in an attestation of prover i, which the board judges by err.
func (w *deskWorld) submit(i int, number uint64, verdict error) {
	w.t.Helper()
	a := &chain.Attestation{Block: chain.BlockID{Number: number}}
	require.NoError(w.t, attest.Sign(a, w.keys[i]))
	w.verdict = verdict
	require.ErrorIs(w.t, w.Submit(w.t.Context(), a), verdict)
	w.check()
}

// check knows the rules of the books.
func (w *deskWorld) check() {
	held, kept := make(map[common.Address]int), 0
	for number, b := range w.blocks {
		holders := make(map[common.Address]bool)
		for _, l := range b.leases {
			require.Same(w.t, l, w.leases[l.id])
			require.Equal(w.t, number, l.number)
			require.False(w.t, holders[l.prover], "two leases of one block")
			holders[l.prover] = true
			held[l.prover]++
			kept++
		}
	}
	require.Equal(w.t, held, w.held)
	require.Len(w.t, w.leases, kept)
	require.LessOrEqual(w.t, kept, w.cfg.Leases)
}

// All leases of a prover end at once, and nobody else's.
func TestAllLeasesAreReleased(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 5)
	mine, other := w.lease(0, 2), w.lease(1, 1)
	require.Equal(t, []uint64{4, 5}, numbers(w.lease(0, 9)))
	require.Empty(t, w.lease(0, 9))
	require.NoError(t, w.Release(w.who(0), AllLeases, "whatever"))
	w.check()
	require.Equal(t, uint64(4), w.counts.Released)
	_, err := w.Renew(w.who(0), mine[0].Lease)
	require.ErrorIs(t, err, prover.ErrLeaseLost)
	_, err = w.Renew(w.who(1), other[0].Lease)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 4, 5}, numbers(w.lease(0, 9)))
	require.NoError(t, w.Release(w.who(0), AllLeases, ""))
	require.NoError(t, w.Release(w.who(0), AllLeases, ""), "there are none")
}

func TestBlocksAreSharedOut(t *testing.T) {
	w := newDeskWorld(t, 3, 1, 5)
	require.Equal(t, []uint64{1, 2}, numbers(w.lease(0, 2)))
	require.Equal(t, []uint64{3}, numbers(w.lease(1, 1)))
	require.Equal(t, []uint64{4, 5}, numbers(w.lease(2, 9)))
	require.Empty(t, w.lease(0, 9))
	require.Equal(t, 5, w.Stats().Leases)
}

func TestAsManyAsMustAgree(t *testing.T) {
	w := newDeskWorld(t, 4, 2, 1)
	require.Len(t, w.lease(0, 9), 1)
	require.Empty(t, w.lease(0, 9), "he has it")
	require.Len(t, w.lease(1, 9), 1)
	require.Empty(t, w.lease(2, 9), "two are on it")
	w.submit(0, 1, nil)
	w.todo[0].Signers = []common.Address{w.who(0)}
	require.Empty(t, w.lease(0, 9), "he has signed")
	require.Empty(t, w.lease(2, 9), "one has signed, one is on it")
	w.pass(time.Hour)
	require.Empty(t, w.lease(0, 9), "the other was lost, and he has signed")
	require.Len(t, w.lease(2, 9), 1)
	w.todo[0].Signers = append(w.todo[0].Signers, w.who(3))
	require.Empty(t, w.lease(1, 9), "there are enough")
}

// A prover that is killed says nothing. Its blocks go to the next that asks once the
// lease has run out, and not to itself at once if it comes back.
func TestLostProver(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 1)
	lost := w.lease(0, 1)[0]
	require.Equal(t, w.now.Add(30*time.Second), lost.Deadline)
	w.pass(30*time.Second - 1)
	require.Empty(t, w.lease(1, 1))
	w.pass(1)
	require.Empty(t, w.lease(0, 1))
	taken := w.lease(1, 1)
	require.Equal(t, []uint64{1}, numbers(taken))

	// It comes back: it cannot touch what is another's now.
	for _, id := range []uint64{lost.Lease, taken[0].Lease} {
		_, err := w.Renew(w.who(0), id)
		require.ErrorIs(t, err, prover.ErrLeaseLost)
		require.ErrorIs(t, w.Release(w.who(0), id, "broken"), prover.ErrLeaseLost)
	}
	_, err := w.Renew(w.who(1), taken[0].Lease)
	require.NoError(t, err)
	require.Equal(t, DeskCounts{Granted: 2, Renewed: 1, Expired: 1}, w.Stats().DeskCounts)
}

// A network of one prover goes on soon after its restart.
func TestLoneProverComesBack(t *testing.T) {
	w := newDeskWorld(t, 1, 1, 1)
	w.lease(0, 1)
	w.pass(30 * time.Second)
	require.Empty(t, w.lease(0, 1))
	w.pass(2 * time.Second)
	require.Len(t, w.lease(0, 1), 1)
}

func TestRenewedLeaseLasts(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 1)
	id := w.lease(0, 1)[0].Lease
	for range 11 {
		w.pass(10 * time.Second)
		until, err := w.Renew(w.who(0), id)
		require.NoError(t, err)
		require.Equal(t, w.now.Add(30*time.Second), until)
		require.Empty(t, w.lease(1, 1))
	}
	// But for ever it keeps nobody out: it may hang.
	w.pass(10 * time.Second)
	require.Len(t, w.lease(1, 1), 1)
	_, err := w.Renew(w.who(0), id)
	require.NoError(t, err, "both go on")
}

func TestLeavingProver(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 1)
	require.NoError(t, w.Release(w.who(0), w.lease(0, 1)[0].Lease, ""))
	require.Len(t, w.lease(0, 1), 1, "there is nothing against him")
	require.Empty(t, w.Stats().Failing)
}

// A prover that always fails keeps no other from the block, and is given it again ever
// later.
func TestProverThatFails(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 1)
	require.NoError(t, w.Release(w.who(0), w.lease(0, 1)[0].Lease, "broken"))
	other := w.lease(1, 1)
	require.Len(t, other, 1, "at once")
	require.NoError(t, w.Release(w.who(1), other[0].Lease, ""))
	var pauses []time.Duration
	for range 7 {
		pause := time.Duration(0)
		for len(w.lease(0, 1)) == 0 {
			w.pass(time.Second)
			pause += time.Second
		}
		pauses = append(pauses, pause/time.Second)
		for id := range w.leases {
			require.NoError(t, w.Release(w.who(0), id, "broken"))
		}
	}
	require.Equal(t, []time.Duration{2, 4, 8, 16, 32, 60, 60}, pauses)
}

// A block that everybody fails with rests, is shown, and is never skipped; the blocks
// after it go on.
func TestBlockThatFails(t *testing.T) {
	w := newDeskWorld(t, 4, 1, 2)
	for i := range 3 {
		for !w.leaseOne(i, 1) {
			w.pass(time.Second)
		}
		for _, l := range w.blocks[1].leases {
			require.NoError(t, w.Release(l.prover, l.id, []string{"no root", "no witness", "no diff"}[i]))
		}
	}
	// Three failed: it rests for all, also for who has not tried.
	require.False(t, w.leaseOne(3, 1))
	failing := w.Stats().Failing
	require.Len(t, failing, 1)
	require.Equal(t, uint64(1), failing[0].Number)
	require.Equal(t, sorted(w.who(0), w.who(1), w.who(2)), failing[0].Provers)
	require.ElementsMatch(t, []string{"no root", "no witness", "no diff"}, failing[0].Why)
	require.Equal(t, "no diff", failing[0].Last)
	w.pass(4 * time.Second)
	require.True(t, w.leaseOne(3, 1))
	require.Len(t, w.blocks[2].leases, 1, "the next was given out meanwhile")

	w.submit(3, 1, nil)
	w.todo = w.todo[1:]
	require.Empty(t, w.Stats().Failing)
}

// leaseOne asks for prover i whatever there is, and reports whether block number was.
func (w *deskWorld) leaseOne(i int, number uint64) bool {
	return slices.Contains(numbers(w.lease(i, 9)), number)
}

func sorted(list ...common.Address) []common.Address {
	slices.SortFunc(list, common.Address.Cmp)
	return list
}

// A word that contradicts the block ends its signer's lease, and somebody else is
// given the block at once.
func TestWrongAttestation(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 1)
	w.lease(0, 1)
	w.submit(0, 1, chain.ErrMismatch)
	require.Empty(t, w.lease(0, 1))
	require.Len(t, w.lease(1, 1), 1)
	require.Equal(t, uint64(1), w.Stats().Refused)
	require.Equal(t, []common.Address{w.who(0)}, w.Stats().Failing[0].Provers)
}

// An attestation needs no lease, and one's own does not end another's.
func TestSubmissionNeedsNoLease(t *testing.T) {
	w := newDeskWorld(t, 3, 2, 1)
	w.lease(0, 1)
	w.submit(1, 1, nil)
	w.submit(1, 1, nil) // again
	require.Len(t, w.blocks[1].leases, 1)
	w.pass(time.Hour)
	require.Zero(t, w.Stats().Leases)
	w.submit(0, 1, nil) // long after its lease
	w.submit(2, 1, ErrNotAllowed)
	require.Equal(t, DeskCounts{Granted: 1, Expired: 1, Submitted: 3, Refused: 1}, w.Stats().DeskCounts)
}

// Who has signed is done, wherever he handed it in: his lease does not run out.
func TestSignedElsewhere(t *testing.T) {
	w := newDeskWorld(t, 2, 2, 1)
	w.lease(0, 1)
	w.lease(1, 1)
	w.todo[0].Signers = []common.Address{w.who(0)}
	require.Equal(t, 1, w.Stats().Leases)
	w.pass(time.Hour)
	require.Equal(t, []common.Address{w.who(1)}, w.Stats().Failing[0].Provers)
}

// What is reported is bounded, whatever fails.
func TestReportIsBounded(t *testing.T) {
	const provers, blocks = FailingProversMax + 2, FailingMax + 2
	w := newDeskWorld(t, provers, 1, blocks)
	for i := range provers {
		w.lease(i, blocks)
		for _, l := range w.leases {
			require.NoError(t, w.Release(w.who(i), l.id, "broken"))
		}
		w.pass(time.Hour)
	}
	s := w.Stats()
	require.Len(t, s.Failing, FailingMax)
	require.Len(t, s.Failing[0].Provers, FailingProversMax)
	require.Len(t, w.blocks[1].failures, provers)
}

func TestLeasesAreBounded(t *testing.T) {
	w := newDeskWorld(t, 3, 3, 100, func(c *DeskConfig) { c.LeasesPerProver, c.Leases, c.Blocks = 10, 15, 50 })
	require.Len(t, w.lease(0, 1000), 10)
	_, err := w.Lease(w.who(0), 1)
	require.ErrorIs(t, err, chain.ErrBusy)
	require.Len(t, w.lease(1, 1000), 5)
	_, err = w.Lease(w.who(2), 1)
	require.ErrorIs(t, err, chain.ErrBusy)
	for id := range w.leases {
		if w.leases[id].prover == w.who(0) {
			require.NoError(t, w.Release(w.who(0), id, ""))
		}
	}
	require.Len(t, w.lease(2, 1000), 10)

	w = newDeskWorld(t, 1, 1, 100, func(c *DeskConfig) { c.LeasesPerProver, c.Blocks = 1000, 50 })
	require.Len(t, w.lease(0, 1000), 50)
}

func TestStrangerGetsNothing(t *testing.T) {
	w := newDeskWorld(t, 1, 1, 1)
	_, err := w.Lease(common.Address{9}, 1)
	require.ErrorIs(t, err, ErrNotAllowed)
	require.False(t, w.Allows(common.Address{9}))
	require.True(t, w.Allows(w.who(0)))
}

// What is proven is forgotten, with its leases.
func TestProvenBlocksAreForgotten(t *testing.T) {
	w := newDeskWorld(t, 2, 1, 3)
	jobs := w.lease(0, 3)
	w.todo = w.todo[2:]
	require.Equal(t, 1, w.Stats().Leases)
	_, err := w.Renew(w.who(0), jobs[0].Lease)
	require.ErrorIs(t, err, prover.ErrLeaseLost)
	w.todo = nil
	require.Zero(t, w.Stats().Leases)
	require.Empty(t, w.blocks)
}
