package state

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// lockName is the file that a log locks.
const lockName = "LOCK"

// OpenLog opens the log in a directory, or begins one. It reads the whole log and
// checks it; a torn tail (see Torn or corrupt, in the format) is cut off for good.
//
// Errors match ErrCorrupt, with segment and offset, if a record is damaged that
// was durable, or a segment between two others is missing; the log is then as it
// was. vfs.ErrLocked: somebody else has the log open.
func OpenLog(cfg LogConfig) (_ *Log, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, err
	}
	lock, err := cfg.FS.Lock(filepath.Join(cfg.Dir, lockName))
	if err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg, lock: lock}
	l.idle.L = &l.mu
	defer func() {
		if err != nil {
			if l.file != nil {
				l.file.Close()
			}
			lock.Close()
		}
	}()
	if err := l.findSegments(); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	return l, nil
}

// findSegments lists the segments and removes what a crash in beginSegment left.
func (l *Log) findSegments() error {
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return err
	}
	for _, name := range names { // ascending, as fixed-width names do
		if strings.HasSuffix(name, segmentSuffix+vfs.TempSuffix) {
			if err := l.cfg.FS.Remove(filepath.Join(l.cfg.Dir, name)); err != nil {
				return err
			}
			continue
		}
		if first, ok := parseSegmentName(name); ok {
			l.segments = append(l.segments, segment{first: first})
		}
	}
	return nil
}

// recover reads all segments and leaves the last one open behind its last good
// record.
func (l *Log) recover() error {
	if len(l.segments) == 0 {
		if l.fsyncs() { // the directory may be new
			if err := vfs.MkdirAllSync(l.cfg.FS, l.cfg.Dir); err != nil {
				return err
			}
		}
		return l.beginSegment(1, 0)
	}
	for i := range l.segments {
		if err := l.recoverSegment(i); err != nil {
			return err
		}
	}
	last := l.lastSegment()
	l.before -= last.size
	file, err := l.cfg.FS.OpenReadWrite(l.path(last.first))
	if err != nil {
		return err
	}
	l.file = file
	if l.torn, err = written(file, l.tail.offset); err != nil {
		return err
	}
	return l.settle()
}

// recoverSegment checks a segment and moves l.tail behind it.
func (l *Log) recoverSegment(i int) error {
	s := &l.segments[i]
	r, err := l.openSegment(s.first)
	if err != nil {
		return err
	}
	defer r.Close()
	switch {
	case i > 0 && s.first != l.tail.next:
		return r.corrupt(0, fmt.Errorf("segment with record %d is missing before it", l.tail.next))
	case i > 0 && r.header.link != l.tail.link:
		return r.corrupt(0, fmt.Errorf("segment does not follow the one before: link %08x, want %08x", r.header.link, l.tail.link))
	}
	l.marked = false
	err = r.each(func(h recordHeader, _ []byte) error {
		l.marked = h.kind == kindMark
		return nil
	})
	if errors.Is(err, chain.ErrCorrupt) && i == len(l.segments)-1 {
		err = r.judge(err)
	}
	l.tail, s.size = r.at, r.at.offset
	l.before += s.size
	return err
}

// judge tells a torn tail, which is no error, from damage, by what follows.
func (r *segmentReader) judge(bad error) error {
	offset, err := r.witness()
	if err != nil {
		return err
	}
	if offset < 0 {
		return nil
	}
	return fmt.Errorf("%w (it was durable, says the record at byte %d)", bad, offset)
}

// written is the number of bytes from offset on to the last that is not zero. What
// follows is what the log had reserved.
func written(f vfs.File, offset int64) (n int64, err error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, min(size-offset, 64<<10))
	for at := offset; at < size; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-at)]
		if err := readAt(f, buf, at); err != nil {
			return 0, err
		}
		if used := len(bytes.TrimRight(buf, "\x00")); used > 0 {
			n = at + int64(used) - offset
		}
	}
	return n, nil
}

// settle cuts what lies behind l.tail, and makes durable what lies before it: it
// may be there only because the machine did not lose power yet, and from now on
// others may count on it.
func (l *Log) settle() error {
	size, err := l.file.Size()
	if err != nil {
		return err
	}
	if size > l.tail.offset {
		if err := l.file.Truncate(l.tail.offset); err != nil {
			return err
		}
	}
	if err := errors.Join(l.syncFile(l.file), l.syncDir()); err != nil {
		return err
	}
	l.synced, l.reserved = 0, 0
	if l.fsyncs() {
		l.synced = l.tail.next - 1
	}
	return nil
}

// TruncateAfter drops all records after lsn, durably. 0, or the one before the
// first, drops all. ErrNotFound if the log does not have lsn. A crash on the way
// leaves a log that ends at lsn or somewhere later.
func (l *Log) TruncateAfter(lsn LSN) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.syncing {
		l.idle.Wait()
	}
	switch {
	case l.err != nil:
		return l.err
	case lsn == 0:
		lsn = l.segments[0].first - 1
	case lsn+1 < l.segments[0].first || lsn >= l.tail.next:
		return fmt.Errorf("%w: log record %d, the log has %d to %d", chain.ErrNotFound, lsn, l.segments[0].first, l.tail.next-1)
	}
	return l.fail(l.truncateAfter(lsn))
}

func (l *Log) truncateAfter(lsn LSN) error {
	if err := l.file.Close(); err != nil {
		return err
	}
	l.lastSegment().size = l.tail.offset
	// From the newest to the oldest, each durable before the next: a crash must
	// not leave a gap.
	for len(l.segments) > 1 && l.lastSegment().first > lsn {
		if err := l.removeSegment(l.lastSegment().first); err != nil {
			return err
		}
		l.segments = l.segments[:len(l.segments)-1]
		l.before -= l.lastSegment().size
	}
	last := l.lastSegment()
	r, err := l.openSegment(last.first)
	if err != nil {
		return err
	}
	defer r.Close()
	r.size = last.size
	errReached := errors.New("reached")
	err = r.each(func(h recordHeader, _ []byte) error {
		l.marked = h.kind == kindMark && h.lsn <= lsn
		if h.lsn > lsn {
			return errReached
		}
		return nil
	})
	if err != nil && err != errReached {
		return err
	}
	l.tail = r.at
	if l.file, err = l.cfg.FS.OpenReadWrite(l.path(last.first)); err != nil {
		return err
	}
	return l.settle()
}

// Prune drops records before the LSN before that stand in files in which all are
// older. It never drops the newest file.
func (l *Log) Prune(before LSN) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	for len(l.segments) > 1 && l.segments[1].first <= before {
		if err := l.removeSegment(l.segments[0].first); err != nil {
			return l.fail(err)
		}
		l.before -= l.segments[0].size
		l.segments = l.segments[1:]
	}
	return nil
}

func (l *Log) removeSegment(first LSN) error {
	if err := l.cfg.FS.Remove(l.path(first)); err != nil {
		return err
	}
	return l.syncDir()
}
