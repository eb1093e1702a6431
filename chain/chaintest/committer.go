package chaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// TestCommitter tests an implementation of chain.Committer against the contract,
// with Ethereum's state trie as the measure: its roots must equal those of a
// trie that is computed afresh from the whole state. newCommitter returns a
// Committer that knows the empty state only, and keeps at least the last 64
// roots. Run it under the race detector too.
func TestCommitter(t *testing.T, newCommitter func(t testing.TB) chain.Committer) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, chain.Committer)
	}{
		{"Empty", testCommitterEmpty},
		{"Roots", testCommitterRoots},
		{"Forks", testCommitterForks},
		{"Staged", testCommitterStaged},
		{"ChangesAreNotKept", testCommitterChangesNotKept},
		{"WitnessIsOfTheNetChanges", testCommitterNetWitness},
		{"WitnessAltersNothing", testCommitterWitnessPure},
		{"WitnessBesideRoot", testCommitterConcurrent},
		{"Simulations", testCommitterSimulations},
		{"Context", testCommitterContext},
		{"Benchmark", testCommitterBenchmark},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newCommitter(t)) })
	}
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func begin(t testing.TB, c chain.Committer, parent common.Hash) chain.Commitment {
	t.Helper()
	return must(c.Begin(t.Context(), parent))(t)
}

func apply(t testing.TB, c chain.Commitment, changes *chain.Changes) {
	t.Helper()
	if err := c.Apply(changes); err != nil {
		t.Fatal(err)
	}
}

func checkRoot(t testing.TB, c chain.Commitment, l ledger) common.Hash {
	t.Helper()
	root := must(c.Root(t.Context()))(t)
	if want := l.root(); root != want {
		t.Fatalf("root of %d accounts: got %s, want %s", len(l), root, want)
	}
	return root
}

// commit applies and commits c on parent, and to l, and returns the root.
func commit(t testing.TB, committer chain.Committer, parent common.Hash, l ledger, c *chain.Changes) common.Hash {
	t.Helper()
	commitment := begin(t, committer, parent)
	apply(t, commitment, c)
	if err := l.apply(c); err != nil {
		t.Fatal(err)
	}
	root := checkRoot(t, commitment, l)
	if err := commitment.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return root
}

func testCommitterEmpty(t *testing.T, c chain.Committer) {
	for range 2 { // the second time it was committed
		commitment := begin(t, c, chain.EmptyRoot)
		if root := checkRoot(t, commitment, nil); root != chain.EmptyRoot {
			t.Fatalf("empty state: got %s, want %s", root, chain.EmptyRoot)
		}
		if err := commitment.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Begin(t.Context(), common.Hash{1}); !errors.Is(err, chain.ErrNotFound) {
		t.Fatalf("unknown root: got %v, want ErrNotFound", err)
	}
}

// testCommitterRoots applies blocks of several parts, now and then asks for the
// root between parts, and gives some blocks up and does others instead.
func testCommitterRoots(t *testing.T, c chain.Committer) {
	for seed := range uint64(8) {
		var (
			r    = newChangesRand(seed, 4<<seed, 40)
			l    = make(ledger)
			root = chain.EmptyRoot
		)
		for range 20 {
			next := l.clone()
			commitment := begin(t, c, root)
			for range r.IntN(4) {
				changes := r.changes(next, 1+r.IntN(20))
				apply(t, commitment, changes)
				if err := next.apply(changes); err != nil {
					t.Fatal(err)
				}
				if r.IntN(3) == 0 {
					checkRoot(t, commitment, next)
				}
			}
			if r.IntN(4) == 0 {
				commitment.Discard()
				continue
			}
			if r.IntN(2) == 0 { // Commit does not need Root before it
				checkRoot(t, commitment, next)
			}
			if err := commitment.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			root, l = checkRoot(t, commitment, next), next
		}
		empty := l.clone()
		var clearing chain.Changes
		for address, a := range l {
			clearing.Accounts = append(clearing.Accounts, chain.AccountChange{Address: address, Existed: true, Before: a.Account})
		}
		clearing.Normalize()
		if got := commit(t, c, root, empty, &clearing); got != chain.EmptyRoot {
			t.Fatalf("all accounts destroyed: got %s, want %s", got, chain.EmptyRoot)
		}
	}
}

// testCommitterForks grows a tree of states: each block goes on top of any
// earlier one.
func testCommitterForks(t *testing.T, c chain.Committer) {
	type version struct {
		root common.Hash
		ledger
	}
	var (
		r        = newChangesRand(1, 60, 40)
		versions = []version{{chain.EmptyRoot, make(ledger)}}
	)
	for range 60 {
		parent := versions[r.IntN(len(versions))]
		l := parent.clone()
		root := commit(t, c, parent.root, l, r.changes(l, 10))
		versions = append(versions, version{root, l})
	}
	for _, v := range versions {
		checkRoot(t, begin(t, c, v.root), v.ledger)
	}
}

func testCommitterStaged(t *testing.T, c chain.Committer) {
	var (
		ctx = t.Context()
		r   = newChangesRand(2, 60, 40)
		l   = make(ledger)
	)
	parent := commit(t, c, chain.EmptyRoot, l, r.changes(l, 40))

	one, two := begin(t, c, parent), begin(t, c, parent)
	first, second := r.changes(l, 20), r.changes(l, 20)
	apply(t, one, first)
	apply(t, two, second)
	after, other := l.clone(), l.clone()
	if err := errors.Join(after.apply(first), other.apply(second)); err != nil {
		t.Fatal(err)
	}
	staged := checkRoot(t, one, after)
	checkRoot(t, two, other)
	if _, err := c.Begin(ctx, staged); !errors.Is(err, chain.ErrNotFound) {
		t.Fatalf("begin on a root that was not committed: got %v, want ErrNotFound", err)
	}

	two.Discard()
	two.Discard()
	if err := two.Apply(second); !errors.Is(err, chain.ErrClosed) {
		t.Fatalf("apply after discard: got %v, want ErrClosed", err)
	}
	if err := two.Commit(ctx); !errors.Is(err, chain.ErrClosed) {
		t.Fatalf("commit after discard: got %v, want ErrClosed", err)
	}
	if _, err := two.Root(ctx); !errors.Is(err, chain.ErrClosed) {
		t.Fatalf("root after discard: got %v, want ErrClosed", err)
	}
	if _, err := two.Witness(ctx, new(chain.AccessSet)); !errors.Is(err, chain.ErrClosed) {
		t.Fatalf("witness after discard: got %v, want ErrClosed", err)
	}

	if err := one.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	one.Discard()
	checkRoot(t, one, after)
	checkRoot(t, begin(t, c, staged), after)
	checkRoot(t, begin(t, c, parent), l)
	if err := one.Apply(second); !errors.Is(err, chain.ErrClosed) {
		t.Fatalf("apply after commit: got %v, want ErrClosed", err)
	}
}

func testCommitterChangesNotKept(t *testing.T, c chain.Committer) {
	var (
		r = newChangesRand(3, 60, 40)
		l = make(ledger)
	)
	root := commit(t, c, chain.EmptyRoot, l, r.changes(l, 60))
	changes := r.changes(l, 30)
	after := l.clone()
	if err := after.apply(changes); err != nil {
		t.Fatal(err)
	}
	kept, mangled := begin(t, c, root), begin(t, c, root)
	apply(t, kept, changes)
	apply(t, mangled, changes)
	none := new(chain.AccessSet) // what the witness holds is due to the changes
	want := must(kept.Witness(t.Context(), none))(t)
	for i := range changes.Accounts {
		a := &changes.Accounts[i]
		clear(a.Slots)
		*a = chain.AccountChange{}
	}
	checkRoot(t, mangled, after)
	sameWitness(t, must(mangled.Witness(t.Context(), none))(t), want)
}

func sameWitness(t testing.TB, got, want *chain.Witness) {
	t.Helper()
	if !slices.EqualFunc(got.Nodes, want.Nodes, bytes.Equal) {
		t.Fatalf("witness: got %d nodes, want others, %d", len(got.Nodes), len(want.Nodes))
	}
}

// testCommitterNetWitness compares the witness of a block in parts with that of
// the block in one piece, which is how a verifier computes the root.
func testCommitterNetWitness(t *testing.T, c chain.Committer) {
	var (
		r    = newChangesRand(4, 60, 20)
		l    = make(ledger)
		root = chain.EmptyRoot
	)
	for range 30 {
		var (
			parts      []*chain.Changes
			next       = l.clone()
			inParts    = begin(t, c, root)
			inOnePiece = begin(t, c, root)
		)
		for range 1 + r.IntN(5) {
			changes := r.changes(next, 20)
			parts = append(parts, changes)
			apply(t, inParts, changes)
			if err := next.apply(changes); err != nil {
				t.Fatal(err)
			}
			if r.IntN(4) == 0 {
				checkRoot(t, inParts, next)
			}
		}
		net := must(chain.Merge(parts...))(t)
		apply(t, inOnePiece, net)
		accesses := r.accesses(l, net, 3)
		w := must(inOnePiece.Witness(t.Context(), accesses))(t)
		if !slices.IsSortedFunc(w.Nodes, bytes.Compare) || len(w.Headers)+len(w.Codes) > 0 {
			t.Fatal("witness is not in canonical form, or not of nodes alone")
		}
		sameWitness(t, must(inParts.Witness(t.Context(), accesses))(t), w)
		checkRoot(t, inParts, next)
		if err := inOnePiece.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		root, l = checkRoot(t, inOnePiece, next), next
	}
}

func testCommitterWitnessPure(t *testing.T, c chain.Committer) {
	var (
		r = newChangesRand(5, 60, 20)
		l = make(ledger)
	)
	root := commit(t, c, chain.EmptyRoot, l, r.changes(l, 60))
	changes := r.changes(l, 30)
	next := l.clone()
	commitment := begin(t, c, root)
	apply(t, commitment, changes)
	if err := next.apply(changes); err != nil {
		t.Fatal(err)
	}
	accesses := r.accesses(l, changes, 10)
	before := must(commitment.Witness(t.Context(), accesses))(t)
	checkRoot(t, commitment, next)
	if err := commitment.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameWitness(t, must(commitment.Witness(t.Context(), accesses))(t), before)
	checkRoot(t, begin(t, c, l.root()), l)

	nothing := must(begin(t, c, root).Witness(t.Context(), &chain.AccessSet{}))(t)
	if len(nothing.Nodes) > 0 {
		t.Fatalf("witness of nothing: got %d nodes", len(nothing.Nodes))
	}
}

// testCommitterSimulations computes roots that are never committed, several at once
// on the same state, while a block is committed on it: they come to what the block
// comes to, and leave nothing behind.
func testCommitterSimulations(t *testing.T, c chain.Committer) {
	var (
		r    = newChangesRand(7, 200, 20)
		l    = make(ledger)
		root = chain.EmptyRoot
	)
	for range 5 {
		var (
			changes     = r.changes(l, 100)
			commitments = make([]chain.Commitment, 4)
			roots       = make([]common.Hash, len(commitments))
			wait        sync.WaitGroup
		)
		for i := range commitments {
			commitments[i] = begin(t, c, root)
		}
		for i, commitment := range commitments {
			wait.Go(func() {
				err := commitment.Apply(changes)
				if err == nil {
					roots[i], err = commitment.Root(context.Background())
				}
				if err == nil && i == 0 {
					err = commitment.Commit(context.Background())
				}
				commitment.Discard()
				if err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if err := l.apply(changes); err != nil {
			t.Fatal(err)
		}
		for _, got := range roots {
			if got != roots[0] {
				t.Fatalf("roots %s and %s of the same changes", got, roots[0])
			}
		}
		root = roots[0]
		next := begin(t, c, root)
		if got := checkRoot(t, next, l); got != root {
			t.Fatalf("root %s after the commit, want %s", got, root)
		}
		next.Discard()
	}
}

// testCommitterConcurrent computes the witness of a block while the next one is
// hashed, as a sequencer does.
func testCommitterConcurrent(t *testing.T, c chain.Committer) {
	var (
		r    = newChangesRand(6, 300, 20)
		l    = make(ledger)
		root = chain.EmptyRoot
		wait sync.WaitGroup
	)
	defer wait.Wait()
	for range 10 {
		changes := r.changes(l, 100)
		accesses := r.accesses(l, changes, 10)
		commitment := begin(t, c, root)
		apply(t, commitment, changes)
		if err := l.apply(changes); err != nil {
			t.Fatal(err)
		}
		root = checkRoot(t, commitment, l)
		if err := commitment.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			if _, err := commitment.Witness(context.Background(), accesses); err != nil {
				t.Error(err)
			}
		})
	}
}

func testCommitterContext(t *testing.T, c chain.Committer) {
	r := newChangesRand(7, 60, 20)
	commitment := begin(t, c, chain.EmptyRoot)
	changes := r.changes(nil, 30)
	apply(t, commitment, changes)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := commitment.Root(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("root: got %v, want context.Canceled", err)
	}
	if err := commitment.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("commit: got %v, want context.Canceled", err)
	}
	l := make(ledger)
	if err := l.apply(changes); err != nil {
		t.Fatal(err)
	}
	checkRoot(t, commitment, l)
}

// testCommitterBenchmark runs a small size of the benchmark's work and checks it.
func testCommitterBenchmark(t *testing.T, c chain.Committer) {
	var (
		blocks = newCommitterBlocks(200)
		l      = make(ledger)
		root   = chain.EmptyRoot
	)
	root = commit(t, c, root, l, blocks.genesis())
	for range 3 {
		changes := blocks.next(60)
		if err := changes.Validate(); err != nil || changes.Len() != 60 {
			t.Fatalf("got %d changes, want 60: %v", changes.Len(), err)
		}
		root = commit(t, c, root, l, changes)
	}
}

// BenchmarkCommitter measures Begin, Apply, Root and Commit of one block, for
// some sizes of the state and of the block. Half of a block's updates are
// balances, half are slots of one big contract. The metric ns/update is the time
// for one.
func BenchmarkCommitter(b *testing.B, newCommitter func(b testing.TB) chain.Committer) {
	for _, size := range []struct{ accounts, updates int }{
		{1_000, 100}, {100_000, 100}, {100_000, 1_000}, {100_000, 10_000},
	} {
		b.Run(fmt.Sprintf("accounts=%d/updates=%d", size.accounts, size.updates), func(b *testing.B) {
			benchmarkCommitter(b, newCommitter(b), size.accounts, size.updates)
		})
	}
}

func benchmarkCommitter(b *testing.B, c chain.Committer, accounts, updates int) {
	var (
		ctx    = b.Context()
		blocks = newCommitterBlocks(accounts)
		root   = chain.EmptyRoot
		run    = func(changes *chain.Changes) {
			commitment := must(c.Begin(ctx, root))(b)
			apply(b, commitment, changes)
			root = must(commitment.Root(ctx))(b)
			if err := commitment.Commit(ctx); err != nil {
				b.Fatal(err)
			}
		}
	)
	run(blocks.genesis())
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		changes := blocks.next(updates)
		b.StartTimer()
		run(changes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*updates), "ns/update")
}

// committerBlocks makes the Changes of a benchmark, the same in every run.
type committerBlocks struct {
	rand     *rand.Rand
	balances []uint256.Int
	slots    []uint256.Int // of the account at index 0
}

func newCommitterBlocks(accounts int) *committerBlocks {
	return &committerBlocks{
		rand:     rand.New(rand.NewPCG(1, 1)),
		balances: make([]uint256.Int, accounts),
		slots:    make([]uint256.Int, accounts),
	}
}

func (b *committerBlocks) account(i int) chain.Account {
	return chain.Account{Nonce: uint64(i), Balance: b.balances[i], CodeHash: chain.EmptyCodeHash}
}

func (b *committerBlocks) genesis() *chain.Changes {
	c := b.changes(len(b.balances), len(b.slots))
	for i := range c.Accounts {
		c.Accounts[i].Existed, c.Accounts[i].Before = false, chain.Account{}
	}
	c.Normalize()
	return c
}

func (b *committerBlocks) next(updates int) *chain.Changes {
	c := b.changes(updates/2, updates/2)
	c.Normalize()
	return c
}

// changes changes so many accounts, among them the one at index 0, and slots.
func (b *committerBlocks) changes(accounts, slots int) *chain.Changes {
	c := new(chain.Changes)
	for _, i := range b.sample(len(b.balances), accounts) {
		change := chain.AccountChange{Address: ledgerAddress(i), Existed: true, Exists: true, Before: b.account(i)}
		b.balances[i].AddUint64(&b.balances[i], 1+b.rand.Uint64N(1e18))
		change.After = b.account(i)
		if i == 0 {
			for _, j := range b.sample(len(b.slots), slots) {
				s := chain.SlotChange{Key: ledgerSlot(j), Before: b.slots[j]}
				b.slots[j].AddUint64(&b.slots[j], 1+b.rand.Uint64N(1e18))
				s.After = b.slots[j]
				change.Slots = append(change.Slots, s)
			}
		}
		c.Accounts = append(c.Accounts, change)
	}
	return c
}

// sample returns k numbers below n, 0 among them; all if there are not so many.
func (b *committerBlocks) sample(n, k int) []int {
	out := []int{0}
	seen := map[int]bool{0: true}
	for len(out) < min(n, k) {
		if i := b.rand.IntN(n); !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}
