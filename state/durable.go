package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// Kinds of the store's log records. Both begin with a block: its number, 8 bytes
// little-endian, and hash.
const (
	recordCommit = 1 // of that block; what Config.Encode made of its changes follows
	recordRevert = 2 // to that block
)

const blockIDSize = 8 + common.HashLength

func appendBlockID(dst []byte, id chain.BlockID) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, id.Number)
	return append(dst, id.Hash[:]...)
}

// cutBlockID splits a block id off src.
func cutBlockID(src []byte) (id chain.BlockID, rest []byte, err error) {
	if len(src) < blockIDSize {
		return id, nil, fmt.Errorf("%d bytes of a block id", len(src))
	}
	return chain.BlockID{Number: binary.LittleEndian.Uint64(src), Hash: common.Hash(src[8:blockIDSize])}, src[blockIDSize:], nil
}

// logCommit makes the commit of b durable.
func (s *Store) logCommit(b *block) (err error) {
	if s.log == nil {
		return nil
	}
	payload, err := s.cfg.Encode(appendBlockID(nil, b.id), b.layer.Changes, s.headView())
	if err != nil {
		return fmt.Errorf("encode block %s: %w", b.id, err)
	}
	b.lsn, err = s.write(recordCommit, payload)
	b.logged = s.logged
	return err
}

func (s *Store) logRevert(id chain.BlockID) error {
	if s.log == nil {
		return nil
	}
	_, err := s.write(recordRevert, appendBlockID(nil, id))
	return err
}

func (s *Store) write(kind byte, payload []byte) (LSN, error) {
	lsn, err := s.log.Append(kind, payload)
	if err != nil {
		return 0, err
	}
	s.logged += int64(len(payload))
	return lsn, s.log.Sync()
}

// openLog opens the log and brings the store to where it ends.
func (s *Store) openLog() (err error) {
	s.log, err = OpenLog(LogConfig{FS: s.cfg.FS, Dir: s.cfg.Dir, Durability: s.cfg.Durability,
		SegmentSize: s.cfg.SegmentSize, RecordMax: s.cfg.RecordMax})
	if err != nil {
		return err
	}
	if err = s.openSnapshot(); err == nil {
		err = s.replay()
	}
	if err != nil {
		return errors.Join(err, s.log.Close())
	}
	return nil
}

// replay commits the blocks in the log again, except those that were reverted.
func (s *Store) replay() error {
	first, last := s.log.First(), s.log.Last()
	if first > s.snapshot+1 || last < s.snapshot {
		return &chain.CorruptError{What: "state log", Offset: -1,
			Err: fmt.Errorf("it has records %d to %d, the snapshot ends with %d", first, last, s.snapshot)}
	}
	standing, err := s.standing()
	if err != nil {
		return err
	}
	return s.replayRecords(func(lsn LSN, kind byte, id chain.BlockID, rest []byte) error {
		if len(standing) == 0 || standing[0].lsn != lsn {
			return nil
		}
		b := standing[0]
		standing = standing[1:]
		var c chain.Changes
		if err := s.cfg.Decode(&c, rest, s.headView()); err != nil {
			return err
		}
		if err := errors.Join(c.Validate(), fits(&c, s.headView())); err != nil {
			return err
		}
		b.layer = newLayer(&c)
		s.apply(b)
		return nil
	})
}

// standing lists the commits in the log that no later revert took back.
func (s *Store) standing() (blocks []*block, err error) {
	base := s.head.id
	err = s.replayRecords(func(lsn LSN, kind byte, id chain.BlockID, rest []byte) error {
		s.logged += int64(blockIDSize + len(rest))
		switch kind {
		case recordCommit:
			blocks = append(blocks, &block{id: id, lsn: lsn, logged: s.logged})
			return nil
		case recordRevert:
			i := slices.IndexFunc(blocks, func(b *block) bool { return b.id == id })
			if i < 0 && id != base {
				return fmt.Errorf("revert to block %s, which was not committed", id)
			}
			blocks = blocks[:i+1]
			return nil
		}
		return fmt.Errorf("record of unknown kind %d", kind)
	})
	return blocks, err
}

// replayRecords calls fn for the records after the snapshot. Its errors become
// errors of the record.
func (s *Store) replayRecords(fn func(lsn LSN, kind byte, id chain.BlockID, rest []byte) error) error {
	return s.log.Replay(s.snapshot+1, func(lsn LSN, kind byte, payload []byte) error {
		id, rest, err := cutBlockID(payload)
		if err == nil {
			err = fn(lsn, kind, id, rest)
		}
		if err != nil {
			return &chain.CorruptError{What: fmt.Sprintf("record %d of the state log", lsn), Offset: -1, Err: err}
		}
		return nil
	})
}

// A checkpointer is the part of a Store that keeps the log short.
type checkpointer struct {
	busy       sync.Mutex     // one checkpoint at a time
	background sync.WaitGroup // those that the store starts by itself
	pinned     *block         // being written; the store keeps it. Guarded by Store.mu
	running    bool           // in the background. Guarded by Store.mu
	snapshot   LSN            // of the block in the newest snapshot. Guarded by Store.mu
	due        int64          // when the oldest block has this much log. Guarded by Store.mu
	logged     int64          // payload bytes in the log since Open
}

// checkpointIfDue starts a checkpoint if the log has grown enough.
func (s *Store) checkpointIfDue() {
	if s.log == nil || s.cfg.CheckpointSize < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.blocks[0]
	if s.running || oldest.lsn == s.snapshot || oldest.logged < max(s.due, s.cfg.CheckpointSize) {
		return
	}
	s.running = true
	s.due = oldest.logged + s.cfg.CheckpointSize // also if it fails
	s.background.Go(func() {
		err := s.Checkpoint(context.Background())
		s.mu.Lock()
		s.running = false
		s.mu.Unlock()
		if s.cfg.OnCheckpoint != nil {
			s.cfg.OnCheckpoint(oldest.id, err)
		}
	})
}

// Checkpoint writes a snapshot of the oldest block that the store keeps, and
// drops what is older from the log. With that block, the store reaches as far
// back after the next Open as it does now. Commits go on meanwhile. A crash at any
// moment leaves the old snapshot and log, or the new ones. It does nothing for a
// store without Dir.
//
// The store calls it by itself: see Config.CheckpointSize.
func (s *Store) Checkpoint(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.log == nil {
		return nil
	}
	s.busy.Lock()
	defer s.busy.Unlock()
	b := s.pin()
	if b == nil {
		return nil
	}
	defer s.unpin()
	return s.writeSnapshot(ctx, b)
}

// pin makes the store keep its oldest block, and returns it; nil if that is in the
// snapshot already.
func (s *Store) pin() *block {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks[0].lsn == s.snapshot {
		return nil
	}
	s.pinned = s.blocks[0]
	return s.pinned
}

// unpin leaves it to the next commit to let go of blocks: only who commits may
// alter the tables.
func (s *Store) unpin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinned = nil
}

// Each snapshot is a file named after the LSN of its block's record: 16
// hexadecimal digits and this suffix.
const snapshotSuffix = ".snapshot"

// checkpointSection is the name of the section that says where the log goes on:
// the LSN, 8 bytes little-endian.
const checkpointSection = "checkpoint"

func (s *Store) snapshotPath(lsn LSN) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%016x%s", uint64(lsn), snapshotSuffix))
}

// writeSnapshot makes block b the snapshot. Only when it is durable does
// anything older go.
func (s *Store) writeSnapshot(ctx context.Context, b *block) error {
	where := Section{checkpointSection, func(w io.Writer) error {
		_, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(b.lsn)))
		return err
	}}
	err := vfs.WriteFile(s.cfg.FS, s.snapshotPath(b.lsn), func(w io.Writer) error {
		_, err := WriteSnapshot(w, where, s.section(ctx, &blockView{s, b}))
		return err
	})
	if err != nil {
		return fmt.Errorf("checkpoint of block %s: %w", b.id, err)
	}
	s.mu.Lock()
	s.snapshot = b.lsn
	s.mu.Unlock()
	if err := s.log.Prune(b.lsn + 1); err != nil {
		return err
	}
	return s.removeSnapshots(b.lsn)
}

// removeSnapshots removes all snapshots but one, and what a crash left of one.
func (s *Store) removeSnapshots(keep LSN) error {
	names, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		lsn, ok := parseSnapshotName(name)
		if ok && lsn != keep || strings.HasSuffix(name, snapshotSuffix+vfs.TempSuffix) {
			if err := s.cfg.FS.Remove(filepath.Join(s.cfg.Dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseSnapshotName(name string) (LSN, bool) {
	digits, ok := strings.CutSuffix(name, snapshotSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	lsn, err := strconv.ParseUint(digits, 16, 64)
	return LSN(lsn), err == nil
}

// openSnapshot loads the newest snapshot, if there is one, and removes the others.
func (s *Store) openSnapshot() error {
	names, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	newest, found := LSN(0), false
	for _, name := range names {
		if lsn, ok := parseSnapshotName(name); ok {
			newest, found = max(newest, lsn), true
		}
	}
	if found {
		if err := s.readSnapshot(newest); err != nil {
			return fmt.Errorf("%s: %w", s.snapshotPath(newest), err)
		}
	}
	return s.removeSnapshots(newest)
}

func (s *Store) readSnapshot(lsn LSN) error {
	f, err := s.cfg.FS.Open(s.snapshotPath(lsn))
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	var (
		loaded *Loaded
		where  [8]byte
	)
	_, err = ReadSnapshot(io.NewSectionReader(f, 0, size), size,
		SectionReader{checkpointSection, func(r io.Reader) error {
			_, err := io.ReadFull(r, where[:])
			return sectionError(checkpointSection, err)
		}},
		SectionReader{StateSection, func(r io.Reader) (err error) {
			loaded, err = s.Load(context.Background(), r, nil)
			return err
		}})
	if err != nil {
		return err
	}
	if got := LSN(binary.LittleEndian.Uint64(where[:])); got != lsn {
		return &chain.CorruptError{What: "snapshot", Offset: -1, Err: fmt.Errorf("it belongs to log record %d", got)}
	}
	loaded.block.lsn, s.snapshot = lsn, lsn
	s.reset(loaded.tables, loaded.block)
	return nil
}
