package gossip

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func placesOf(list []*message) (places []string) {
	for _, m := range list {
		places = append(places, m.Place.String())
	}
	return places
}

func TestSince(t *testing.T) {
	feed := sampleFeed(t, 2, 3, 1)
	// Header 1 comes late, among the frames of block 2.
	x := newTrial(t, Limits{})
	for _, i := range []int{0, 1, 3, 4, 2, 5, 6, 7, 8} {
		x.add(feed[i])
	}
	all := []string{"1/0", "1/1", "2/0", "2/1", "1/header", "2/2", "2/header", "3/0", "3/header"}
	require.Equal(t, all, placesOf(x.out))
	for _, c := range []struct {
		from chain.Place
		want []string
	}{
		{chain.Place{Number: 1}, all},
		{chain.Place{Number: 1, Index: 1}, all[1:]},
		{chain.Place{Number: 1, Index: 9}, all[2:]},
		{chain.HeaderPlace(1), all[2:]},
		{chain.Place{Number: 2}, all[2:]},
		{chain.Place{Number: 2, Index: 1}, all[3:]},
		{chain.Place{Number: 2, Index: 2}, all[4:]}, // the header of the block before again
		{chain.HeaderPlace(2), all[6:]},
		{chain.Place{Number: 3}, all[6:]},
		{chain.HeaderPlace(3), all[8:]},
		{chain.Place{Number: 4}, all[8:]},
		{chain.Place{Number: 5}, nil},
	} {
		got, err := x.Since(c.from, 100, 1<<20)
		require.NoError(t, err)
		require.Equal(t, c.want, placesOf(got), "from %s", c.from)
	}
	_, err := x.Since(chain.Place{}, 100, 1<<20)
	require.ErrorIs(t, err, chain.ErrOutOfStep)

	// Frames between that header and the place are not wanted.
	early := newTrial(t, Limits{})
	for _, m := range feed {
		early.add(m)
	}
	got, err := early.Since(chain.Place{Number: 2, Index: 2}, 100, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []string{"1/header", "2/2", "2/header", "3/0", "3/header"}, placesOf(got))

	got, err = x.Since(chain.Place{Number: 1}, 3, 1<<20)
	require.NoError(t, err)
	require.Equal(t, all[:3], placesOf(got))
	two := len(feed[0].Envelope) + len(feed[1].Envelope)
	for bytes, n := range map[int]int{0: 1, two - 1: 1, two: 2} {
		got, err = x.Since(chain.Place{Number: 1}, 100, bytes)
		require.NoError(t, err)
		require.Equal(t, all[:n], placesOf(got), "%d bytes", bytes)
	}
}

// Who follows from any place that is kept gets all of the feed from there on, in the
// order in which it was given out, and a node that begins there can take it.
func TestFollowing(t *testing.T) {
	feed := sampleFeed(t, 1, 3, 1, 2, 5, 1, 4, 2)
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 6))
		x := newTrial(t, Limits{BlocksAhead: 100, KeepBytes: 4000 + rng.IntN(12000)})
		for _, i := range rng.Perm(len(feed)) {
			x.add(feed[i])
		}
		for _, from := range feed {
			n, err := x.Seek(from.Place)
			if from.Place.Before(x.Kept()) {
				require.ErrorIs(t, err, chain.ErrOutOfStep)
				continue
			}
			require.NoError(t, err)
			came := make(map[chain.Place]bool)
			for m, err := x.At(n); m != nil || err != nil; m, err = x.At(n) {
				require.NoError(t, err)
				came[m.Place] = true
				n++
			}
			for _, m := range feed {
				if !m.Place.Before(from.Place) {
					require.True(t, came[m.Place], "seed %d: %s, from %s", seed, m.Place, from.Place)
				}
			}
		}
	}
}

func TestRingForgets(t *testing.T) {
	feed := sampleFeed(t, 3, 2)
	x := newTrial(t, Limits{KeepBytes: 2 * (feed[0].weight() + 300)})
	require.Equal(t, chain.Place{Number: 1}, x.Kept())
	for _, m := range feed {
		x.add(m)
		require.LessOrEqual(t, x.Stats().KeptBytes, x.limits.KeepBytes)
	}
	require.Equal(t, Old, x.add(feed[0]))
	require.Equal(t, Old, x.add(twin(t, feed[0], nil)), "nobody knows any more")
	_, err := x.At(0)
	require.ErrorIs(t, err, chain.ErrOutOfStep)
	m, err := x.At(uint64(len(feed)))
	require.NoError(t, err)
	require.Nil(t, m)

	// A late header that is forgotten brings nothing back.
	x = newTrial(t, Limits{KeepBytes: 1})
	for _, i := range []int{0, 1, 2, 4, 3, 5} {
		x.add(feed[i])
	}
	require.Equal(t, chain.Place{Number: 2, Index: 1}, x.Kept())

	x = newTrial(t, Limits{KeepFor: time.Minute})
	for i, m := range feed {
		x.now = noon.Add(time.Duration(i) * 25 * time.Second)
		x.add(m)
	}
	require.Len(t, x.kept.msgs, 3, "those of the last minute")
	x = newTrial(t, Limits{KeepBytes: 1})
	for _, m := range feed {
		x.add(m)
	}
	require.Len(t, x.kept.msgs, 1, "the newest always")
}
