package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// typed fails unless err is one that bad bytes may lead to.
func typed(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, chain.ErrCorrupt) && !errors.Is(err, chain.ErrTooLarge) && !errors.Is(err, chain.ErrNotFound) {
		t.Fatalf("%T: %v", err, err)
	}
}

// frugal fails if f takes much more memory than its input justifies.
func frugal(t *testing.T, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(8<<20+200*input) {
		t.Fatalf("%d bytes of input took %d bytes of memory", input, took)
	}
}

// FuzzLog opens a log of two segments with arbitrary bytes. Whatever it finds, the
// log can be used, and finds the same when it is opened again.
func FuzzLog(f *testing.F) {
	fsys := vfs.NewCrash(1)
	l := openLog(f, fsys)
	appendN(f, l, 3, 40)
	require.NoError(f, l.Sync())
	appendN(f, l, 2, 500)
	require.NoError(f, l.Close())
	one, two := readFile(f, fsys, l.path(l.segments[0].first)), readFile(f, fsys, l.path(l.segments[1].first))
	second := l.segments[1].first
	f.Add(one, two, false)
	f.Add(one, two, true)
	f.Add(one, []byte{}, false)
	f.Add(one[:len(one)-1], []byte{}, false)
	f.Add(one[:segmentHeaderSize+recordHeaderSize-1], []byte{}, false)
	f.Add(append(bytes.Clone(one), make([]byte, 100)...), []byte{}, false)
	f.Add([]byte{}, two, false)
	f.Fuzz(func(t *testing.T, one, two []byte, seal bool) {
		if seal {
			one, two = reseal(one), reseal(two)
		}
		fsys := vfs.NewCrash(1)
		require.NoError(t, fsys.MkdirAll(logDir))
		writeFile(t, fsys, logDir+"/"+segmentName(1), one)
		if len(two) > 0 {
			writeFile(t, fsys, logDir+"/"+segmentName(second), two)
		}
		small := func(c *LogConfig) { c.RecordMax = 4 << 10 }
		var (
			l   *Log
			err error
		)
		frugal(t, len(one)+len(two), func() { l, err = tryOpenLog(fsys, small) })
		if err != nil {
			typed(t, err)
			return
		}
		want := replay(t, l, 0)
		if l.Last() < 1<<63 {
			want = append(want, appendN(t, l, 1, 10)...)
		}
		require.NoError(t, l.Close())
		l, err = tryOpenLog(fsys, small)
		require.NoError(t, err)
		require.Equal(t, want, replay(t, l, 0))
	})
}

// reseal gives a segment the checksums that its bytes want, so that a fuzzer comes
// past them.
func reseal(b []byte) []byte {
	if len(b) < segmentHeaderSize {
		return b
	}
	b = bytes.Clone(b)
	copy(b, segmentMagic[:])
	start := crc32.Checksum(b[:segmentHeaderSize-4], castagnoli)
	binary.LittleEndian.PutUint32(b[segmentHeaderSize-4:], start)
	link := start
	for rest := b[segmentHeaderSize:]; len(rest) >= recordHeaderSize; {
		h := parseRecordHeader(rest)
		end := recordHeaderSize + int(h.length%1024)
		if end > len(rest) {
			break
		}
		binary.LittleEndian.PutUint32(rest[4:], h.length%1024)
		if h.link%4 != 0 { // the fuzzer may choose a wrong one
			binary.LittleEndian.PutUint32(rest[24:], link)
		}
		link = crc32.Update(start, castagnoli, rest[4:end])
		binary.LittleEndian.PutUint32(rest, link)
		rest = rest[end:]
	}
	return b
}

// FuzzStoreRecord opens a store whose log has one arbitrary record, good as a
// record, behind a good one.
func FuzzStoreRecord(f *testing.F) {
	s := scenarioStore(f, 2)
	var c chain.Changes
	require.NoError(f, s.Export(f.Context(), s.Head(), func(x *chain.Changes) error { c = *x; return nil }))
	payload, err := c.AppendBinary(appendBlockID(nil, s.Head()))
	require.NoError(f, err)
	f.Add(byte(recordCommit), payload)
	f.Add(byte(recordCommit), payload[:50])
	f.Add(byte(recordRevert), appendBlockID(nil, chain.BlockID{}))
	f.Add(byte(recordRevert), appendBlockID(nil, chain.BlockID{Number: 1}))
	f.Add(byte(recordRevert), []byte{})
	f.Add(byte(3), []byte{})
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		if kind == kindMark || len(payload) > 1<<16 {
			return
		}
		cfg := Config{FS: vfs.NewCrash(1), Dir: "state"}
		s, err := Open(cfg)
		require.NoError(t, err)
		commitChanges(t, s, chain.BlockID{Number: 1}, new(chain.Changes))
		_, err = s.log.Append(kind, payload)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		s, err = Open(cfg)
		if err != nil {
			require.ErrorIs(t, err, chain.ErrCorrupt)
			return
		}
		require.NoError(t, s.check())
	})
}

// FuzzSnapshot reads arbitrary bytes as a snapshot with a state.
func FuzzSnapshot(f *testing.F) {
	s := scenarioStore(f, 5)
	section, err := s.SnapshotSection(f.Context(), s.Head())
	require.NoError(f, err)
	var buf bytes.Buffer
	_, err = WriteSnapshot(&buf, bytesSection("other", []byte("data")), section)
	require.NoError(f, err)
	f.Add(buf.Bytes())
	f.Add(buf.Bytes()[:buf.Len()/2])
	f.Add(snapshotMagic[:])
	f.Fuzz(func(t *testing.T, b []byte) {
		into, err := Open(Config{})
		require.NoError(t, err)
		var loaded *Loaded
		frugal(t, len(b), func() {
			_, err = ReadSnapshot(bytes.NewReader(b), 1<<20, SectionReader{StateSection, func(r io.Reader) (err error) {
				loaded, err = into.Load(t.Context(), r, nil)
				return err
			}})
		})
		if err != nil {
			typed(t, err)
			return
		}
		checkLoaded(t, into, loaded)
	})
}

// FuzzStateSection reads arbitrary bytes as the state section of a snapshot,
// without the checksums around it.
func FuzzStateSection(f *testing.F) {
	s := scenarioStore(f, 5)
	f.Add(stateSection(f, s, s.Head()))
	f.Add(make([]byte, blockIDSize+4))
	f.Add(append(make([]byte, blockIDSize), 0xff, 0xff, 0xff, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		into, err := Open(Config{})
		require.NoError(t, err)
		var loaded *Loaded
		frugal(t, len(b), func() { loaded, err = into.Load(t.Context(), bytes.NewReader(b), nil) })
		if err != nil {
			typed(t, err)
			return
		}
		checkLoaded(t, into, loaded)
	})
}

// checkLoaded commits a loaded state and compares what the store then exports.
func checkLoaded(t *testing.T, s *Store, loaded *Loaded) {
	t.Helper()
	if err := loaded.Commit(t.Context()); loaded.ID() == (chain.BlockID{}) {
		require.ErrorIs(t, err, chain.ErrOutOfStep)
		return
	} else {
		require.NoError(t, err)
	}
	require.NoError(t, s.check())
	again, err := Open(Config{})
	require.NoError(t, err)
	section := stateSection(t, s, s.Head())
	loaded, err = again.Load(t.Context(), bytes.NewReader(section), nil)
	require.NoError(t, err)
	require.NoError(t, loaded.Commit(t.Context()))
	require.Equal(t, section, stateSection(t, again, again.Head()))
}
