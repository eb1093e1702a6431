package oracle_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	gethtrie "github.com/ethereum/go-ethereum/trie"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/trie"
)

// A gethState is a state in go-ethereum's tries: what package trie must agree
// with. What it changes stays in memory; db has the nodes that it begins with.
type gethState struct {
	db       *triedb.Database
	root     common.Hash // that db has
	accounts *gethtrie.StateTrie
	storage  map[common.Address]*gethtrie.StateTrie
	dropped  []*gethtrie.StateTrie // of accounts that were destroyed
}

func newGethState(t testing.TB, root common.Hash, nodes ...[]byte) *gethState {
	disk := rawdb.NewMemoryDatabase()
	for _, node := range nodes {
		rawdb.WriteLegacyTrieNode(disk, chain.Keccak256(node), node)
	}
	s := &gethState{db: triedb.NewDatabase(disk, triedb.HashDefaults), root: root, storage: make(map[common.Address]*gethtrie.StateTrie)}
	t.Cleanup(func() { s.db.Close() })
	s.accounts = s.open(t, gethtrie.StateTrieID(root))
	return s
}

func (s *gethState) open(t testing.TB, id *gethtrie.ID) *gethtrie.StateTrie {
	t.Helper()
	tr, err := gethtrie.NewStateTrie(id, s.db)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// storageOf is the storage trie of an account with the given storage root.
func (s *gethState) storageOf(t testing.TB, address common.Address, root common.Hash) *gethtrie.StateTrie {
	if s.storage[address] == nil {
		s.storage[address] = s.open(t, gethtrie.StorageTrieID(s.root, chain.Keccak256(address[:]), root))
	}
	return s.storage[address]
}

// read reads all accesses.
func (s *gethState) read(t testing.TB, accesses *chain.AccessSet) {
	t.Helper()
	for _, access := range accesses.Accounts {
		a, err := s.accounts.GetAccount(access.Address)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range access.Slots {
			if a == nil || a.Root == types.EmptyRootHash {
				continue
			}
			if _, err := s.storageOf(t, access.Address, a.Root).GetStorage(access.Address, key[:]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// apply does to the tries what go-ethereum's StateDB would, and returns the root.
func (s *gethState) apply(t testing.TB, c *chain.Changes) common.Hash {
	t.Helper()
	for i := range c.Accounts {
		if a := &c.Accounts[i]; a.Exists {
			s.update(t, a)
		}
	}
	for i := range c.Accounts {
		if a := &c.Accounts[i]; !a.Exists {
			s.dropped = append(s.dropped, s.storage[a.Address])
			delete(s.storage, a.Address)
			if err := s.accounts.DeleteAccount(a.Address); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s.accounts.Hash()
}

func (s *gethState) update(t testing.TB, a *chain.AccountChange) {
	t.Helper()
	old, err := s.accounts.GetAccount(a.Address)
	if err != nil {
		t.Fatal(err)
	}
	root := types.EmptyRootHash
	if a.Cleared {
		s.dropped = append(s.dropped, s.storage[a.Address])
		delete(s.storage, a.Address)
	} else if old != nil {
		root = old.Root
	}
	if len(a.Slots) > 0 {
		storage := s.storageOf(t, a.Address, root)
		updateSlots(t, storage, a)
		root = storage.Hash()
	}
	err = s.accounts.UpdateAccount(a.Address, &types.StateAccount{
		Nonce: a.After.Nonce, Balance: &a.After.Balance, Root: root, CodeHash: a.After.CodeHash[:],
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
}

func updateSlots(t testing.TB, storage *gethtrie.StateTrie, a *chain.AccountChange) {
	t.Helper()
	for _, slot := range a.Slots {
		if !slot.After.IsZero() {
			if err := storage.UpdateStorage(a.Address, slot.Key[:], slot.After.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, slot := range a.Slots {
		if slot.After.IsZero() {
			if err := storage.DeleteStorage(a.Address, slot.Key[:]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// accessed are the nodes that were loaded from db, in the order of a witness.
func (s *gethState) accessed() [][]byte {
	var w chain.Witness
	for _, tr := range slices.Concat([]*gethtrie.StateTrie{s.accounts}, slices.Collect(maps.Values(s.storage)), s.dropped) {
		if tr != nil {
			w.Nodes = slices.AppendSeq(w.Nodes, maps.Values(tr.Witness()))
		}
	}
	w.Normalize()
	return w.Nodes
}

// TestTrieAgainstGeth runs random histories through both.
func TestTrieAgainstGeth(t *testing.T) {
	for _, size := range []struct{ addresses, slots, blocks, accounts int }{
		{4, 4, 200, 3}, {60, 30, 100, 20}, {5_000, 1_000, 20, 2_000},
	} {
		t.Run(fmt.Sprintf("addresses=%d", size.addresses), func(t *testing.T) {
			t.Parallel()
			var (
				scenario = chaintest.NewScenario(rand.NewPCG(1, uint64(size.addresses)), size.addresses, size.slots)
				geth     = newGethState(t, chain.EmptyRoot)
				ours     = trie.New(trie.Config{})
				root     = chain.EmptyRoot
			)
			for number := range size.blocks {
				changes := scenario.Next(size.accounts)
				want := geth.apply(t, changes)
				if root = commitBlock(t, ours, root, changes); root != want {
					t.Fatalf("block %d: got %s, want %s", number, root, want)
				}
			}
		})
	}
}

// TestTrieWitnessAgainstGeth gives our witnesses to go-ethereum: it must compute
// the same root from them, and load each node of them on the way.
func TestTrieWitnessAgainstGeth(t *testing.T) {
	var (
		scenario = chaintest.NewScenario(rand.NewPCG(3, 0), 250, 40)
		ours     = trie.New(trie.Config{})
		root     = commitBlock(t, ours, chain.EmptyRoot, scenario.Next(400))
	)
	for number := range 100 {
		changes := scenario.Next(1 + number%30)
		accesses := accessesOf(changes, number%7)
		w := witnessOf(t, ours, root, changes, accesses)
		geth := newGethState(t, root, w.Nodes...)
		geth.read(t, accesses)
		next := commitBlock(t, ours, root, changes)
		if got := geth.apply(t, changes); got != next {
			t.Fatalf("block %d: from our witness: got %s, want %s", number, got, next)
		}
		if accessed := geth.accessed(); !slices.EqualFunc(accessed, w.Nodes, bytes.Equal) {
			t.Fatalf("block %d: witness of %d nodes, %d of them needed", number, len(w.Nodes), len(accessed))
		}
		root = next
	}
}

// accessesOf is what changes touch, and so many accounts and slots besides, some
// of them absent.
func accessesOf(changes *chain.Changes, more int) *chain.AccessSet {
	var s chain.AccessSet
	for i := range changes.Accounts {
		access := chain.AccountAccess{Address: changes.Accounts[i].Address}
		for _, slot := range changes.Accounts[i].Slots {
			access.Slots = append(access.Slots, slot.Key)
		}
		s.Accounts = append(s.Accounts, access)
	}
	for i := range byte(more) {
		s.Accounts = append(s.Accounts, chain.AccountAccess{Address: common.Address{19: 7 * i}, Slots: []common.Hash{{31: i}, {31: 7 * i}}})
	}
	s.Normalize()
	return &s
}

func witnessOf(t testing.TB, c chain.Committer, parent common.Hash, changes *chain.Changes, accesses *chain.AccessSet) *chain.Witness {
	t.Helper()
	commitment, err := c.Begin(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	defer commitment.Discard()
	if err := commitment.Apply(changes); err != nil {
		t.Fatal(err)
	}
	w, err := commitment.Witness(t.Context(), accesses)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestTrieMapAgainstGeth does the same to plain tries, whose keys may be the
// prefix of another.
func TestTrieMapAgainstGeth(t *testing.T) {
	for seed := range uint64(50) {
		var (
			r    = rand.New(rand.NewPCG(seed, 0))
			ours trie.Map
			geth = gethtrie.NewEmpty(triedb.NewDatabase(rawdb.NewMemoryDatabase(), nil))
		)
		for range 200 {
			key := make([]byte, r.IntN(4))
			for i := range key {
				key[i] = byte(r.IntN(3)) << (4 * r.IntN(2))
			}
			value := make([]byte, r.IntN(40))
			for i := range value {
				value[i] = byte(r.Uint32())
			}
			ours.Put(key, value)
			if err := geth.Update(key, value); err != nil {
				t.Fatal(err)
			}
			if got, want := ours.Root(), geth.Hash(); got != want {
				t.Fatalf("seed %d: got %s, want %s", seed, got, want)
			}
		}
	}
}

// TestTrieListRootsAgainstGeth compares the roots of a block's lists.
func TestTrieListRootsAgainstGeth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	for _, n := range []int{0, 1, 2, 127, 128, 129, 255, 256, 257, 2_000} {
		var (
			raw         byteLists
			txs         []*chain.Tx
			withdrawals = []chain.Withdrawal{}
			theirs      types.Withdrawals
		)
		for i := range n {
			b := binary.BigEndian.AppendUint32(make([]byte, r.IntN(200)), uint32(i))
			raw = append(raw, b)
			txs = append(txs, chain.NewTx(b))
			w := chain.Withdrawal{Index: uint64(i), Validator: r.Uint64(), Address: common.Address{1: byte(i)}, Amount: r.Uint64()}
			withdrawals = append(withdrawals, w)
			theirs = append(theirs, &types.Withdrawal{Index: w.Index, Validator: w.Validator, Address: w.Address, Amount: w.Amount})
		}
		if got, want := trie.TransactionsRoot(txs), types.DeriveSha(raw, gethtrie.NewStackTrie(nil)); got != want {
			t.Errorf("%d transactions: got %s, want %s", n, got, want)
		}
		if got, want := trie.WithdrawalsRoot(withdrawals), types.DeriveSha(theirs, gethtrie.NewStackTrie(nil)); got != want {
			t.Errorf("%d withdrawals: got %s, want %s", n, got, want)
		}
		receipts, gethReceipts := someReceipts(r, n)
		if got, want := trie.ReceiptsRoot(receipts), types.DeriveSha(gethReceipts, gethtrie.NewStackTrie(nil)); got != want {
			t.Errorf("%d receipts: got %s, want %s", n, got, want)
		}
	}
}

// byteLists is a types.DerivableList of encoded items.
type byteLists [][]byte

func (l byteLists) Len() int { return len(l) }

func (l byteLists) EncodeIndex(i int, w *bytes.Buffer) { w.Write(l[i]) }

// someReceipts returns n receipts, and the same as go-ethereum has them.
func someReceipts(r *rand.Rand, n int) (ours []*chain.Receipt, theirs types.Receipts) {
	for i := range n {
		o := &chain.Receipt{Type: uint8(i % 5), Status: uint64(i % 2), CumulativeGasUsed: r.Uint64()}
		for j := range r.IntN(3) {
			o.Logs = append(o.Logs, chain.Log{
				Address: common.Address{byte(j)}, Topics: make([]common.Hash, r.IntN(5)), Data: make([]byte, r.IntN(100)),
			})
		}
		o.LogsBloom = chain.LogsBloom(o.Logs)
		g := &types.Receipt{Type: o.Type, Status: o.Status, CumulativeGasUsed: o.CumulativeGasUsed}
		for _, l := range o.Logs {
			g.Logs = append(g.Logs, &types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
		}
		g.Bloom = types.CreateBloom(g)
		ours, theirs = append(ours, o), append(theirs, g)
	}
	return ours, theirs
}

// BenchmarkTrieCommit computes the root of one block after another, ours beside
// go-ethereum's tries, both in memory.
func BenchmarkTrieCommit(b *testing.B) {
	for _, size := range []struct{ addresses, slots, accounts int }{{2_000, 200, 200}, {50_000, 1_000, 5_000}} {
		var (
			blocks   []*chain.Changes
			scenario = chaintest.NewScenario(rand.NewPCG(1, 0), size.addresses, size.slots)
			updates  int
		)
		genesis := scenario.Next(2 * size.addresses)
		for range 8 {
			blocks = append(blocks, scenario.Next(size.accounts))
			updates += blocks[len(blocks)-1].Len()
		}
		name := fmt.Sprintf("addresses=%d/accounts=%d", size.addresses, size.accounts)
		b.Run("impl=vivace/"+name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				ours := trie.New(trie.Config{})
				root := commitBlock(b, ours, chain.EmptyRoot, genesis)
				b.StartTimer()
				for _, block := range blocks {
					root = commitBlock(b, ours, root, block)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*updates), "ns/update")
		})
		b.Run("impl=geth/"+name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				geth := newGethState(b, chain.EmptyRoot)
				geth.apply(b, genesis)
				b.StartTimer()
				for _, block := range blocks {
					geth.apply(b, block)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*updates), "ns/update")
		})
	}
}

// BenchmarkTrieVerify opens a witness, reads what the block reads and computes the
// root, ours beside go-ethereum's way.
func BenchmarkTrieVerify(b *testing.B) {
	var (
		scenario = chaintest.NewScenario(rand.NewPCG(1, 0), 50_000, 1_000)
		ours     = trie.New(trie.Config{})
		root     = commitBlock(b, ours, chain.EmptyRoot, scenario.Next(100_000))
		changes  = scenario.Next(300)
		accesses = accessesOf(changes, 0)
		w        = witnessOf(b, ours, root, changes, accesses)
		want     = commitBlock(b, ours, root, changes)
	)
	b.Run("impl=vivace", func(b *testing.B) {
		for b.Loop() {
			s, err := trie.OpenWitness(root, w)
			if err != nil {
				b.Fatal(err)
			}
			readAll(b, s, accesses)
			if got := commitBlock(b, s, root, changes); got != want {
				b.Fatalf("got %s, want %s", got, want)
			}
			if err := s.Unused(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(w.Nodes)), "nodes")
	})
	b.Run("impl=geth", func(b *testing.B) {
		for b.Loop() {
			geth := newGethState(b, root, w.Nodes...)
			geth.read(b, accesses)
			if got := geth.apply(b, changes); got != want {
				b.Fatalf("got %s, want %s", got, want)
			}
		}
	})
}

func readAll(t testing.TB, view chain.StateView, accesses *chain.AccessSet) {
	for _, access := range accesses.Accounts {
		if _, _, err := view.Account(access.Address); err != nil {
			t.Fatal(err)
		}
		for _, key := range access.Slots {
			if _, err := view.Slot(access.Address, key); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func commitBlock(t testing.TB, c chain.Committer, parent common.Hash, changes *chain.Changes) common.Hash {
	t.Helper()
	commitment, err := c.Begin(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := commitment.Apply(changes); err != nil {
		t.Fatal(err)
	}
	root, err := commitment.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := commitment.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return root
}
