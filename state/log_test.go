package state

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// logDir has more than one name that must become durable.
const logDir = "data/log"

func openLog(t testing.TB, fsys vfs.FS, change ...func(*LogConfig)) *Log {
	t.Helper()
	l, err := tryOpenLog(fsys, change...)
	require.NoError(t, err)
	return l
}

func tryOpenLog(fsys vfs.FS, change ...func(*LogConfig)) (*Log, error) {
	cfg := LogConfig{FS: fsys, Dir: logDir, SegmentSize: 1 << 10}
	for _, f := range change {
		f(&cfg)
	}
	return OpenLog(cfg)
}

// A record is what Replay gives.
type record struct {
	lsn     LSN
	kind    byte
	payload string
}

func replay(t testing.TB, l *Log, from LSN) []record {
	t.Helper()
	var out []record
	require.NoError(t, l.Replay(from, func(lsn LSN, kind byte, payload []byte) error {
		out = append(out, record{lsn, kind, string(payload)})
		return nil
	}))
	return out
}

func appendN(t testing.TB, l *Log, n, size int) []record {
	t.Helper()
	var out []record
	for range n {
		payload := bytes.Repeat([]byte{byte(len(out))}, size)
		lsn, err := l.Append(7, payload[:size/2], payload[size/2:])
		require.NoError(t, err)
		out = append(out, record{lsn, 7, string(payload)})
	}
	return out
}

func TestLogReplay(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	require.Equal(t, LSN(0), l.Last())
	require.Empty(t, replay(t, l, 0))
	want := appendN(t, l, 40, 100) // some segments
	require.NoError(t, l.Sync())
	require.Equal(t, want, replay(t, l, 0))
	require.Equal(t, want[16:], replay(t, l, want[16].lsn))
	require.Empty(t, replay(t, l, l.Last()+1))
	require.Greater(t, len(l.segments), 3)

	for _, from := range []LSN{l.Last() + 2, 1 << 63} {
		require.ErrorIs(t, l.Replay(from, nil), chain.ErrNotFound)
	}
	stop := errors.New("stop")
	require.Equal(t, stop, l.Replay(1, func(LSN, byte, []byte) error { return stop }))

	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Sync(), chain.ErrClosed)
	_, err := l.Append(1)
	require.ErrorIs(t, err, chain.ErrClosed)

	l = openLog(t, fsys)
	require.Equal(t, want, replay(t, l, 0))
	more := appendN(t, l, 3, 10)
	require.NoError(t, l.Close())
	l = openLog(t, fsys)
	require.Equal(t, append(want, more...), replay(t, l, 0))
	require.NoError(t, l.Close())
}

func TestLogSizeMatchesFiles(t *testing.T) {
	fsys := vfs.NewCrash(1)
	check := func(l *Log) {
		var sum int64
		for _, s := range l.segments {
			n, err := fsys.Size(l.path(s.first))
			require.NoError(t, err)
			sum += n
		}
		require.Equal(t, sum, l.Size()+max(0, l.reserved-l.tail.offset))
	}
	l := openLog(t, fsys)
	check(l)
	appendN(t, l, 40, 100)
	check(l)
	require.NoError(t, l.Prune(10))
	check(l)
	require.NoError(t, l.TruncateAfter(20))
	check(l)
	appendN(t, l, 1, 100)
	require.Greater(t, l.reserved, l.tail.offset)
	require.NoError(t, l.Close())
	l = openLog(t, fsys)
	require.Zero(t, l.reserved)
	check(l)
}

func TestLogLimits(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys, func(c *LogConfig) { c.RecordMax = 100 })
	_, err := l.Append(1, make([]byte, 60), make([]byte, 41))
	require.ErrorIs(t, err, chain.ErrTooLarge)
	_, err = l.Append(0)
	require.Error(t, err)
	want := appendN(t, l, 1, 100)
	require.Equal(t, want, replay(t, l, 0))
	require.NoError(t, l.Close())

	_, err = tryOpenLog(fsys, func(c *LogConfig) { c.RecordMax = 99 })
	require.ErrorIs(t, err, chain.ErrTooLarge, "a good record above the limit is not torn")
	l = openLog(t, fsys, func(c *LogConfig) { c.RecordMax = 100 })
	require.Equal(t, want, replay(t, l, 0))

	_, err = tryOpenLog(fsys)
	require.ErrorIs(t, err, vfs.ErrLocked)
	_, err = OpenLog(LogConfig{FS: fsys})
	require.Error(t, err, "no directory")
	_, err = tryOpenLog(vfs.NewCrash(1), func(c *LogConfig) { c.RecordMax = recordMaxLimit + 1 })
	require.Error(t, err)
}

func TestLogTruncateAfterAndPrune(t *testing.T) {
	for _, keep := range []LSN{0, 1, 7, 8, 9, 23, 39, 40} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			fsys := vfs.NewCrash(1)
			l := openLog(t, fsys)
			want := appendN(t, l, 40, 100)
			require.NoError(t, l.TruncateAfter(keep))
			require.Equal(t, keep, l.Last())
			want = want[:keep]
			require.Equal(t, len(want), len(replay(t, l, 0)))
			lsn, err := l.Append(9, []byte("after"))
			require.NoError(t, err)
			require.Equal(t, keep+1, lsn)
			want = append(want, record{lsn, 9, "after"})
			require.Equal(t, want, replay(t, l, 0))
			require.NoError(t, l.Sync())
			l = openLog(t, fsys.Crash(vfs.LoseUnsynced))
			require.Equal(t, want, replay(t, l, 0))
		})
	}
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	want := appendN(t, l, 40, 100)
	require.ErrorIs(t, l.TruncateAfter(41), chain.ErrNotFound)
	require.NoError(t, l.Prune(0))
	require.NoError(t, l.Prune(20))
	first := l.First()
	require.Greater(t, first, LSN(1))
	require.LessOrEqual(t, first, LSN(20))
	require.Equal(t, want[first-1:], replay(t, l, 0))
	require.ErrorIs(t, l.Replay(first-1, nil), chain.ErrNotFound)
	require.ErrorIs(t, l.TruncateAfter(first-2), chain.ErrNotFound)
	require.NoError(t, l.Prune(1000), "the newest segment stays")
	require.Equal(t, want[l.First()-1:], replay(t, l, 0))
	require.NoError(t, l.Close())
	l = openLog(t, fsys)
	require.Equal(t, want[l.First()-1:], replay(t, l, 0))
	require.NoError(t, l.TruncateAfter(l.First()-1))
	require.Empty(t, replay(t, l, 0))
}

// A failed write or fsync ends the use of the log, also if the next would succeed.
func TestLogFailureSticks(t *testing.T) {
	fault := errors.New("input/output error")
	for _, kind := range []vfs.OpKind{vfs.OpSync, vfs.OpWrite, vfs.OpCreate, vfs.OpRename, vfs.OpSyncDir} {
		t.Run(string(kind), func(t *testing.T) {
			fsys := vfs.NewCrash(1)
			l := openLog(t, fsys)
			synced := appendN(t, l, 3, 100)
			require.NoError(t, l.Sync())
			fsys.Inject(func(op vfs.Op) error {
				if op.Kind == kind {
					return fault
				}
				return nil
			})
			var err error
			for i := 0; i < 20 && err == nil; i++ { // long enough to rotate
				if _, err = l.Append(1, make([]byte, 100)); err == nil && kind == vfs.OpSync {
					err = l.Sync()
				}
			}
			require.ErrorIs(t, err, fault)
			fsys.Inject(nil)
			require.ErrorIs(t, l.Sync(), fault)
			_, err = l.Append(1)
			require.ErrorIs(t, err, fault)
			require.ErrorIs(t, l.Prune(3), fault)
			require.ErrorIs(t, l.TruncateAfter(1), fault)
			require.ErrorIs(t, l.Replay(0, nil), fault)
			require.ErrorIs(t, l.Close(), fault)

			l = openLog(t, fsys.Crash(vfs.LoseUnsynced))
			require.Equal(t, synced, replay(t, l, 0)[:len(synced)])
		})
	}
}

func TestLogConcurrentAppendAndSync(t *testing.T) {
	fsys := vfs.NewCrash(1)
	l := openLog(t, fsys)
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := l.Append(byte(w+1), fmt.Appendf(nil, "%d", i)); err != nil {
					t.Error(err)
				}
				if err := l.Sync(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	l = openLog(t, fsys.Crash(vfs.LoseUnsynced))
	next := make(map[byte]int)
	for _, r := range replay(t, l, 0) {
		require.Equal(t, fmt.Sprint(next[r.kind]), r.payload)
		next[r.kind]++
	}
	for w := range writers {
		require.Equal(t, each, next[byte(w+1)])
	}
}

// slowSync is a file system whose fsync waits for the test.
type slowSync struct {
	vfs.FS
	began, end chan struct{}
}

type slowFile struct {
	vfs.File
	fs *slowSync
}

func (s *slowSync) OpenReadWrite(name string) (vfs.File, error) {
	f, err := s.FS.OpenReadWrite(name)
	return slowFile{f, s}, err
}

func (f slowFile) Sync() error {
	f.fs.began <- struct{}{}
	<-f.fs.end
	return f.File.Sync()
}

// What is appended during an fsync is one group: all who wait for it share the
// next fsync.
func TestLogSyncCoalesces(t *testing.T) {
	slow := &slowSync{FS: vfs.NewCrash(1), began: make(chan struct{}), end: make(chan struct{})}
	opened := make(chan *Log)
	go func() { opened <- openLog(t, slow) }()
	l := <-opened
	appendN(t, l, 1, 10)
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(t, l.Sync()) })
	<-slow.began
	appendN(t, l, 5, 10) // does not wait for the fsync
	const waiting = 10
	returned := make(chan error, waiting)
	for range waiting {
		wg.Go(func() { returned <- l.Sync() })
	}
	slow.end <- struct{}{}
	<-slow.began // the second
	require.Empty(t, returned, "Sync returned before the fsync that covers its records")
	slow.end <- struct{}{}
	wg.Wait() // a third fsync would hang here
	for range waiting {
		require.NoError(t, <-returned)
	}
}

// BenchmarkLog appends records of 1 KiB to a real directory, and syncs after each:
// alone, or with others who wait for the same fsync.
func BenchmarkLog(b *testing.B) {
	payload := make([]byte, 1<<10)
	open := func(b *testing.B, d Durability) *Log {
		l, err := OpenLog(LogConfig{Dir: b.TempDir(), Durability: d})
		require.NoError(b, err)
		b.Cleanup(func() { l.Close() })
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		return l
	}
	write := func(b *testing.B, l *Log) {
		_, err := l.Append(1, payload)
		if err == nil {
			err = l.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, durability := range []Durability{DurabilityNone, DurabilityFsync} {
		b.Run("op=append/durability="+durability.String()+"/writers=1", func(b *testing.B) {
			l := open(b, durability)
			for b.Loop() {
				write(b, l)
			}
		})
	}
	b.Run("op=append/durability=fsync/writers=32", func(b *testing.B) {
		l := open(b, DurabilityFsync)
		b.SetParallelism(32 / runtime.GOMAXPROCS(0))
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				write(b, l)
			}
		})
	})
	b.Run("op=open/records=10000", func(b *testing.B) {
		cfg := LogConfig{Dir: b.TempDir()}
		l, err := OpenLog(cfg)
		require.NoError(b, err)
		for range 10_000 {
			_, err := l.Append(1, payload)
			require.NoError(b, err)
		}
		require.NoError(b, l.Close())
		b.SetBytes(l.Size())
		for b.Loop() {
			l, err := OpenLog(cfg)
			require.NoError(b, err)
			require.NoError(b, l.Close())
		}
	})
}

// BenchmarkLogSync is how long an append and its fsync take, as a sequencer does them
// at a low rate: a small record each millisecond. What it finds depends on the disk,
// and on who else writes to it: compare builds in turns.
func BenchmarkLogSync(b *testing.B) {
	l, err := OpenLog(LogConfig{Dir: b.TempDir()})
	require.NoError(b, err)
	defer l.Close()
	var (
		payload = bytes.Repeat([]byte{1}, 300)
		times   []time.Duration
	)
	for b.Loop() {
		time.Sleep(time.Millisecond)
		began := time.Now()
		if _, err := l.Append(1, payload); err != nil {
			b.Fatal(err)
		}
		if err := l.Sync(); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	for _, percent := range []int{50, 90, 99} {
		b.ReportMetric(float64(times[len(times)*percent/100].Microseconds()), fmt.Sprintf("p%d-µs", percent))
	}
}
