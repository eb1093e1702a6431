package sequencer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/state"
)

// snapshots remembers where in the log blocks open, to know what a snapshot makes
// superfluous.
type snapshots struct {
	mu    sync.Mutex
	opens map[uint64]state.LSN
}

func (s *snapshots) opened(number uint64, lsn state.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens == nil {
		s.opens = make(map[uint64]state.LSN)
	}
	s.opens[number] = lsn
}

// after is where block number opens in the log, if it does already; earlier blocks
// are forgotten.
func (s *snapshots) after(number uint64) (state.LSN, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.opens {
		if n < number {
			delete(s.opens, n)
		}
	}
	lsn, ok := s.opens[number]
	return lsn, ok
}

// takeSnapshot writes the state after b to Dir, makes the log shorter by what it
// covers, and offers it to followers.
func (s *Sequencer) takeSnapshot(ctx context.Context, b *block) error {
	var feed snapshotPoint
	select {
	case feed = <-b.point:
	case <-ctx.Done():
		return ctx.Err()
	}
	id := b.header.ID()
	point := &checkpoint.Point{Genesis: s.cfg.Genesis.Header.Hash(), Frame: feed.frame, Model: feed.model}
	point.Proven, point.Claims = s.collector.outstanding()
	for number := id.Number; len(point.Headers) <= ancestorHashes; number-- {
		h, err := s.ancestors.header(number)
		if err != nil {
			break // not that many are kept
		}
		raw, err := h.AppendBinary(nil)
		if err != nil {
			return err
		}
		point.Headers = append(point.Headers, raw)
		if number == 0 {
			break
		}
	}
	var buf bytes.Buffer
	if err := checkpoint.Write(ctx, &buf, point, s.store, id); err != nil {
		return err
	}
	if err := s.keepSnapshot(id, buf.Bytes()); err != nil {
		return err
	}
	if lsn, ok := s.snapshots.after(id.Number + 1); ok {
		if err := s.log.Prune(lsn); err != nil {
			return err
		}
	}
	blob, err := s.put(ctx, &da.Object{Kind: da.Snapshot, Block: id, Payload: buf.Bytes()})
	if errors.Is(err, chain.ErrTooLarge) {
		// We restart from our own copy; who joins has to come another way.
		s.cfg.Logger.Error("snapshot is not offered", "block", id, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	offer, err := (&chain.SnapshotOffer{Block: id, Feed: feed.feed, Blob: blob}).AppendBinary(nil)
	if err != nil {
		return err
	}
	_, err = s.tell(ctx, link.TopicSnapshots, offer)
	return err
}

// ancestorHashes is how far BLOCKHASH reaches back.
const ancestorHashes = 256

const snapshotSuffix = ".snapshot"

func snapshotName(number uint64) string { return fmt.Sprintf("%020d%s", number, snapshotSuffix) }

// keepSnapshot makes the snapshot durable and only then removes the older ones,
// and what a crash left of one that was being written.
func (s *Sequencer) keepSnapshot(id chain.BlockID, data []byte) error {
	name := filepath.Join(s.cfg.Dir, snapshotName(id.Number))
	if err := vfs.WriteFile(s.cfg.FS, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}); err != nil {
		return err
	}
	names, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, old := range names {
		isSnapshot := strings.HasSuffix(strings.TrimSuffix(old, vfs.TempSuffix), snapshotSuffix)
		if isSnapshot && old < snapshotName(id.Number) {
			if err := s.cfg.FS.Remove(filepath.Join(s.cfg.Dir, old)); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshotNames lists the snapshots in Dir, oldest first.
func (s *Sequencer) snapshotNames() ([]string, error) {
	names, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range names {
		if strings.HasSuffix(n, snapshotSuffix) {
			out = append(out, n)
		}
	}
	return out, nil
}
