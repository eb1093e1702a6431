package state

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// Every bit of a closed log is covered: no flip goes unseen, none is taken for a
// torn tail.
func TestLogBitFlip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	want := appendN(t, l, 20, 60)
	require.NoError(t, l.Close())
	for _, s := range slices.Clone(l.segments) {
		whole := readFile(t, fsys, l.path(s.first))
		last := s.first == l.lastSegment().first
		for offset := range whole {
			if last && offset >= len(whole)-recordHeaderSize {
				break // the mark: see below
			}
			flipped := bytes.Clone(whole)
			flipped[offset] ^= 1 << rng.IntN(8)
			writeFile(t, fsys, l.path(s.first), flipped)
			_, err := tryOpenLog(fsys)
			require.ErrorIs(t, err, chain.ErrCorrupt, "segment %d, byte %d", s.first, offset)
			var at *chain.CorruptError
			require.ErrorAs(t, err, &at)
			require.Contains(t, at.What, segmentName(s.first))
			require.LessOrEqual(t, at.Offset, int64(offset))
			require.Equal(t, flipped, readFile(t, fsys, l.path(s.first)), "nothing was cut")
		}
		writeFile(t, fsys, l.path(s.first), whole)
	}
	// The mark itself has no witness, and nothing to lose.
	name := l.path(l.lastSegment().first)
	whole := readFile(t, fsys, name)
	whole[len(whole)-1] ^= 1
	writeFile(t, fsys, name, whole)
	l = openLog(t, fsys)
	require.Equal(t, want, replay(t, l, 0))
}

func TestLogMissingSegment(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	appendN(t, l, 40, 100)
	require.NoError(t, l.Close())
	require.NoError(t, fsys.Remove(l.path(l.segments[2].first)))
	_, err := tryOpenLog(fsys)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	require.ErrorContains(t, err, segmentName(l.segments[3].first))
}

// A tail torn at any byte is cut there, whatever filler stands behind.
func TestLogTornTail(t *testing.T) {
	base := vfs.NewCrash(1)
	l := openLog(t, base)
	want := appendN(t, l, 3, 50)
	require.NoError(t, l.Sync())
	synced := l.Size()
	want = append(want, appendN(t, l, 3, 50)...)
	name := l.path(1)
	whole := readFile(t, base, name)[:l.Size()]
	rng := rand.New(rand.NewPCG(2, 2))
	garbage := make([]byte, 100)
	for i := range garbage {
		garbage[i] = byte(rng.Uint32())
	}
	for cut := synced; cut < int64(len(whole)); cut++ {
		for _, filler := range [][]byte{nil, make([]byte, 100), garbage, whole[:100], whole[len(whole)-75:]} {
			fsys := vfs.NewCrash(1)
			require.NoError(t, fsys.MkdirAll(logDir))
			writeFile(t, fsys, name, append(bytes.Clone(whole[:cut]), filler...))
			l := openLog(t, fsys)
			n := 3 + int(cut-synced)/(recordHeaderSize+50)
			got := replay(t, l, 0)
			require.GreaterOrEqual(t, len(got), n)
			require.Equal(t, want[:len(got)], got, "cut at %d", cut) // filler may complete a record
			more := appendN(t, l, 1, 5)
			require.NoError(t, l.Close())
			l = openLog(t, fsys)
			require.Equal(t, append(got, more...), replay(t, l, 0))
		}
	}
}

// What was reserved is not taken for a tail that a crash tore, and is gone after each
// of the ways in which the use of a segment ends.
func TestLogReserved(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	want := appendN(t, l, 3, 50)
	name := l.path(1)
	require.Len(t, readFile(t, fsys, name), 1<<10, "up to the segment's size")
	require.NoError(t, l.Sync())
	used := l.Size()

	l = openLog(t, fsys.Crash(vfs.LoseUnsynced))
	require.Zero(t, l.Torn())
	require.Equal(t, want, replay(t, l, 0))

	fsys = fsys.Crash(vfs.LoseNothing)
	whole := readFile(t, fsys, name)
	whole[used+100] = 1
	writeFile(t, fsys, name, whole)
	l = openLog(t, fsys)
	require.Equal(t, int64(101), l.Torn())
	require.Equal(t, want, replay(t, l, 0))
	require.Len(t, readFile(t, fsys, name), int(used))

	want = append(want, appendN(t, l, 40, 50)...)
	first := readFile(t, fsys, name)
	require.NotZero(t, first[len(first)-1], "the last byte of a payload, before another segment")
	require.NoError(t, l.Close())
	size := l.Size()
	l = openLog(t, fsys)
	require.Equal(t, size, l.Size())
	require.Equal(t, want, replay(t, l, 0))

	l = openLog(t, vfs.NewCrash(1), func(c *LogConfig) { c.Durability = DurabilityNone })
	appendN(t, l, 1, 50)
	n, err := l.file.Size()
	require.NoError(t, err)
	require.Equal(t, l.Size(), n, "nothing to gain without fsync")
}

// A disk may keep a later sector and lose an earlier one, of records that were
// never synced: a tail, not damage.
func TestLogHoleInUnsyncedTail(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	want := appendN(t, l, 3, 50)
	require.NoError(t, l.Sync())
	hole := l.Size()
	appendN(t, l, 3, 50)
	name := l.path(1)
	whole := readFile(t, fsys, name)
	clear(whole[hole : hole+60])
	fsys = fsys.Crash(vfs.LoseNothing)
	writeFile(t, fsys, name, whole)
	l = openLog(t, fsys)
	require.Equal(t, want, replay(t, l, 0))
	require.Equal(t, hole, l.Size())
}

func readFile(t testing.TB, fsys vfs.FS, name string) []byte {
	t.Helper()
	f, err := fsys.Open(name)
	require.NoError(t, err)
	defer f.Close()
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	require.NoError(t, readAt(f, b, 0))
	return b
}

func writeFile(t testing.TB, fsys vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

// A record that is good in itself, and has the right number and place, but comes
// from another history of the same segment, is not let in.
func TestLogForeignRecord(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	want := appendN(t, l, 3, 50)
	name, at := l.path(1), l.Size()
	_, err := l.Append(1, []byte("one history"))
	require.NoError(t, err)
	split := l.Size()
	appendN(t, l, 1, 50)
	require.NoError(t, l.Sync())
	old := readFile(t, fsys, name)
	require.NoError(t, l.TruncateAfter(3))
	_, err = l.Append(1, []byte("the other 1"))
	require.NoError(t, err)
	require.Equal(t, split, l.Size())
	want = append(want, record{4, 1, "the other 1"})
	fsys = fsys.Crash(vfs.LoseNothing)
	writeFile(t, fsys, name, append(readFile(t, fsys, name), old[split:]...))
	l = openLog(t, fsys)
	require.Equal(t, want, replay(t, l, 0))
	require.Greater(t, l.Size(), at)
}

// The same for a whole segment.
func TestLogForeignSegment(t *testing.T) {
	var logs [2]*Log
	var systems [2]*vfs.CrashFS
	for i := range logs {
		systems[i] = vfs.NewCrash(uint64(i))
		logs[i] = openLog(t, systems[i])
		appendN(t, logs[i], 40, 100)
		require.NoError(t, logs[i].Close())
	}
	require.Equal(t, logs[0].segments[2].first, logs[1].segments[2].first)
	name := logs[0].path(logs[0].segments[2].first)
	writeFile(t, systems[0], name, readFile(t, systems[1], name))
	_, err := tryOpenLog(systems[0])
	require.ErrorIs(t, err, chain.ErrCorrupt)
	require.ErrorContains(t, err, segmentName(logs[0].segments[2].first))
}
