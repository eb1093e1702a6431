package chaintest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// Stateless is the verifier's side of a Committer: a part of one state, opened
// from the witness that a Commitment made.
type Stateless interface {
	chain.StateView
	chain.Committer // Begin on the root that was opened
	// Unused matches chain.ErrSuperfluous if the witness holds a node or a code
	// that nothing so far has needed.
	Unused() error
}

// OpenStateless opens the part of the state with the given root that the nodes
// and codes of w hold.
type OpenStateless func(root common.Hash, w *chain.Witness) (Stateless, error)

// TestStateless tests the two sides of a witness against each other: the
// verifier reads the same state and computes the same root; no node or code can
// be missing, and none can be there in vain.
func TestStateless(t *testing.T, newCommitter func(t testing.TB) chain.Committer, open OpenStateless) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, chain.Committer, OpenStateless)
	}{
		{"Verify", testStatelessVerify},
		{"Minimal", testStatelessMinimal},
		{"Flipped", testStatelessFlipped},
		{"Absent", testStatelessAbsent},
		{"Concurrent", testStatelessConcurrent},
		{"Benchmark", testStatelessBenchmark},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newCommitter(t), open) })
	}
}

// A provenBlock is a block with its witness: what a prover gets, beside the
// outcome that it should find.
type provenBlock struct {
	parent, root common.Hash
	prior        ledger
	codes        map[common.Hash][]byte
	accesses     *chain.AccessSet
	changes      *chain.Changes
	witness      *chain.Witness
	// spare are trie nodes and codes of the parent state that the witness does
	// not need.
	spare chain.Witness
}

// provenBlocks calls yield with blocks on blocks.
func provenBlocks(t *testing.T, c chain.Committer, seed uint64, n int, yield func(*provenBlock)) {
	t.Helper()
	var (
		r     = newChangesRand(seed, 80, 30)
		l     = make(ledger)
		root  = chain.EmptyRoot
		codes = make(map[common.Hash][]byte)
	)
	for i := range n {
		changes := r.changes(l, 4+60/(1+i))
		accesses := r.accesses(l, changes, r.IntN(6))
		commitment := begin(t, c, root)
		apply(t, commitment, changes)
		witness := must(commitment.Witness(t.Context(), accesses))(t)
		whole := must(begin(t, c, root).Witness(t.Context(), l.everything()))(t)
		b := &provenBlock{parent: root, prior: l.clone(), codes: codes, accesses: accesses, changes: changes, witness: witness}
		b.addCodes(whole.Nodes)
		if err := l.apply(changes); err != nil {
			t.Fatal(err)
		}
		b.root = checkRoot(t, commitment, l)
		if err := commitment.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		yield(b)
		root = b.root
		for _, code := range changes.Codes {
			codes[code.Hash] = code.Bytes
		}
	}
}

// addCodes completes the witness with codes, and spare with what is not in it.
func (b *provenBlock) addCodes(nodes [][]byte) {
	for _, access := range b.accesses.Accounts {
		if a := b.prior[access.Address]; access.Code && a != nil {
			b.witness.Codes = append(b.witness.Codes, b.codes[a.CodeHash])
		}
	}
	b.witness.Normalize()
	holds := func(list [][]byte, item []byte) bool {
		return slices.ContainsFunc(list, func(x []byte) bool { return bytes.Equal(x, item) })
	}
	for _, node := range nodes {
		if !holds(b.witness.Nodes, node) {
			b.spare.Nodes = append(b.spare.Nodes, node)
		}
	}
	for _, code := range b.codes {
		if !holds(b.witness.Codes, code) {
			b.spare.Codes = append(b.spare.Codes, code)
		}
	}
	b.spare.Normalize()
}

// verify does what a prover does with w: reads all of the accesses, applies the
// changes, compares the root, and looks for what was not used.
func (b *provenBlock) verify(t testing.TB, open OpenStateless, w *chain.Witness) error {
	s, err := open(b.parent, w)
	if err != nil {
		return err
	}
	if err := b.read(t, s); err != nil {
		return err
	}
	commitment, err := s.Begin(t.Context(), b.parent)
	if err != nil {
		return err
	}
	defer commitment.Discard()
	if err := commitment.Apply(b.changes); err != nil {
		return err
	}
	root, err := commitment.Root(t.Context())
	if err != nil {
		return err
	}
	if root != b.root {
		t.Fatalf("root from the witness: got %s, want %s", root, b.root)
	}
	return s.Unused()
}

// read reads the accesses and compares them with the ledger.
func (b *provenBlock) read(t testing.TB, view chain.StateView) error {
	for _, access := range b.accesses.Accounts {
		want := b.prior[access.Address]
		a, ok, err := view.Account(access.Address)
		switch {
		case err != nil:
			return err
		case ok != (want != nil) || ok && a != want.Account || !ok && a != chain.Account{}:
			t.Fatalf("account %s: got %v (%t), want %v", access.Address, a, ok, want)
		}
		for _, key := range access.Slots {
			var wantValue uint256.Int
			if want != nil {
				wantValue = want.slots[key]
			}
			switch v, err := view.Slot(access.Address, key); {
			case err != nil:
				return err
			case v != wantValue:
				t.Fatalf("slot %s of %s: got %s, want %s", key, access.Address, &v, &wantValue)
			}
		}
		if !access.Code || want == nil {
			continue
		}
		switch code, err := view.Code(want.CodeHash); {
		case err != nil:
			return err
		case !bytes.Equal(code, b.codes[want.CodeHash]):
			t.Fatalf("code of %s: got %x", access.Address, code)
		}
	}
	return nil
}

func testStatelessVerify(t *testing.T, c chain.Committer, open OpenStateless) {
	for seed := range uint64(4) {
		provenBlocks(t, c, seed, 15, func(b *provenBlock) {
			if err := b.verify(t, open, b.witness); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// testStatelessMinimal takes each node and code of a witness away, and adds each
// that the state has besides.
func testStatelessMinimal(t *testing.T, c chain.Committer, open OpenStateless) {
	provenBlocks(t, c, 10, 12, func(b *provenBlock) {
		for i, code := range b.witness.Codes {
			w := *b.witness
			w.Codes = slices.Delete(slices.Clone(w.Codes), i, i+1)
			b.refuses(t, open, &w, chain.ErrUnknown, "missing code %x", code)
			w.Codes = append(slices.Clone(b.witness.Codes), code)
			b.refuses(t, open, &w, chain.ErrSuperfluous, "repeated code %x", code)
		}
		for i, node := range b.witness.Nodes {
			w := *b.witness
			w.Nodes = slices.Delete(slices.Clone(w.Nodes), i, i+1)
			b.refuses(t, open, &w, chain.ErrUnknown, "missing node %x", node)
			w.Nodes = append(slices.Clone(b.witness.Nodes), node)
			b.refuses(t, open, &w, chain.ErrSuperfluous, "repeated node %x", node)
		}
		for _, code := range b.spare.Codes {
			w := *b.witness
			w.Codes = append(slices.Clone(w.Codes), code)
			b.refuses(t, open, &w, chain.ErrSuperfluous, "code in vain %x", code)
		}
		for _, node := range b.spare.Nodes {
			w := *b.witness
			w.Nodes = append(slices.Clone(w.Nodes), node)
			b.refuses(t, open, &w, chain.ErrSuperfluous, "node in vain %x", node)
		}
	})
}

func (b *provenBlock) refuses(t testing.TB, open OpenStateless, w *chain.Witness, want error, what string, item []byte) {
	t.Helper()
	if err := b.verify(t, open, w); !errors.Is(err, want) {
		t.Fatalf("%s: got %v, want %v", fmt.Sprintf(what, item), err, want)
	}
}

// testStatelessFlipped flips a bit of each node and code: the flipped one is not
// the one that is missing then.
func testStatelessFlipped(t *testing.T, c chain.Committer, open OpenStateless) {
	r := newChangesRand(0, 1, 1)
	flip := func(list [][]byte, i int) [][]byte {
		list = slices.Clone(list)
		list[i] = bytes.Clone(list[i])
		list[i][r.IntN(len(list[i]))] ^= 1 << r.IntN(8)
		return list
	}
	provenBlocks(t, c, 11, 8, func(b *provenBlock) {
		for i, node := range b.witness.Nodes {
			w := *b.witness
			w.Nodes = flip(w.Nodes, i)
			b.refuses(t, open, &w, chain.ErrUnknown, "bit flipped in node %x", node)
		}
		for i, code := range b.witness.Codes {
			w := *b.witness
			w.Codes = flip(w.Codes, i)
			b.refuses(t, open, &w, chain.ErrUnknown, "bit flipped in code %x", code)
		}
	})
}

// testStatelessAbsent: absent and unknown are different answers.
func testStatelessAbsent(t *testing.T, c chain.Committer, open OpenStateless) {
	address, key := ledgerAddress(7), ledgerSlot(7)
	s := must(open(chain.EmptyRoot, new(chain.Witness)))(t)
	if _, ok, err := s.Account(address); ok || err != nil {
		t.Fatalf("account in the empty state: got %t, %v", ok, err)
	}
	if v, err := s.Slot(address, key); !v.IsZero() || err != nil {
		t.Fatalf("slot in the empty state: got %s, %v", &v, err)
	}
	if code, err := s.Code(chain.EmptyCodeHash); len(code) > 0 || err != nil {
		t.Fatalf("empty code: got %x, %v", code, err)
	}
	if err := s.Unused(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), common.Hash{1}); !errors.Is(err, chain.ErrNotFound) {
		t.Fatalf("begin on another root: got %v, want ErrNotFound", err)
	}

	l := make(ledger)
	r := newChangesRand(1, 60, 30)
	root := commit(t, c, chain.EmptyRoot, l, r.changes(l, 60))
	s = must(open(root, new(chain.Witness)))(t)
	if _, _, err := s.Account(address); !errors.Is(err, chain.ErrUnknown) {
		t.Fatalf("account in an unknown state: got %v, want ErrUnknown", err)
	}
	if _, err := s.Slot(address, key); !errors.Is(err, chain.ErrUnknown) {
		t.Fatalf("slot in an unknown state: got %v, want ErrUnknown", err)
	}
	if _, err := s.Code(common.Hash{1}); !errors.Is(err, chain.ErrUnknown) {
		t.Fatalf("unknown code: got %v, want ErrUnknown", err)
	}
	// A block that does nothing needs nothing.
	if got := must(begin(t, s, root).Root(t.Context()))(t); got != root {
		t.Fatalf("root of no changes: got %s, want %s", got, root)
	}
}

func testStatelessConcurrent(t *testing.T, c chain.Committer, open OpenStateless) {
	provenBlocks(t, c, 12, 4, func(b *provenBlock) {
		s := must(open(b.parent, b.witness))(t)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				if err := b.read(t, s); err != nil {
					t.Error(err)
				}
			})
		}
		commitment := begin(t, s, b.parent)
		apply(t, commitment, b.changes)
		root := must(commitment.Root(t.Context()))(t)
		wait.Wait()
		if root != b.root {
			t.Fatalf("root: got %s, want %s", root, b.root)
		}
		if err := s.Unused(); err != nil {
			t.Fatal(err)
		}
	})
}

// testStatelessBenchmark runs a small size of the benchmark's work.
func testStatelessBenchmark(t *testing.T, c chain.Committer, open OpenStateless) {
	block := benchmarkProvenBlock(t, c, 200, 60)
	if err := block.verify(t, open, block.witness); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkStateless measures what a prover does beside executing: open a
// witness, read what the block reads, compute the root, look for what was not
// used. The metric ns/node is the time for a trie node of the witness.
func BenchmarkStateless(b *testing.B, newCommitter func(b testing.TB) chain.Committer, open OpenStateless) {
	for _, size := range []struct{ accounts, updates int }{{1_000, 100}, {100_000, 100}, {100_000, 1_000}} {
		b.Run(fmt.Sprintf("accounts=%d/updates=%d", size.accounts, size.updates), func(b *testing.B) {
			block := benchmarkProvenBlock(b, newCommitter(b), size.accounts, size.updates)
			b.ReportAllocs()
			for b.Loop() {
				if err := block.verify(b, open, block.witness); err != nil {
					b.Fatal(err)
				}
			}
			nodes := len(block.witness.Nodes)
			b.ReportMetric(float64(nodes), "nodes")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*nodes), "ns/node")
		})
	}
}

func benchmarkProvenBlock(t testing.TB, c chain.Committer, accounts, updates int) *provenBlock {
	var (
		blocks  = newCommitterBlocks(accounts)
		l       = make(ledger)
		genesis = blocks.genesis()
		first   = begin(t, c, chain.EmptyRoot)
	)
	if err := l.apply(genesis); err != nil {
		t.Fatal(err)
	}
	apply(t, first, genesis)
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &provenBlock{parent: must(first.Root(t.Context()))(t), prior: l, changes: blocks.next(updates)}
	b.accesses = newChangesRand(0, accounts, accounts).accesses(l, b.changes, 0)
	block := begin(t, c, b.parent)
	apply(t, block, b.changes)
	b.root = must(block.Root(t.Context()))(t)
	b.witness = must(block.Witness(t.Context(), b.accesses))(t)
	return b
}
