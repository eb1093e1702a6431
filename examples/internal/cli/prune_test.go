package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/directory"
)

func TestPruneBlobs(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	store, err := directory.Open(directory.Config{Directory: dir})
	require.NoError(t, err)
	defer store.Close()
	var ids []chain.BlobID
	for i := range 10 { // the first is the oldest
		id, err := store.Put(t.Context(), bytes.Repeat([]byte{byte(i)}, 1000))
		require.NoError(t, err)
		name := fmt.Sprintf("%x", []byte(id))
		at := now.Add(time.Duration(i-10) * time.Minute)
		require.NoError(t, os.Chtimes(filepath.Join(dir, name[:2], name), at, at))
		ids = append(ids, id)
	}
	for _, step := range []struct {
		most    int64
		before  time.Duration
		removed int
		left    int
	}{
		{most: 10_000, removed: 0, left: 10},
		{most: 7_999, removed: 3, left: 7},
		{most: 0, before: -5 * time.Minute, removed: 2, left: 5}, // the younger ones stay
		{most: 0, removed: 5, left: 0},
	} {
		n, err := pruneBlobs(dir, step.most, now.Add(step.before))
		require.NoError(t, err)
		require.Equal(t, step.removed, n)
		for i, id := range ids {
			_, err := store.Get(t.Context(), id)
			if i < 10-step.left {
				require.ErrorIs(t, err, chain.ErrNotFound)
			} else {
				require.NoError(t, err)
			}
		}
	}
	require.FileExists(t, filepath.Join(dir, "LOCK"))
	_, err = pruneBlobs(filepath.Join(dir, "none"), 0, now)
	require.NoError(t, err)
	PruneDA(t.Context(), dir, 0, slog.New(slog.DiscardHandler)) // keeps all, and ends
}
