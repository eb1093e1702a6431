package p2p

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da"
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
	id, err := own.Client().Put(t.Context(), []byte("blob"))
	require.NoError(t, err)
	stranger, err := Layer(own.Spec(""))
	require.NoError(t, err)
	_, err = stranger.Put(t.Context(), []byte("junk"))
	require.ErrorIs(t, err, da.ErrRefused)
	stop()
	own, stop = open()
	defer stop()
	reader, err := Layer(own.Spec(""))
	require.NoError(t, err)
	blob, err := reader.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "blob", string(blob))
}

// Who listens everywhere is reached where the asker reached it.
func TestOwnLayerEverywhere(t *testing.T) {
	own, err := OpenLayer(t.TempDir(), "0.0.0.0", 0)
	require.NoError(t, err)
	defer own.Close()
	door := httptest.NewServer(&Invitation{LayerAt: own.Spec})
	defer door.Close()
	for _, host := range []string{"node.example:8545", "[2001:db8::1]:8545"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, door.URL, nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		var got Invitation
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&got))
		require.NoError(t, answer.Body.Close())
		_, port, err := net.SplitHostPort(own.listener.Addr().String())
		require.NoError(t, err)
		name, _, err := net.SplitHostPort(host)
		require.NoError(t, err)
		require.Equal(t, "altda=http://"+net.JoinHostPort(name, port), got.Layer)
	}
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
