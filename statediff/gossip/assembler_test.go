package gossip

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

// wide lets the whole sample be held.
var wide = Limits{BlocksAhead: 100}

// Whatever the order, and however often each comes: after each message, exactly that
// was given out which the reference can sort.
func TestAnyOrder(t *testing.T) {
	feed := sampleFeed(t, 1, 3, 1, 2, 5, 1, 4, 2)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := newTrial(t, wide)
		var came []*message
		for _, i := range rng.Perm(2 * len(feed)) {
			m := feed[i%len(feed)]
			want := Taken
			if slices.Contains(came, m) {
				want = Have
			}
			require.Equal(t, want, x.add(m), "seed %d: %s", seed, m.Place)
			came = append(came, m)
			require.Len(t, x.out, len(reference(came)), "seed %d", seed)
		}
		require.Len(t, x.out, len(feed))
		require.Empty(t, x.Evidence())
		require.Zero(t, x.Stats().HeldBytes)
		require.EqualValues(t, len(feed), x.Stats().Given)
	}
}

// absent are the places of the feed of which somebody should be asked: not there, and
// before something that is known. Of headers those whose absence holds up a frame, or
// that something later shows to exist.
func absent(feed, came []*message) (list []chain.Place) {
	var newest chain.Place
	for _, m := range came {
		newest = later(newest, m.Place)
	}
	for _, m := range feed {
		if slices.Contains(came, m) || newest.Before(m.Place) {
			continue
		}
		after := chain.Place{Number: m.Place.Number + 1}
		blocked := slices.ContainsFunc(came, func(c *message) bool {
			return c.Place.Number == after.Number && (c.Frame == nil || c.Frame.Last) || c.Place.Number > after.Number
		})
		if m.Frame != nil || blocked {
			list = append(list, m.Place)
		}
	}
	return list
}

func covers(ranges []span, p chain.Place) bool {
	return slices.ContainsFunc(ranges, func(r span) bool { return !p.Before(r.From) && p.Before(r.To) })
}

// What is lost is named, and nothing that is there is asked for.
func TestMissing(t *testing.T) {
	feed := sampleFeed(t, 1, 3, 1, 2, 5, 1, 4, 2)
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 2))
		x := newTrial(t, wide)
		var came []*message
		for _, i := range rng.Perm(len(feed))[:rng.IntN(len(feed)+1)] {
			x.add(feed[i])
			came = append(came, feed[i])
		}
		require.Empty(t, x.Missing(x.now), "nobody had time")
		missing := x.Missing(x.now.Add(time.Second))
		for _, p := range absent(feed, came) {
			require.True(t, covers(missing, p), "seed %d: %s is not in %v", seed, p, missing)
		}
		for _, m := range came {
			require.False(t, covers(missing, m.Place), "seed %d: %s is there, and in %v", seed, m.Place, missing)
		}
		for i, r := range missing {
			require.True(t, r.From.Before(r.To) && (i == 0 || !r.From.Before(missing[i-1].To)), "seed %d: %v", seed, missing)
		}
	}
}

// Two nodes of which one has everything: whatever is lost on the way, asking for what
// is missing ends with all of it, though little may be held.
func TestLossIsRepaired(t *testing.T) {
	feed := sampleFeed(t, 1, 3, 1, 2, 5, 1, 4, 2, 1, 1, 1, 3)
	server := newTrial(t, wide)
	for _, m := range feed {
		server.add(m)
	}
	for name, limits := range map[string]Limits{"wide": wide, "default": {}, "narrow": {BlocksAhead: 2, BytesAhead: 3 * 1200}} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) {
				rng := rand.New(rand.NewPCG(seed, 3))
				x := newTrial(t, limits)
				for _, i := range rng.Perm(len(feed)) {
					if rng.IntN(3) > 0 {
						x.add(feed[i])
					}
				}
				// Somebody's status says how far the feed is.
				x.Reaches(feed[len(feed)-1].Place, x.now)
				for round := 0; len(x.out) < len(feed); round++ {
					require.Less(t, round, 200, "seed %d: stands at %s, header %d", seed, x.Place(), x.Header())
					x.now = x.now.Add(time.Second)
					missing := x.Missing(x.now)
					require.NotEmpty(t, missing, "seed %d: stands at %s, header %d", seed, x.Place(), x.Header())
					for _, r := range missing {
						answer, err := server.Since(r.From, 4, 1<<20)
						require.NoError(t, err)
						for _, m := range answer {
							if rng.IntN(3) > 0 {
								x.add(m)
							}
						}
					}
				}
				require.Empty(t, x.Missing(x.now.Add(time.Hour)))
			}
		})
	}
}

func TestPatience(t *testing.T) {
	feed := sampleFeed(t, 3, 3, 1)
	x := newTrial(t, Limits{Patience: 20 * time.Millisecond})
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	x.now = at(5)
	x.add(feed[0])
	require.Empty(t, x.Missing(at(1000)), "silence says nothing")
	x.now = at(10)
	x.add(feed[2]) // 1/2, the last
	require.Empty(t, x.Missing(at(29)))
	require.Equal(t, "[1/1 to 1/2]", sprint(x.Missing(at(30))))
	x.now = at(40)
	x.add(feed[1])
	require.Empty(t, x.Missing(at(1000)), "the header may be late")
	x.now = at(50)
	x.add(feed[4]) // 2/0
	x.add(feed[5]) // 2/1
	require.Len(t, x.out, 5, "the next block does not wait for the header")
	require.Empty(t, x.Missing(at(1000)), "the header may be late")
	x.now = at(60)
	x.add(feed[6]) // 2/2, the last
	require.Len(t, x.out, 5, "the last frame does")
	require.Empty(t, x.Missing(at(79)))
	require.Equal(t, "[1/header to 2/0]", sprint(x.Missing(at(80))))
	x.now = at(90)
	x.Reaches(chain.Place{Number: 3}, x.now)
	require.Equal(t, "[1/header to 2/0]", sprint(x.Missing(at(109))))
	require.Equal(t, "[1/header to 2/0 3/0 to 3/1]", sprint(x.Missing(at(110))), "header 2 may be late")
	x.Reaches(chain.HeaderPlace(3), at(120))
	require.Equal(t, "[1/header to 2/0 2/header to 3/0 3/0 to 4/0]", sprint(x.Missing(at(140))))
	x.Reaches(chain.HeaderPlace(1000), at(150))
	require.Equal(t, "[1/header to 2/0 2/header to 3/0 3/0 to 6/0]", sprint(x.Missing(at(170))), "four blocks at once")
}

// What is further ahead may have come earlier: from then on the gap is known. But a
// header is not overdue before something shows it.
func TestPatienceOutOfOrder(t *testing.T) {
	feed := sampleFeed(t, 4, 4)
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	x := newTrial(t, Limits{Patience: 20 * time.Millisecond})
	x.Add(feed[3], at(0))
	x.Add(feed[1], at(15))
	require.Empty(t, x.Missing(at(19)))
	require.Equal(t, "[1/0 to 1/1 1/2 to 1/3]", sprint(x.Missing(at(20))))

	x = newTrial(t, Limits{Patience: 20 * time.Millisecond})
	for _, m := range feed[:4] {
		x.add(m)
	}
	x.Add(feed[6], at(0)) // 2/1
	x.Add(feed[8], at(100))
	require.Equal(t, "[2/0 to 2/1]", sprint(x.Missing(at(119))))
	require.Equal(t, "[1/header to 2/0 2/0 to 2/1 2/2 to 2/3]", sprint(x.Missing(at(120))))

	// Frames that were given out are there, also before the header is taken.
	x = newTrial(t, Limits{})
	for _, i := range []int{0, 1, 2, 3, 5, 6} {
		x.add(feed[i])
	}
	x.Add(feed[4], noon)
	x.Add(feed[8], noon)
	require.Equal(t, "[2/2 to 2/3]", sprint(x.Missing(at(1000))))
}

func sprint(ranges []span) string {
	s := "["
	for i, r := range ranges {
		if i > 0 {
			s += " "
		}
		s += r.String()
	}
	return s + "]"
}

// Two frames at one place: the first counts, and both are evidence.
func TestContradiction(t *testing.T) {
	feed := sampleFeed(t, 3, 1)
	one, other := feed[1], twin(t, feed[1], nil)
	for name, order := range map[string][]*message{
		"given out": {feed[0], one, other, other},
		"held":      {one, other, feed[0], other},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, Limits{})
			verdicts := make([]Verdict, len(order))
			for i, m := range order {
				verdicts[i] = x.add(m)
			}
			require.ElementsMatch(t, []Verdict{Taken, Taken, Contradiction, Contradiction}, verdicts)
			require.Equal(t, []*message{feed[0], one}, x.out)
			evidence := x.Evidence()
			require.Len(t, evidence, 1)
			signer, err := evidence[0].Check(nil)
			require.NoError(t, err)
			require.Equal(t, sampleKey(t).Address(), signer)
		})
	}
}

// What the frames name counts more than what was first: of a fork that came out of
// order nothing is given out, the true frame still is, and the two are evidence.
func TestForkIsPutAside(t *testing.T) {
	feed := sampleFeed(t, 3, 1)
	fork := twin(t, feed[1], func(f *chain.Frame) { f.Parent = common.Hash{1} })
	x := newTrial(t, Limits{})
	require.Equal(t, Taken, x.add(fork), "nobody knows yet")
	require.Equal(t, Taken, x.add(feed[0]))
	require.Len(t, x.out, 1)
	require.Equal(t, "[1/1 to 1/2]", sprint(x.Missing(noon.Add(time.Second))))
	require.Equal(t, Unfit, x.add(fork))
	require.Empty(t, x.Evidence())
	require.Equal(t, Taken, x.add(feed[1]))
	require.Len(t, x.out, 2)
	require.Len(t, x.Evidence(), 1)
	_, err := x.Evidence()[0].Check(nil)
	require.NoError(t, err)

	lying := headerMessage(t, 1, 1, common.Hash{1})
	require.Equal(t, Taken, x.add(lying))
	require.Equal(t, Taken, x.add(feed[2]))
	require.Len(t, x.out, 3, "the header of another last frame is not given out")
	require.Equal(t, Taken, x.add(feed[3]))
	require.Len(t, x.out, 4)
	require.Len(t, x.Evidence(), 2)
}

// A frame of an earlier term makes way for one of a later, as long as it waits.
func TestNewerTermCounts(t *testing.T) {
	feed := sampleFeed(t, 2, 2)
	newer := twin(t, feed[1], func(f *chain.Frame) { f.Term = 2 })
	x := newTrial(t, Limits{})
	require.Equal(t, Taken, x.add(feed[1]))
	require.Equal(t, Taken, x.add(newer))
	require.Equal(t, Unfit, x.add(feed[1]))
	require.Equal(t, Taken, x.add(feed[0]))
	require.Equal(t, []*message{feed[0], newer}, x.out)
	require.Equal(t, Unfit, x.add(feed[1]), "it was given out by now")
	require.Empty(t, x.Evidence(), "two terms are two signers' words")
}

// Contradictions at random places, in random order: never a mixture, always evidence.
func TestContradictionsAtRandom(t *testing.T) {
	feed := sampleFeed(t, 1, 3, 1, 2, 5, 1)
	all := slices.Clone(feed)
	for _, m := range feed {
		if m.Frame != nil {
			all = append(all, twin(t, m, nil))
		}
	}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 4))
		x := newTrial(t, wide)
		came := make(map[chain.Place]bool)
		for _, i := range rng.Perm(len(all)) {
			m := all[i]
			v := x.add(m) // whatever is given out is legal
			require.NotEqual(t, Have, v)
			if came[m.Place] && v != Unfit {
				require.NotEmpty(t, x.Evidence(), "seed %d: %s is %s", seed, m.Place, v)
			}
			came[m.Place] = true
		}
		for _, e := range x.Evidence()[:1] {
			_, err := e.Check(nil)
			require.NoError(t, err)
		}
	}
}

// A header that does not name the frame it begins after is not for this node.
func TestStartChecksHeader(t *testing.T) {
	feed := sampleFeed(t, 2, 1)
	a := newAssembler(startPoint{Place: chain.Place{Number: 2}, Parent: feed[1].Content, HeaderBefore: true}, Limits{})
	require.Equal(t, Unfit, a.Add(headerMessage(t, 1, 1, common.Hash{1}), noon))
	require.Equal(t, Taken, a.Add(feed[2], noon))
	_, ok := a.Next(noon)
	require.True(t, ok)
	_, err := a.Seek(chain.HeaderPlace(1))
	require.NoError(t, err)
}

// However much comes, little is held, and what is nearest wins.
func TestBounds(t *testing.T) {
	feed := sampleFeed(t, 9, 1, 1, 1, 1, 1)
	x := newTrial(t, Limits{BytesAhead: 2500, Evidence: 1})
	for _, m := range slices.Backward(feed) {
		v := x.add(m)
		require.Equal(t, m.Place.Number > 4, v == Far, "%s: %s", m.Place, v)
	}
	require.NotZero(t, x.Stats().Evicted)
	require.NotEmpty(t, x.out)

	x = newTrial(t, Limits{BytesAhead: 1})
	for _, m := range feed {
		require.Equal(t, Taken, x.add(m), "the next one always fits")
	}
	require.Len(t, x.out, len(feed))

	// Also when the header that is due fills what room there is.
	x = newTrial(t, Limits{BytesAhead: 1})
	a := x.assembler
	for _, m := range feed[:9] {
		x.add(m)
	}
	require.Equal(t, Taken, a.Add(feed[9], noon)) // header 1, which nobody takes yet
	require.Equal(t, Taken, a.Add(feed[10], noon))
	x.drain()
	require.Len(t, x.out, 11)

	x = newTrial(t, Limits{})
	require.Equal(t, Far, x.add(feed[len(feed)-1]))
	require.NotEmpty(t, x.Missing(noon.Add(time.Second)), "it says how far the feed is")

	x = newTrial(t, Limits{Evidence: 1})
	for _, m := range feed[:3] {
		x.add(m)
		x.add(twin(t, m, nil))
	}
	require.Len(t, x.Evidence(), 1)
	require.EqualValues(t, 3, x.Stats().Verdicts[Contradiction])
}

// A node that begins in the middle takes what follows, and nothing else.
func TestStarts(t *testing.T) {
	feed := sampleFeed(t, 2, 2, 1)
	for _, c := range []struct {
		name  string
		start startPoint
		want  []int
	}{
		{"genesis", afterGenesis(sampleGenesis), []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"after a snapshot", afterHeader(feed[2].Sealed), []int{3, 4, 5, 6, 7}},
		{"before the header", startPoint{Place: chain.Place{Number: 2}, Parent: feed[1].Content, HeaderBefore: true}, []int{2, 3, 4, 5, 6, 7}},
		{"in a block, header before", startPoint{Place: chain.Place{Number: 2, Index: 1}, HeaderBefore: true}, []int{2, 4, 5, 6, 7}},
		{"in a block", startPoint{Place: chain.Place{Number: 2, Index: 1}}, []int{4, 5, 6, 7}},
		{"of another chain", afterGenesis(common.Hash{1}), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAssembler(c.start, Limits{})
			var got []*message
			for _, m := range feed {
				a.Add(m, noon)
				for out, ok := a.Next(noon); ok; out, ok = a.Next(noon) {
					got = append(got, out)
				}
			}
			require.Len(t, got, len(c.want))
			for i, w := range c.want {
				require.Equal(t, feed[w].Place, got[i].Place)
			}
		})
	}
}
