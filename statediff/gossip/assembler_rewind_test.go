package gossip

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// A newer term takes the feed back to any frame after one that is kept, whatever of the
// headers came by then, and goes on as if there had been nothing else.
func TestRewind(t *testing.T) {
	feed := sampleFeed(t, 2, 3, 1, 2)
	orders := map[string][]int{
		"in order":     {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		"late headers": {0, 1, 3, 4, 2, 5, 7, 6, 9, 8, 10, 11},
		"a gap":        {0, 1, 3, 4, 5, 7, 9, 10, 11}, // 2/2 waits for header 1
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			for _, old := range feed[1:] {
				x := newTrial(t, wide)
				for _, i := range order {
					x.add(feed[i])
				}
				if old.Frame == nil || !x.given(old.Place) {
					continue
				}
				newer := feedAfter(t, old.Frame.Parent, 2, old.Place.Number, 2, 1)
				if i := old.Place.Index; i > 0 { // the rest of a block
					newer[0] = twin(t, old, func(f *chain.Frame) { f.Term, f.Last = 2, true })
					newer = append(newer[:1], headerMessage(t, old.Place.Number, 2, newer[0].Content))
				}
				m := newer[0]
				require.True(t, x.takesBack(&m.Header))
				require.False(t, x.takesBack(&old.Header))
				require.Equal(t, Unfit, x.add(m), "of itself it takes nothing back")
				evidence := len(x.Evidence())
				require.True(t, x.Rewind(m))
				require.Equal(t, m.Place, x.Place())
				require.Empty(t, x.Missing(x.now.Add(time.Hour)), "what was heard of the older term counts no more")
				x.out = slices.DeleteFunc(x.out, func(o *message) bool { return !o.Place.Before(m.Place) })
				require.False(t, x.takesBack(&m.Header))
				for _, o := range feed {
					if !o.Place.Before(m.Place) {
						x.Add(m, x.now)
						require.Equal(t, Unfit, x.Add(o, x.now), "%s is of a term that is over", o.Place)
					}
				}
				for _, o := range slices.Concat(feed, newer) {
					if o.Term == 2 || o.Place.Before(m.Place) {
						x.add(o)
					}
				}
				for _, o := range newer {
					require.Contains(t, x.out, o, "%s after %s", o.Place, old.Place)
				}
				require.Len(t, x.Evidence(), evidence, "two terms do not contradict each other")
				got, err := x.Since(feed[0].Place, 1000, 1<<20)
				require.NoError(t, err)
				require.Equal(t, x.out, got)
			}
		})
	}
}

// Where the newer term goes on is not kept, or not known: then nothing is taken back.
func TestRewindElsewhere(t *testing.T) {
	feed := sampleFeed(t, 2, 3, 1)
	x := newTrial(t, wide)
	empty := frameMessage(t, &chain.Frame{Number: 1, Term: 2, Parent: sampleGenesis})
	require.False(t, x.takesBack(&empty.Header))
	for _, m := range feed {
		x.add(m)
	}
	for name, m := range map[string]*message{
		"stranger": twin(t, feed[4], func(f *chain.Frame) { f.Term, f.Parent = 2, sampleGenesis }),
		"other":    twin(t, feed[4], func(f *chain.Frame) { f.Term, f.Parent = 2, feed[4].Content }),
		"first":    twin(t, feed[0], func(f *chain.Frame) { f.Term = 2 }),
	} {
		require.True(t, x.takesBack(&m.Header), name)
		require.False(t, x.Rewind(m), name)
	}
	got, err := x.Since(feed[0].Place, 1000, 1<<20)
	require.NoError(t, err)
	require.Equal(t, x.out, got)
	x.check()
}
