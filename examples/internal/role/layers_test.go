package role

import (
	"bytes"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/rpc"
)

// A server is a layer that can be down.
type server struct {
	url  string
	down atomic.Bool
}

func newServer(t *testing.T) *server {
	handler, err := altda.NewServer(altda.ServerConfig{Client: inprocess.New(), Mode: altda.Keccak})
	require.NoError(t, err)
	s := new(server)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		http.StripPrefix("/secret", handler).ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

// options are the flags of layers as they are without args, and with them.
func options(t *testing.T, args ...string) *layerOptions {
	o := new(layerOptions)
	f := flag.NewFlagSet("", flag.ContinueOnError)
	o.Flags(f)
	require.NoError(t, f.Parse(args))
	return o
}

// While the first of several layers is down, blobs go to the next, which everybody is told;
// who reads has them all, whichever layer they are in.
func TestLayers(t *testing.T) {
	first, log := newServer(t), new(bytes.Buffer)
	theirs := "altda=" + first.url + "/secret"
	o := options(t, "-da.layer="+theirs+", own", "-da.port=0", "-da.cooldown=50ms")
	require.NoError(t, o.check())
	l, err := o.open(t.Context(), t.TempDir(), slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	defer l.close()
	ready := l.named(func() []rpc.Reason {
		return []rpc.Reason{{Check: "da", Detail: "blocks wait for the layer"}, {Check: "pool", Detail: "is full"}}
	})
	list := l.listAt("localhost")
	reader, err := p2p.Layers(list)
	require.NoError(t, err)
	put := func(blob, active, name string) {
		t.Helper()
		id, err := l.client.Put(t.Context(), []byte(blob))
		require.NoError(t, err)
		got, err := reader.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, blob, string(got))
		require.Equal(t, active, l.activeAt("localhost"))
		require.Contains(t, list, active)
		require.Equal(t, []rpc.Reason{{Check: "da", Detail: "blocks wait for the layer, which is " + name}, {Check: "pool", Detail: "is full"}}, ready())
	}
	put("one", theirs, "altda="+first.url)
	require.Empty(t, log.String())
	first.down.Store(true)
	put("two", l.own.Spec(""), "own")
	require.Contains(t, log.String(), "blobs go to another data-availability layer")
	first.down.Store(false)
	require.Eventually(t, func() bool {
		_, err := l.client.Put(t.Context(), []byte("three"))
		return err == nil && l.active() == 0
	}, 10*time.Second, time.Millisecond)
	put("four", theirs, "altda="+first.url)
	require.NotContains(t, log.String(), "secret")
}

// One layer is used as it is: its names have no position.
func TestOneLayer(t *testing.T) {
	s := newServer(t)
	l, err := options(t, "-da.layer=altda="+s.url).open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer l.close()
	_, alone := l.client.(*altda.Client)
	require.True(t, alone)
	require.Equal(t, "altda="+s.url, l.listAt("x"))
	require.Equal(t, "altda="+s.url, l.activeAt("x"))
	reader, err := p2p.Layers(l.listAt("x"))
	require.NoError(t, err)
	_, alone = reader.(*altda.Client)
	require.True(t, alone)
}

func TestLayerOptions(t *testing.T) {
	for _, good := range []string{"-da.layer=", "-da.layer=own", "-da.layer=own,altda=http://x,eigenda=http://y", "-da-bytes=1"} {
		require.NoError(t, options(t, good).check(), good)
	}
	require.Equal(t, []string{ownLayer}, options(t).specs())
	require.Equal(t, []string{ownLayer}, options(t, "-da.layer=").specs())
	for _, bad := range []string{"-da.layer=own,own", "-da.layer=own,altda", "-da.layer=altda=http://x,pigeon=http://x", "-da.cooldown=0s", "-da-bytes=-1"} {
		require.ErrorIs(t, options(t, bad).check(), cli.ErrUsage, bad)
	}
	require.ErrorIs(t, checkLayers("altda=http://x,own"), cli.ErrUsage, "only the sequencer has its own")
	_, err := p2p.Layers("")
	require.ErrorIs(t, err, cli.ErrUsage)
}
