package cli

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What a development chain keeps of data availability whatever its size: provers, and
// full nodes that join, may still want it.
const (
	pruneEvery = time.Minute
	youngest   = 10 * time.Minute
)

// PruneDA removes the oldest blobs of a data-availability directory, now and then until
// ctx ends, down to a number of bytes: a layer of one's own for development is no
// archive. It does nothing if most is 0.
func PruneDA(ctx context.Context, dir string, most int64, log *slog.Logger) {
	if most == 0 {
		return
	}
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		n, err := pruneBlobs(dir, most, time.Now().Add(-youngest))
		if n > 0 || err != nil {
			log.Info("data-availability layer pruned", "blobs", n, "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// pruneBlobs removes the oldest blobs, older than a time, down to most bytes, and says how
// many.
func pruneBlobs(dir string, most int64, before time.Time) (removed int, err error) {
	type blob struct {
		path string
		fs.FileInfo
	}
	var (
		blobs []blob
		total int64
	)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return gone(err)
		}
		if !entry.Type().IsRegular() || filepath.Dir(path) == dir { // its lock
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return gone(err)
		}
		blobs, total = append(blobs, blob{path, info}), total+info.Size()
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.SortFunc(blobs, func(a, b blob) int { return a.ModTime().Compare(b.ModTime()) })
	for _, b := range blobs {
		if total <= most || !b.ModTime().Before(before) {
			break
		}
		if err := gone(os.Remove(b.path)); err != nil {
			return removed, err
		}
		total -= b.Size()
		removed++
	}
	return removed, nil
}

// gone is err, unless that is about a file that has just been renamed or removed.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
