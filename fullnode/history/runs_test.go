package history

import (
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/vivace-chain/vivace/chain"
)

// An indexModel is an index and what is in it.
type indexModel struct {
	t    *testing.T
	rng  *rand.Rand
	disk *disk
	want []posting // sorted
	head uint64
}

func newIndexModel(t *testing.T, seed uint64) *indexModel {
	d, err := openDisk(t.TempDir(), testGenesis(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { d.close() })
	return &indexModel{t: t, rng: rand.New(rand.NewPCG(seed, 0)), disk: d}
}

// update runs f on the index in a transaction. The runs go through their encoding.
func (m *indexModel) update(f func(b *pages, r *runs) error) {
	m.t.Helper()
	require.NoError(m.t, m.disk.write(func(tx *bbolt.Tx) (*state, error) {
		st, err := loadState(tx)
		require.NoError(m.t, err)
		b, err := openPages(tx, bucketLogs)
		require.NoError(m.t, err)
		st = st.writable()
		return st, f(b, &st.logs)
	}))
}

func (m *indexModel) posting() posting {
	p := posting{uint64(m.rng.IntN(40)), m.head, uint32(m.rng.IntN(50))}
	switch m.rng.IntN(4) {
	case 0:
		p.key = m.rng.Uint64() >> (64 - keyBits)
	case 1:
		p.key = 1<<keyBits - 1 - p.key
	}
	return p
}

// grow adds a run of one or more blocks.
func (m *indexModel) grow(size int) {
	var postings []posting
	first := m.head + 1
	for range 1 + m.rng.IntN(3) {
		m.head++
		for range m.rng.IntN(size + 1) {
			postings = append(postings, m.posting())
		}
	}
	slices.SortFunc(postings, posting.compare)
	postings = slices.Compact(postings)
	m.want = append(m.want, postings...)
	slices.SortFunc(m.want, posting.compare)
	m.update(func(b *pages, r *runs) error { return r.add(b, postings, first, m.head) })
}

// check compares a search for every key, and the sequence of all, of blocks from
// oldest on.
func (m *indexModel) check(oldest uint64) {
	m.t.Helper()
	require.NoError(m.t, m.disk.view(func(tx *bbolt.Tx, st *state) error {
		b, err := openPages(tx, bucketLogs)
		require.NoError(m.t, err)
		var all []posting
		ids := make(map[uint32]bool)
		for _, x := range st.logs.live {
			require.False(m.t, ids[x.id], "run %d twice", x.id)
			ids[x.id] = true
			c := runCursor{pages: b, run: x.id}
			n := uint64(0)
			for err = c.seek(posting{}); err == nil && !c.end; err = c.next() {
				require.True(m.t, x.first <= c.at.block && c.at.block <= x.last)
				if c.at.block >= oldest {
					all = append(all, c.at)
				}
				n++
			}
			require.NoError(m.t, err)
			require.Equal(m.t, x.count, n)
		}
		slices.SortFunc(all, posting.compare)
		m.want = slices.DeleteFunc(m.want, func(p posting) bool { return p.block < oldest })
		require.Equal(m.t, m.want, slices.Compact(all))
		for i := 0; i < len(m.want); i++ {
			key := m.want[i].key
			var want []LogPosition
			for ; i+1 < len(m.want) && m.want[i+1].key == key; i++ {
				want = append(want, LogPosition{m.want[i].block, m.want[i].index})
			}
			want = append(want, LogPosition{m.want[i].block, m.want[i].index})
			if key > 40 && m.rng.IntN(50) > 0 {
				continue
			}
			got, err := st.logs.lookup(b, key)
			require.NoError(m.t, err)
			got = slices.DeleteFunc(got, func(p LogPosition) bool { return p.Block < oldest })
			slices.SortFunc(got, LogPosition.compare)
			require.Equal(m.t, want, slices.Compact(got))
		}
		return nil
	}))
}

// pagesLeft is how many pages the bucket has.
func (m *indexModel) pagesLeft() (n int) {
	require.NoError(m.t, m.disk.view(func(tx *bbolt.Tx, _ *state) error {
		return tx.Bucket(bucketLogs).ForEach(func(_, v []byte) error {
			n++
			require.LessOrEqual(m.t, len(v), pageSize)
			return nil
		})
	}))
	return n
}

// Whatever is merged, in whatever steps, what is found stays the same.
func TestRuns(t *testing.T) {
	for seed := range uint64(3) {
		m := newIndexModel(t, seed)
		merges := 0
		for range 80 {
			m.grow([]int{3, 50, 1000}[m.rng.IntN(3)])
			m.update(func(b *pages, r *runs) error {
				r.plan(math.MaxUint64)
				for i := 0; i < len(r.merges); {
					done, err := r.advance(b, &r.merges[i], 0, 1+m.rng.IntN(20))
					if err != nil {
						return err
					}
					if done {
						r.merges = slices.Delete(r.merges, i, i+1)
						merges++
					} else {
						i++
					}
				}
				return r.removeDead(b, m.rng.IntN(20))
			})
			if m.rng.IntN(10) == 0 {
				m.check(0)
			}
		}
		require.Greater(t, merges, 3)
		// When all is quiet no page is left of what was merged.
		m.update(func(b *pages, r *runs) error { return r.maintain(b, 0, math.MaxUint64, 1<<20) })
		m.update(func(b *pages, r *runs) error { return r.maintain(b, 0, 0, 1<<20) })
		m.check(0)
		used := 0
		require.NoError(t, m.disk.view(func(_ *bbolt.Tx, st *state) error {
			require.Empty(t, st.logs.dead)
			require.Empty(t, st.logs.merges)
			for _, x := range st.logs.live {
				used += int(x.bytes)
			}
			return nil
		}))
		require.LessOrEqual(t, m.pagesLeft()*pageSize/2, used)
	}
}

// What is about old blocks is dropped, at the latest as it would be merged.
func TestRunsDrop(t *testing.T) {
	for _, span := range []uint64{8, 1000} {
		m := newIndexModel(t, 1)
		for range 100 {
			m.grow(50)
			oldest := m.head - min(m.head, 30)
			m.update(func(b *pages, r *runs) error { return r.maintain(b, oldest, span, 10) })
			require.NoError(t, m.disk.view(func(_ *bbolt.Tx, st *state) error {
				for _, x := range st.logs.live {
					require.True(t, x.last >= oldest || x.merging)
					require.LessOrEqual(t, x.last-x.first, span)
				}
				require.Less(t, len(st.logs.live), 40)
				return nil
			}))
			m.check(oldest)
		}
		require.Less(t, m.pagesLeft(), 100)
	}
}

// A page that is not where it should be is noticed by who needs it: nothing seems not
// to be there because of it.
func TestMissingPage(t *testing.T) {
	m := newIndexModel(t, 1)
	m.grow(30_000)
	var keys [][]byte
	require.NoError(t, m.disk.view(func(tx *bbolt.Tx, _ *state) error {
		keys = keysFrom(tx.Bucket(bucketLogs), []byte{0})
		return nil
	}))
	require.Greater(t, len(keys), 5)
	at := len(keys) / 2
	_, before := readPageKey(keys[at-1])
	_, low := readPageKey(keys[at])
	_, high := readPageKey(keys[at+1])
	m.update(func(b *pages, _ *runs) error { return b.bucket.Delete(keys[at]) })
	lost := 0
	require.NoError(t, m.disk.view(func(tx *bbolt.Tx, st *state) error {
		b, err := openPages(tx, bucketLogs)
		require.NoError(t, err)
		for _, p := range m.want {
			_, err := st.logs.lookup(b, p.key)
			if p.compare(low) >= 0 && p.compare(high) < 0 {
				require.ErrorIs(t, err, chain.ErrCorrupt)
				lost++
			} else if p.key < before.key || p.key > high.key { // who needs the last of the page before looks on
				require.NoError(t, err)
			}
		}
		return nil
	}))
	require.NotZero(t, lost)
}

func TestSpans(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		var spans []span
		kept := make(map[uint64]bool)
		head := uint64(0)
		for range 30 {
			switch rng.IntN(6) {
			case 0:
				head += rng.Uint64N(3)
			case 1:
				at := rng.Uint64N(head + 2)
				spans, head = cutAfter(spans, at), min(head, at)
				for n := range kept {
					if n > at {
						delete(kept, n)
					}
				}
			case 2:
				at := rng.Uint64N(head + 1)
				spans = cutBefore(spans, at)
				for n := range kept {
					if n < at {
						delete(kept, n)
					}
				}
			}
			head++
			spans, kept[head] = extend(spans, head), true
			all := true
			from := rng.Uint64N(head + 1)
			for n := range head + 3 {
				require.Equal(t, kept[n], keeps(spans, n), "%d in %v", n, spans)
				all = all && (n < from || n > head || kept[n])
			}
			require.Equal(t, all, keepsAll(spans, from, head))
		}
	}
}
