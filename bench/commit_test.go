package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

var committers = []struct {
	name string
	open func(testing.TB) chain.Committer
}{
	{"geth-pathdb", GethPathDB},
	{"geth-resident", GethResident},
	{"vivace", openTrie},
}

func openTrie(testing.TB) chain.Committer { return trie.New(trie.Config{}) }

func BenchmarkCommit(b *testing.B) {
	roots := make(map[Updates]*Roots)
	for _, c := range committers {
		b.Run("impl="+c.name, func(b *testing.B) {
			for _, u := range []Updates{{10_000, 1_000}, {100_000, 1_000}, {100_000, 10_000}} {
				if roots[u] == nil {
					roots[u] = new(Roots)
				}
				b.Run(u.String(), func(b *testing.B) { Commit(b, u, roots[u], c.open) })
			}
		})
	}
}

func TestCommitSmall(t *testing.T) {
	for _, u := range []Updates{{30, 20}, {2_000, 200}} {
		t.Run(u.String(), func(t *testing.T) {
			roots := new(Roots)
			for _, c := range committers {
				recordDigest(t, "commit/"+u.String(), CheckCommit(t, u, 12, roots, c.open))
				requireMetrics(t, once(t, func(b *testing.B) { Commit(b, u, roots, c.open) }), "ns/update")
			}
		})
	}
}

// forgetful is a committer that leaves out the first account of every block but the
// first.
type forgetful struct {
	chain.Committer
	begun int
}

func (f *forgetful) Begin(ctx context.Context, parent common.Hash) (chain.Commitment, error) {
	c, err := f.Committer.Begin(ctx, parent)
	if f.begun++; f.begun > 1 {
		c = &forgetfulCommitment{c}
	}
	return c, err
}

type forgetfulCommitment struct{ chain.Commitment }

func (c *forgetfulCommitment) Apply(changes *chain.Changes) error {
	return c.Commitment.Apply(&chain.Changes{Accounts: changes.Accounts[1:], Codes: changes.Codes})
}

func TestCommitIsChecked(t *testing.T) {
	var (
		u     = Updates{30, 20}
		roots = new(Roots)
	)
	CheckCommit(t, u, 3, roots, GethResident)
	word := failure(func(tb testing.TB) {
		CheckCommit(tb, u, 3, roots, func(tb testing.TB) chain.Committer { return &forgetful{Committer: openTrie(tb)} })
	})
	if !strings.Contains(word, "state root") {
		t.Fatalf("a wrong committer passes, or fails with %q", word)
	}
}
