package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlace(t *testing.T) {
	t.Setenv("HOME", "/users/alice")
	t.Setenv("XDG_DATA_HOME", "")
	require.Equal(t, "/users/alice/.local/share/vivace/prover", Place("prover"))
	t.Setenv("XDG_DATA_HOME", "not/absolute") // which XDG says to ignore
	require.Equal(t, "/users/alice/.local/share/vivace/prover", Place("prover"))
	t.Setenv("XDG_DATA_HOME", "/data")
	require.Equal(t, "/data/vivace/prover", Place("prover"))
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "")
	require.Equal(t, ".vivace/prover", Place("prover"))
}

// What belongs to another user is refused, be it a directory or a key in one's own.
func TestCheckOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	require.NoError(t, CheckOwner(dir), "not there")
	require.NoError(t, DataDir(dir))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, CheckOwner("/"), "root's")
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	key := filepath.Join(dir, "key")
	_, err = Key(key)
	require.NoError(t, err)
	require.NoError(t, os.Chown(key, 1, -1))
	_, err = Key(key)
	require.ErrorIs(t, err, ErrUsage)
	require.ErrorContains(t, err, "belongs to another user (1)")

	require.NoError(t, os.Chown(dir, 1, -1))
	require.ErrorIs(t, DataDir(dir), ErrUsage)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}
