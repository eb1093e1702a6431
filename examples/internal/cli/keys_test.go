package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A key is its owner's alone: it is made so, and one that others could read is refused.
func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "key")
	made, err := Key(path)
	require.NoError(t, err)
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), name)
	}
	again, err := Key(path)
	require.NoError(t, err)
	require.True(t, made.Equal(again))

	for _, mode := range []os.FileMode{0o644, 0o640, 0o604} {
		require.NoError(t, os.Chmod(path, mode))
		_, err = Key(path)
		require.ErrorIs(t, err, ErrUsage)
		require.ErrorContains(t, err, "may be read by others")
	}
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("no key"), 0o600))
	_, err = Key(path)
	require.ErrorIs(t, err, ErrUsage)
	require.ErrorContains(t, err, path)
}

func TestKept(t *testing.T) {
	for states, good := range map[int]bool{0: false, 127: false, 128: true, 1 << 20: true, 1<<20 + 1: false} {
		err := (&Kept{States: states}).Check()
		if good {
			require.NoError(t, err, states)
		} else {
			require.ErrorIs(t, err, ErrUsage, states)
		}
	}
}
