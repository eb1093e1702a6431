package sequencer

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/prover"
)

// Whatever provers do in whatever order, the books are in order, nobody keeps others
// out for ever, and all is proven in the end.
func TestAnyOrderOfEvents(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		threshold := 1 + r.IntN(3)
		w := newDeskWorld(t, 5, threshold, 12)
		type promise struct {
			job prover.Job
			who int
		}
		var open []promise
		for range 3000 {
			if len(w.todo) == 0 {
				break
			}
			w.pass(time.Duration(r.IntN(3000)) * time.Millisecond)
			if r.IntN(2) == 0 {
				who := r.IntN(5)
				for _, job := range w.lease(who, 1+r.IntN(3)) {
					open = append(open, promise{job, who})
				}
			} else if len(open) > 0 {
				i := r.IntN(len(open))
				p := open[i]
				open = slices.Delete(open, i, i+1)
				switch r.IntN(5) {
				case 0: // is killed
				case 1:
					_ = w.Release(w.who(p.who), p.job.Lease, "fails")
				case 2:
					if _, err := w.Renew(w.who(p.who), p.job.Lease); err == nil {
						open = append(open, p)
					}
				default:
					w.sign(p.who, p.job.Publication.Block.Number)
				}
			}
			for len(w.todo) > 0 && len(w.todo[0].Signers) >= threshold {
				w.todo = w.todo[1:]
			}
			w.check()
			w.checkShares()
		}
		require.Empty(t, w.todo, "seed %d", seed)
	}
}

// sign submits a right word, which the board remembers.
func (w *deskWorld) sign(i int, number uint64) {
	for j := range w.todo {
		if u := &w.todo[j]; u.Publication.Block.Number == number && !slices.Contains(u.Signers, w.who(i)) {
			u.Signers = append(u.Signers, w.who(i))
		}
	}
	w.submit(i, number, nil)
}

// checkShares: no more provers have a block for the first time than must agree, until
// patience is at its end.
func (w *deskWorld) checkShares() {
	for _, b := range w.blocks {
		first := 0
		for _, l := range b.leases {
			if !l.again {
				first++
			}
		}
		rounds := 1 + int(w.now.Sub(b.began)/w.cfg.Patience)
		require.LessOrEqual(w.t, first, w.threshold*rounds)
	}
}
