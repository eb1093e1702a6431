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

	"github.com/ethereum/go-ethereum/common"

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

// opened: record lsn opens a block, or opens it anew; its first counts.
func (s *snapshots) opened(number uint64, lsn state.LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens == nil {
		s.opens = make(map[uint64]state.LSN)
	}
	if _, known := s.opens[number]; !known {
		s.opens[number] = lsn
	}
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

// snapshotAfter has a snapshot taken every SnapshotBlocks blocks, after b if it is one
// of them. Only the publisher calls it. If the one before is still being taken when one
// is due, a later block will do: its state is kept for longer.
func (s *Sequencer) snapshotAfter(b *block) {
	select {
	case <-s.snapshotDue:
	default:
		if b.header.Number%uint64(s.cfg.SnapshotBlocks) != 0 {
			return
		}
	}
	s.snapshotDue <- b
}

// keepSnapshots takes the snapshots that are due, beside everything else: of a large
// state it takes longer than a block lasts.
func (s *Sequencer) keepSnapshots(ctx context.Context) error {
	for {
		select {
		case b := <-s.snapshotDue:
			if err := s.takeSnapshot(ctx, b); err != nil {
				return fmt.Errorf("after block %d: %w", b.header.Number, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
	data, err := s.exportSnapshot(ctx, id, &feed)
	if errors.Is(err, chain.ErrNotFound) || errors.Is(err, chain.ErrUnknown) {
		s.cfg.Logger.Warn("no snapshot: the store let go of the state meanwhile", "block", id, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.keepSnapshot(id, data); err != nil {
		return err
	}
	if err := s.pruneLog(id.Number); err != nil {
		return err
	}
	return s.offerSnapshot(ctx, id, &feed, data)
}

// exportSnapshot is the snapshot's bytes.
func (s *Sequencer) exportSnapshot(ctx context.Context, id chain.BlockID, feed *snapshotPoint) ([]byte, error) {
	point := &checkpoint.Point{Genesis: s.cfg.Genesis.Header.Hash(), Frame: feed.frame, Model: feed.model}
	point.Proven, point.Claims = s.collector.outstanding()
	for number := id.Number; len(point.Headers) <= ancestorHashes; number-- {
		h, err := s.ancestors.header(number)
		if err != nil {
			break // not that many are kept
		}
		raw, err := h.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		point.Headers = append(point.Headers, raw)
		if number == 0 {
			break
		}
	}
	var buf bytes.Buffer
	err := checkpoint.Write(ctx, &buf, point, s.store, id)
	return buf.Bytes(), err
}

// pruneLog cuts the log at the block after number, of which there is a snapshot. What
// the snapshot does not cover and the log has before that is first written again
// behind: evidence, where the blocks are that nobody has proven yet, and what provers said.
func (s *Sequencer) pruneLog(number uint64) error {
	lsn, ok := s.snapshots.after(number + 1)
	if !ok {
		return nil
	}
	evidence, publications, words := s.collector.carried(number)
	for _, e := range evidence {
		if _, err := s.log.Append(recordEvidence, e.encode()); err != nil {
			return err
		}
	}
	for _, w := range words {
		payload, err := w.AppendBinary(nil)
		if err != nil {
			return err
		}
		if _, err := s.log.Append(recordWord, payload); err != nil {
			return err
		}
	}
	for _, p := range publications {
		payload, err := p.AppendBinary(nil)
		if err != nil {
			return err
		}
		if _, err := s.log.Append(recordPublished, payload); err != nil {
			return err
		}
	}
	if len(evidence)+len(publications)+len(words) > 0 {
		if err := s.log.Sync(); err != nil {
			return err
		}
	}
	return s.log.Prune(lsn)
}

// offerSnapshot puts the snapshot into the data-availability layer, reads it back and tells
// where it is. It gives up when the layer does not take it or give it back, and a newer one
// is due: we restart from our own copy, and who joins can come another way.
func (s *Sequencer) offerSnapshot(ctx context.Context, id chain.BlockID, feed *snapshotPoint, data []byte) error {
	if !feed.told {
		return nil // nobody could say where the feed goes on from it
	}
	o := &da.Object{Kind: da.Snapshot, Block: id, Payload: data}
	blob, commitment, err := o.Encode() // it may be large: once for all that follows
	if err != nil {
		return err
	}
	chunks := chain.ChunksOf(blob).Digest()
	name, err := s.putSnapshot(ctx, o, blob, commitment)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.cfg.Logger.Error("snapshot is not offered", "block", id, "error", err)
		return nil
	}
	offer, err := (&chain.SnapshotOffer{Block: id, Feed: feed.feed, Blob: name, Chunks: chunks}).AppendBinary(nil)
	if err != nil {
		return err
	}
	if err := s.logNow(recordOffer, offer); err != nil {
		return err
	}
	return s.tellWhatever(ctx, link.TopicSnapshots, offer)
}

// putSnapshot puts a snapshot until it was read back, or until a newer one is due and it was
// tried once.
func (s *Sequencer) putSnapshot(ctx context.Context, o *da.Object, blob []byte, commitment common.Hash) (chain.BlobID, error) {
	tried := false
	return s.putAndRead(ctx, o, nil, snapshotPatience*s.cfg.ReadBackTime, func() (*storedBlob, error) {
		if tried && len(s.snapshotDue) > 0 {
			return nil, errors.New("the layer does not give it back, and a newer one is due")
		}
		tried = true
		id, err := s.putBlob(ctx, o, blob, func(err error) bool { return da.Final(err) || len(s.snapshotDue) > 0 })
		if err != nil {
			return nil, err
		}
		return &storedBlob{o.Block.Number, o.Kind, commitment, id}, nil
	})
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
