package state

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// An LSN is the number of a record in a log. Records ascend by one; the first is
// 1. The log numbers records of its own too, so a reader sees gaps. 0 stands
// before all records.
type LSN uint64

// LogConfig configures a Log. Dir must be set; all else has a default.
type LogConfig struct {
	// FS is where the log lives. Default: vfs.OS.
	FS vfs.FS
	// Dir is the log's directory, made if missing. The log locks it, and leaves
	// alone files that do not end in .log or .log.tmp.
	Dir string
	// Durability is what Sync promises. Default: DurabilityFsync.
	Durability Durability
	// SegmentSize is the size in bytes at which the log begins another file.
	// Prune drops whole files. Default: 64 MiB.
	SegmentSize int64
	// RecordMax is the largest payload in bytes that Append takes and Replay
	// returns. Default: 64 MiB. At most 1 GiB.
	RecordMax int
}

const recordMaxLimit = 1 << 30

// reserveStep is by how much the last segment is longer than what was written, at
// most, in bytes. It is also what a log takes of the disk beyond its records.
const reserveStep = 4 << 20

func (c LogConfig) withDefaults() (LogConfig, error) {
	if c.FS == nil {
		c.FS = vfs.OS
	}
	if c.SegmentSize <= 0 {
		c.SegmentSize = 64 << 20
	}
	if c.RecordMax <= 0 {
		c.RecordMax = 64 << 20
	}
	switch {
	case c.Dir == "":
		return c, errors.New("log: no directory given")
	case c.RecordMax > recordMaxLimit:
		return c, fmt.Errorf("log: RecordMax %d exceeds %d", c.RecordMax, recordMaxLimit)
	case int(c.Durability) >= len(durabilityNames):
		return c, fmt.Errorf("log: no such durability: %d", c.Durability)
	}
	return c, nil
}

// A Log is an append-only sequence of records in files. It knows nothing of their
// content: a kind, which the caller chooses, and bytes.
//
// A record exists in three degrees:
//
//   - appended: Append returned. The record was given to the operating system and
//     survives the end of this process, also by kill -9.
//   - synced: a Sync that began after Append returned without an error. With
//     DurabilityFsync the record survives a loss of power.
//   - neither: Append or Sync has not returned, or failed. After a crash the
//     record is there whole or not at all. It is never there when one before it
//     is not.
//
// Appending goes on while a Sync is under way, and callers of Sync that wait at
// the same time share one fsync: that is what makes a commit group.
//
// The first failure to write or sync ends the use of the log: which bytes the
// disk then holds is unknown, and a later fsync that succeeds would not vouch for
// them. Every later call reports that failure; Close the log and open it anew.
//
// Append, Sync, Replay, First, Last and Size may be called concurrently.
// TruncateAfter, Prune and Close may not run beside a Replay.
type Log struct {
	cfg  LogConfig
	lock io.Closer

	mu       sync.Mutex
	idle     sync.Cond // signalled when syncing becomes false
	err      error     // the first failure, or ErrClosed
	segments []segment // ascending; the last one is written to
	file     vfs.File  // of the last segment
	tail     position  // where the next record goes
	reserved int64     // length of file, if greater than tail.offset
	synced   LSN       // the newest record known to be durable
	syncing  bool      // an fsync of file runs outside mu
	marked   bool      // the last record is a mark
	buf      []byte    // of Append
	before   int64     // bytes in all segments but the last
	torn     int64     // bytes that OpenLog cut off
}

// A segment is one file of the log.
type segment struct {
	first LSN   // of its first record, also when it has none yet
	size  int64 // in bytes; of the last segment, position.offset says
}

// Append writes a record of the given kind, from 1 to 255, whose payload is the
// concatenation of parts. It does not keep them. A payload larger than RecordMax
// is ErrTooLarge and leaves the log as it was.
func (l *Log) Append(kind byte, parts ...[]byte) (LSN, error) {
	if kind == kindMark {
		return 0, errors.New("log: record kind 0 is the log's own")
	}
	size := 0
	for _, p := range parts {
		if len(p) > l.cfg.RecordMax-size {
			return 0, fmt.Errorf("%w: log record exceeds %d bytes", chain.ErrTooLarge, l.cfg.RecordMax)
		}
		size += len(p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.makeRoom(recordHeaderSize + int64(size)); err != nil {
		return 0, err
	}
	return l.append(kind, parts...)
}

// append writes a record to the last segment. The caller holds mu.
func (l *Log) append(kind byte, parts ...[]byte) (LSN, error) {
	lsn := l.tail.next
	l.buf = appendRecord(l.buf[:0], &l.tail, kind, l.synced, parts...)
	err := l.reserve()
	if err == nil {
		_, err = l.file.Write(l.buf)
	}
	if cap(l.buf) > 1<<20 {
		l.buf = nil // do not hold on to the memory of one large record
	}
	if err != nil {
		return 0, l.fail(fmt.Errorf("append record %d: %w", lsn, err))
	}
	l.marked = kind == kindMark
	return lsn, nil
}

// reserve makes the file longer than the records, a step at a time, before a record
// makes it grow. An fsync of a file that has grown must write what the file system
// knows of it too, and waits for whatever else stands in its journal; within the
// reserved part it has only the record to write.
func (l *Log) reserve() error {
	if !l.fsyncs() || l.tail.offset <= l.reserved {
		return nil
	}
	l.reserved = max(l.tail.offset, min(l.tail.offset+reserveStep, l.cfg.SegmentSize))
	return l.file.Reserve(l.reserved)
}

// trim gives back what is reserved and not used. The next fsync makes that durable.
func (l *Log) trim() error {
	if l.reserved <= l.tail.offset {
		return nil
	}
	return l.file.Truncate(l.tail.offset)
}

// makeRoom begins a new segment if the last one has no room for size bytes. The
// caller holds mu, which is released while an fsync is under way.
func (l *Log) makeRoom(size int64) error {
	for {
		switch {
		case l.err != nil:
			return l.err
		case l.tail.offset+size <= l.cfg.SegmentSize || l.tail.next == l.lastSegment().first:
			return nil
		case l.syncing:
			l.idle.Wait() // whoever waited too may have made room
		default:
			return l.rotate()
		}
	}
}

// rotate ends the last segment and begins the next. In this order a crash leaves
// either no new segment, or a whole old one before it: the only segment that can
// end in the middle of a record, or in reserved space, is the last.
func (l *Log) rotate() error {
	if err := l.trim(); err != nil {
		return l.fail(err)
	}
	if err := l.syncFile(l.file); err != nil {
		return l.fail(err)
	}
	if l.fsyncs() {
		l.synced = l.tail.next - 1
	}
	if err := l.file.Close(); err != nil {
		return l.fail(err)
	}
	l.lastSegment().size = l.tail.offset
	l.before += l.tail.offset
	return l.fail(l.beginSegment(l.tail.next, l.tail.link))
}

// beginSegment makes the file of a new last segment and opens it. The file gets its
// name when its header is durable, with either Durability: a segment without a
// whole header is corrupt, not torn.
func (l *Log) beginSegment(first LSN, link uint32) error {
	header := newSegmentHeader(first, link)
	err := vfs.WriteFile(l.cfg.FS, l.path(first), func(w io.Writer) error {
		_, err := w.Write(header.append(nil))
		return err
	})
	if err != nil {
		return err
	}
	file, err := l.cfg.FS.OpenReadWrite(l.path(first))
	if err != nil {
		return err
	}
	l.file = file
	l.segments = append(l.segments, segment{first: first})
	l.tail, l.reserved = header.position(), 0
	return nil
}

// Sync returns when every record whose Append returned before the call is as
// durable as Durability promises.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	target := l.tail.next - 1
	for l.err == nil && l.fsyncs() && l.synced < target {
		if l.syncing {
			l.idle.Wait() // that fsync may have begun too early for us
			continue
		}
		l.fsync()
	}
	return l.err
}

// fsync syncs the last segment without holding mu, so that others can append. The
// caller holds mu and has seen that no other fsync runs.
func (l *Log) fsync() {
	file, covered := l.file, l.tail.next-1
	l.syncing = true
	l.mu.Unlock()
	err := file.Sync()
	l.mu.Lock()
	l.syncing = false
	if err != nil {
		l.fail(fmt.Errorf("sync record %d: %w", covered, err))
	} else {
		l.synced = max(l.synced, covered)
	}
	l.idle.Broadcast()
}

// First is the LSN of the oldest record that the log still has; that of the next
// one if it has none.
func (l *Log) First() LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[0].first
}

// Last is the LSN of the newest record; 0 if there was none yet.
func (l *Log) Last() LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.next - 1
}

// Torn is the number of bytes that OpenLog cut off behind the last whole record, up
// to the last that is not zero: a crash tore them, and no Sync had vouched for them.
func (l *Log) Torn() int64 { return l.torn }

// Size is how many bytes the log has written to its files. With DurabilityFsync the
// last of them is up to 4 MiB longer while the log is open.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.before + l.tail.offset
}

// Close syncs and closes the log. What was not closed before a failure is closed.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.syncing {
		l.idle.Wait()
	}
	if errors.Is(l.err, chain.ErrClosed) {
		return nil
	}
	err := l.err
	if err == nil && l.fsyncs() {
		err = l.mark()
	}
	l.err = fmt.Errorf("log: %w", chain.ErrClosed)
	return errors.Join(err, l.file.Close(), l.lock.Close())
}

// mark syncs, and appends a record that says so: without one, damage to the very
// last records looks like a torn tail.
func (l *Log) mark() error {
	if err := l.syncFile(l.file); err != nil {
		return l.fail(err)
	}
	l.synced = l.tail.next - 1
	if l.marked || l.synced == 0 {
		return nil
	}
	if _, err := l.append(kindMark); err != nil {
		return err
	}
	if err := l.trim(); err != nil {
		return l.fail(err)
	}
	return l.fail(l.syncFile(l.file))
}

func (l *Log) fsyncs() bool { return l.cfg.Durability == DurabilityFsync }

func (l *Log) syncFile(f vfs.File) error {
	if !l.fsyncs() {
		return nil
	}
	return f.Sync()
}

func (l *Log) syncDir() error {
	if !l.fsyncs() {
		return nil
	}
	return l.cfg.FS.SyncDir(l.cfg.Dir)
}

// fail makes err, if it is one, the error of all calls to come.
func (l *Log) fail(err error) error {
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("log %s: %w", l.cfg.Dir, err)
	}
	return l.err
}

func (l *Log) lastSegment() *segment { return &l.segments[len(l.segments)-1] }

func (l *Log) path(first LSN) string { return filepath.Join(l.cfg.Dir, segmentName(first)) }
