package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/statediff"
)

var codecs = []struct {
	name string
	open func() chain.DiffEncoder
}{
	{"rlp", RLPDiff},
	{"rlp-zstd", RLPZstdDiff},
	{"vivace", openStatediff},
}

func openStatediff() chain.DiffEncoder { return statediff.New(statediff.Config{}) }

// miniBlocks is a workload in mini-blocks of so many transactions.
func miniBlocks(w *source[*Workload], txs int) func(testing.TB) *Stream {
	return func(tb testing.TB) *Stream {
		s, err := w.get(tb).MiniBlocks(context.Background(), txs)
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
}

func whole(w *source[*Workload]) func(testing.TB) *Stream {
	return func(tb testing.TB) *Stream { return w.get(tb).Whole() }
}

// streams of the benchmark, by name.
var streams = []struct {
	name string
	get  func(testing.TB) *Stream
}{
	{mainnetAll.name, whole(mainnetAll)},
	{miniBlocksName(erc20.name, 100), miniBlocks(erc20, 100)},
	{miniBlocksName(swaps.name, 100), miniBlocks(swaps, 100)},
}

func BenchmarkDiff(b *testing.B) {
	for _, c := range codecs {
		b.Run("impl="+c.name, func(b *testing.B) {
			for _, s := range streams {
				b.Run("op=encode/"+s.name, func(b *testing.B) { DiffEncode(b, s.get(b), c.open) })
			}
			for _, s := range streams {
				b.Run("op=decode/"+s.name, func(b *testing.B) { DiffDecode(b, s.get(b), c.open) })
			}
		})
	}
}

func TestDiffSmall(t *testing.T) {
	for _, s := range []struct {
		name string
		get  func(testing.TB) *Stream
	}{
		{mainnetSmall.name, whole(mainnetSmall)},
		{miniBlocksName(erc20Small.name, 4), miniBlocks(erc20Small, 4)},
	} {
		t.Run(s.name, func(t *testing.T) {
			stream := s.get(t)
			for _, c := range codecs {
				recordDigest(t, "diff/"+stream.Name, CheckDiff(t, stream, c.open))
				requireMetrics(t, once(t, func(b *testing.B) { DiffEncode(b, stream, c.open) }), "B/tx", "ns/update")
				requireMetrics(t, once(t, func(b *testing.B) { DiffDecode(b, stream, c.open) }), "ns/update")
			}
		})
	}
}

// lossy is a codec that forgets nonces above 0.
type lossy struct{ chain.DiffEncoder }

func (l lossy) Decode(c *chain.Changes, src []byte, prior chain.StateView) error {
	if err := l.DiffEncoder.Decode(c, src, prior); err != nil {
		return err
	}
	for i := range c.Accounts {
		c.Accounts[i].After.Nonce = 0
	}
	return nil
}

func TestDiffIsChecked(t *testing.T) {
	s := miniBlocks(erc20Small, 4)(t)
	word := failure(func(tb testing.TB) {
		CheckDiff(tb, s, func() chain.DiffEncoder { return lossy{openStatediff()} })
	})
	if !strings.Contains(word, "decodes to changes") {
		t.Fatalf("a wrong codec passes, or fails with %q", word)
	}
}
