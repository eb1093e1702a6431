package sequencer

import (
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// readable is the newest state that may be shown: everything in it is logged. As a
// StateView it has every acknowledged transaction.
//
// A commit group makes a new one, thousands of times a second, and few of them are
// read: so it is put together at the first read. What it is put together from is
// shared with the one before, or reading after every group would merge the whole
// mini-block each time: runs of transactions, each at least twice as long as the
// next, that are merged once and for all. A transaction is merged as often as its
// run has doubled.
type readable struct {
	env  *chain.Env // of the block that the newest of it belongs to
	mini MiniID     // the newest mini-block
	view chain.StateView
	runs []*run // of transactions acknowledged after mini, in order

	once sync.Once
	top  chain.StateView // view with runs
}

// A run is what transactions have changed, in order: those of a group, or of two
// runs, one after the other.
type run struct {
	txs   int
	group []*chain.Changes
	parts [2]*run

	once   sync.Once
	merged *chain.Changes
}

// after is r with acknowledged transactions of the open block.
func (r *readable) after(env *chain.Env, changes []*chain.Changes) *readable {
	var (
		runs = r.runs
		last = &run{txs: len(changes), group: changes}
	)
	for len(runs) > 0 && runs[len(runs)-1].txs < 2*last.txs {
		before := runs[len(runs)-1]
		runs, last = runs[:len(runs)-1], &run{txs: before.txs + last.txs, parts: [2]*run{before, last}}
	}
	// A copy: r still has what stood here.
	runs = append(runs[:len(runs):len(runs)], last)
	return &readable{env: env, mini: r.mini, view: r.view, runs: runs}
}

func (r *run) changes() *chain.Changes {
	r.once.Do(func() {
		parts := r.group
		if parts == nil {
			parts = []*chain.Changes{r.parts[0].changes(), r.parts[1].changes()}
		}
		merged, err := chain.Merge(parts...)
		if err != nil {
			panic("sequencer: changes of transactions in order do not merge: " + err.Error())
		}
		r.merged = merged
		r.group, r.parts = nil, [2]*run{} // nobody needs them any more
	})
	return r.merged
}

func (r *readable) latest() chain.StateView {
	r.once.Do(func() {
		r.top = r.view
		for _, run := range r.runs {
			r.top = chain.NewOverlay(r.top, run.changes())
		}
	})
	return r.top
}

// Account implements StateView.
func (r *readable) Account(addr common.Address) (chain.Account, bool, error) {
	return r.latest().Account(addr)
}

// Slot implements StateView.
func (r *readable) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return r.latest().Slot(addr, key)
}

// Code implements StateView.
func (r *readable) Code(hash common.Hash) ([]byte, error) { return r.latest().Code(hash) }
