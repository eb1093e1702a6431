package sequencer

import (
	"encoding/binary"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// transfers makes the changes of transactions, each from one of a few senders to an
// account of its own.
type transfers struct{ nonces [7]uint64 }

func (t *transfers) next(i int) *chain.Changes {
	account := func(nonce uint64) chain.Account {
		return chain.Account{Nonce: nonce, Balance: *uint256.NewInt(nonce), CodeHash: chain.EmptyCodeHash}
	}
	from := i % len(t.nonces)
	nonce := t.nonces[from]
	t.nonces[from]++
	c := &chain.Changes{Accounts: []chain.AccountChange{
		{Address: sender(from), Existed: nonce > 0, Exists: true, After: account(nonce + 1)},
		{Address: receiver(i), Exists: true, After: account(9)},
	}}
	if nonce > 0 {
		c.Accounts[0].Before = account(nonce)
	}
	c.Normalize()
	return c
}

func sender(i int) common.Address { return common.Address{1, byte(i)} }

func receiver(i int) (addr common.Address) {
	addr[0] = 2
	binary.BigEndian.PutUint64(addr[8:], uint64(i))
	return addr
}

// Whenever it is read, it has all groups so far and none that came later, whatever
// the groups' sizes and whoever read before.
func TestReadable(t *testing.T) {
	for _, every := range []int{1, 7, 1000} {
		var (
			txs  transfers
			n    int
			r    = &readable{view: chain.NewOverlay(nil, new(chain.Changes))}
			kept []*readable
			at   []int
		)
		for group := range 300 {
			var changes []*chain.Changes
			for range 1 + group*5%11 {
				changes = append(changes, txs.next(n))
				n++
			}
			r = r.after(nil, changes)
			require.LessOrEqual(t, len(r.runs), 12, "runs double")
			if group%every == 0 || group == 299 {
				requireTransfers(t, r, n)
			}
			kept, at = append(kept, r), append(at, n)
		}
		for i := range kept { // those that were read, and those that were not
			requireTransfers(t, kept[i], at[i])
		}
	}
}

// requireTransfers checks that the first n transfers are all that view has.
func requireTransfers(t *testing.T, view chain.StateView, n int) {
	t.Helper()
	for _, i := range []int{0, n / 2, n - 1, n} {
		_, ok, err := view.Account(receiver(i))
		require.NoError(t, err)
		require.Equal(t, i < n, ok)
	}
	for i := range 7 {
		a, _, err := view.Account(sender(i))
		require.NoError(t, err)
		require.Equal(t, (n+6-i)/7, int(a.Nonce))
	}
}

// BenchmarkReadable is a commit group of one transaction and a read after it, when
// that many are acknowledged since the last mini-block.
func BenchmarkReadable(b *testing.B) {
	for _, bench := range []struct {
		name string
		txs  int
	}{{"txs=10", 10}, {"txs=600", 600}, {"txs=10000", 10_000}} {
		b.Run(bench.name, func(b *testing.B) {
			var (
				txs   transfers
				empty = &readable{view: chain.NewOverlay(nil, new(chain.Changes))}
				all   = make([]*chain.Changes, 2*bench.txs)
			)
			for i := range all {
				all[i] = txs.next(i)
			}
			b.ReportAllocs()
			full := empty.after(nil, all[:bench.txs])
			r, n := full, bench.txs
			for b.Loop() {
				if n == len(all) {
					r, n = full, bench.txs
				}
				r = r.after(nil, all[n:n+1])
				n++
				if _, ok, err := r.Account(receiver(n - 1)); !ok || err != nil {
					b.Fatal(n, ok, err)
				}
			}
		})
	}
}
