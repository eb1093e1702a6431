package p2p

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/cli"
)

func TestLayer(t *testing.T) {
	require.NoError(t, CheckLayer(""))
	for _, good := range []string{"altda=http://127.0.0.1:1", "eigenda=http://127.0.0.1:1", "eigenda-op=http://127.0.0.1:1"} {
		require.NoError(t, CheckLayer(good), good)
	}
	for _, bad := range []string{"altda", "altda=", "altda=127.0.0.1:1", "pigeon=http://x", "=http://x", "eigenda=ftp://x"} {
		require.ErrorIs(t, CheckLayer(bad), cli.ErrUsage, bad)
	}
}

// What is put into a layer of one's own, others get by its name, also after a restart.
func TestOwnLayer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "da")
	open := func() (own *OwnLayer, stop func()) {
		own, err := OpenLayer(dir, "127.0.0.1", 0)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- own.Run(ctx) }()
		return own, func() {
			cancel()
			require.NoError(t, <-ended)
			require.NoError(t, own.Close())
		}
	}
	own, stop := open()
	writer, err := Layer(own.Spec())
	require.NoError(t, err)
	id, err := writer.Put(t.Context(), []byte("blob"))
	require.NoError(t, err)
	stop()
	own, stop = open()
	defer stop()
	reader, err := Layer(own.Spec())
	require.NoError(t, err)
	blob, err := reader.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "blob", string(blob))
}

func TestIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p2p.key")
	key, err := identity(path)
	require.NoError(t, err)
	again, err := identity(path)
	require.NoError(t, err)
	require.True(t, key.Equal(again))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.WriteFile(path, []byte("00\n"), 0o600))
	_, err = identity(path)
	require.ErrorContains(t, err, "64 hexadecimal digits")
}

func TestOptions(t *testing.T) {
	good := Options{Address: "127.0.0.1", Port: 1}
	require.NoError(t, good.Check())
	for _, bad := range []Options{{Address: "localhost", Port: 1}, {Address: "", Port: 1}, {Address: "::1", Port: -1}, {Address: "::1", Port: 65536}} {
		require.ErrorIs(t, bad.Check(), cli.ErrUsage)
	}
}
