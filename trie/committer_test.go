package trie_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/trie"
)

func newCommitter(testing.TB) chain.Committer { return trie.New(trie.Config{}) }

func TestCommitter(t *testing.T) { chaintest.TestCommitter(t, newCommitter) }

func TestStateless(t *testing.T) { chaintest.TestStateless(t, newCommitter, open) }

func open(root common.Hash, w *chain.Witness) (chaintest.Stateless, error) {
	return trie.OpenWitness(root, w)
}

func BenchmarkCommitter(b *testing.B) { chaintest.BenchmarkCommitter(b, newCommitter) }

func BenchmarkStateless(b *testing.B) { chaintest.BenchmarkStateless(b, newCommitter, open) }

// advance commits c on parent and returns the new root.
func advance(t testing.TB, committer chain.Committer, parent common.Hash, c *chain.Changes) common.Hash {
	t.Helper()
	commitment, err := committer.Begin(context.Background(), parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := commitment.Apply(c); err != nil {
		t.Fatal(err)
	}
	root, err := commitment.Root(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := commitment.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestRetain(t *testing.T) {
	for _, test := range []struct{ retain, want int }{{0, 129}, {3, 4}, {-1, 1}} {
		var (
			committer = trie.New(trie.Config{Retain: test.retain})
			scenario  = chaintest.NewScenario(rand.NewPCG(1, 0), 200, 10)
			roots     = []common.Hash{chain.EmptyRoot}
		)
		for range 140 {
			roots = append(roots, advance(t, committer, roots[len(roots)-1], scenario.Next(5)))
		}
		for i, root := range roots {
			_, err := committer.Begin(t.Context(), root)
			kept := i == 0 || i >= len(roots)-test.want // the empty state is always known
			if kept && err != nil || !kept && !errors.Is(err, chain.ErrNotFound) {
				t.Errorf("retain %d: root %d of %d: %v", test.retain, i, len(roots), err)
			}
		}
	}
}

// TestOutOfStep applies changes to a state for which they were not made.
func TestOutOfStep(t *testing.T) {
	var (
		committer = trie.New(trie.Config{})
		scenario  = chaintest.NewScenario(rand.NewPCG(2, 0), 20, 10)
		root      = advance(t, committer, chain.EmptyRoot, scenario.Next(60))
		next      = scenario.Next(10)
	)
	commitment, err := committer.Begin(t.Context(), advance(t, committer, root, next))
	if err != nil {
		t.Fatal(err)
	}
	if err := commitment.Apply(next); !errors.Is(err, chain.ErrOutOfStep) {
		t.Fatalf("apply twice: got %v, want ErrOutOfStep", err)
	}
	if _, err := commitment.Root(t.Context()); !errors.Is(err, chain.ErrOutOfStep) {
		t.Fatalf("root of a broken commitment: got %v, want ErrOutOfStep", err)
	}
	if err := commitment.Commit(t.Context()); !errors.Is(err, chain.ErrOutOfStep) {
		t.Fatalf("commit of a broken commitment: got %v, want ErrOutOfStep", err)
	}
	commitment.Discard()
}

// A dataSource is a source of random numbers that data steers: what a fuzzer
// needs to reach all that a random test reaches.
type dataSource struct {
	data []byte
	*rand.PCG
}

func (s *dataSource) Uint64() uint64 {
	v := s.PCG.Uint64()
	for i := 0; i < 8 && len(s.data) > 0; i++ {
		v ^= uint64(s.data[0]) << (56 - 8*i)
		s.data = s.data[1:]
	}
	return v
}

// FuzzApply runs a history of blocks in parts, and proves each block.
func FuzzApply(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var (
			blocks    = 2 + min(len(data)/16, 8)
			source    = &dataSource{data, rand.NewPCG(0, 0)}
			scenario  = chaintest.NewScenario(source, 24, 12)
			committer = trie.New(trie.Config{})
			root      = chain.EmptyRoot
		)
		for i := range blocks {
			parts := []*chain.Changes{scenario.Next(24), scenario.Next(i), scenario.Next(2 * i)}
			root = proveBlock(t, committer, root, parts, scenario.StateRoot())
		}
	})
}

// proveBlock applies parts on parent, verifies the outcome from the witness, and
// commits.
func proveBlock(t *testing.T, committer chain.Committer, parent common.Hash, parts []*chain.Changes, want common.Hash) common.Hash {
	t.Helper()
	commitment, err := committer.Begin(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if err := commitment.Apply(part); err != nil {
			t.Fatal(err)
		}
	}
	net, err := chain.Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	w, err := commitment.Witness(t.Context(), &chain.AccessSet{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := trie.OpenWitness(parent, w)
	if err != nil {
		t.Fatal(err)
	}
	if got := advance(t, s, parent, net); got != want {
		t.Fatalf("root from the witness: got %s, want %s", got, want)
	}
	if err := s.Unused(); err != nil {
		t.Fatal(err)
	}
	if err := commitment.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := commitment.Root(t.Context())
	if err != nil || got != want {
		t.Fatalf("root: got %s (%v), want %s", got, err, want)
	}
	return got
}
