package links

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/altda"
	"github.com/vivace-chain/vivace/da/directory"
)

// A layer is a data-availability layer on a node of its own, which can be made to lie to
// those who read.
type layer struct {
	honest http.Handler
	lie    atomic.Pointer[lie] // nil: the truth
	told   atomic.Int64        // lies

	mu    sync.Mutex
	asked [2][]byte // blobs that somebody asked for: the newest, and another one
}

// other is a blob that was asked for before, and is not this one; nil if there is none.
func (l *layer) other(blob []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	other := l.asked[0]
	if bytes.Equal(other, blob) {
		other = l.asked[1]
	}
	l.asked = [2][]byte{blob, other}
	return other
}

// A lie answers a request for a blob with something else.
type lie struct {
	name string
	tell func(l *layer, w http.ResponseWriter, r *http.Request, blob []byte)
}

// lies are all that a layer tells. None of them is over before another is told, or the
// truth.
var lies = []*lie{
	{"it never ends", func(l *layer, w http.ResponseWriter, r *http.Request, blob []byte) {
		own := l.lie.Load()
		for i := 0; l.lie.Load() == own && r.Context().Err() == nil; i++ {
			answer(w, blob[i%len(blob):][:1])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
		panic(http.ErrAbortHandler)
	}},
	{"it breaks off", func(_ *layer, w http.ResponseWriter, _ *http.Request, blob []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
		answer(w, blob[:len(blob)/2])
		panic(http.ErrAbortHandler)
	}},
	{"too much", func(_ *layer, w http.ResponseWriter, _ *http.Request, blob []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(1<<40))
		answer(w, blob)
		panic(http.ErrAbortHandler)
	}},
	{"half of it", func(_ *layer, w http.ResponseWriter, _ *http.Request, blob []byte) { answer(w, blob[:len(blob)/2]) }},
	{"a bit is flipped", func(_ *layer, w http.ResponseWriter, _ *http.Request, blob []byte) {
		blob[len(blob)/2] ^= 1
		answer(w, blob)
	}},
	{"nothing", func(_ *layer, w http.ResponseWriter, _ *http.Request, _ []byte) { answer(w, nil) }},
	{"another blob", func(l *layer, w http.ResponseWriter, _ *http.Request, blob []byte) {
		answer(w, l.other(blob))
	}},
	{"not there", func(_ *layer, w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) }},
}

func answer(w http.ResponseWriter, blob []byte) { _, _ = w.Write(blob) } // the reader may leave

// ServeHTTP implements http.Handler.
func (l *layer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	lie := l.lie.Load()
	if lie == nil || !strings.HasPrefix(r.URL.Path, "/get/") {
		l.honest.ServeHTTP(w, r)
		return
	}
	truth := httptest.NewRecorder()
	l.honest.ServeHTTP(truth, r)
	if truth.Code != http.StatusOK {
		http.Error(w, truth.Body.String(), truth.Code)
		return
	}
	l.told.Add(1)
	lie.tell(l, w, r, truth.Body.Bytes())
}

// startLayer serves a layer on a node of its own.
func (w *world) startLayer() {
	w.Helper()
	store, err := directory.Open(directory.Config{Directory: w.data("layer")})
	require.NoError(w, err)
	honest, err := altda.NewServer(altda.ServerConfig{Client: store, Mode: altda.Keccak})
	require.NoError(w, err)
	w.layer = &layer{honest: honest}
	listener, err := w.lab.Node(atLayer).Listen(w.Context(), "tcp", w.at(atLayer, layerPort))
	require.NoError(w, err)
	server := &http.Server{Handler: w.layer, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // it ends by Close
	w.Cleanup(func() {
		w.layer.lie.Store(nil)
		require.NoError(w, server.Close())
		serving.Wait()
		require.NoError(w, store.Close())
	})
}

// A layer answers with anything but the truth. The sequencer, which reads back what it puts,
// publishes nothing meanwhile, so that nothing is proven, and a node that has no other source
// stays where it is: both say why, and nobody believes anything.
// When it tells the truth again, all goes on.
func TestLyingLayer(t *testing.T) {
	o := ordinary
	o.full, o.late, o.layerApart = 1, 1, true
	w := newWorld(t, o)
	w.sequencer.reaches("finalized", 12) // the observer does not keep the feed from the first block any more
	w.layer.lie.Store(lies[0])
	// What was fetched before is still proven.
	proven := w.steady("proven without a layer", func() uint64 { return w.sequencer.head("finalized") })
	w.progress(w.load.count()) // later the sequencer may wait: so much may be unpublished and no more
	joiner := w.join(w.byLayer("-mode", "state")...)
	for _, lie := range lies {
		w.layer.lie.Store(lie)
		before := w.layer.told.Load()
		require.Eventually(t, func() bool { return w.layer.told.Load() > before }, patience, 10*time.Millisecond, lie.name)
		w.rest(sized(200*time.Millisecond, 5*time.Second))
		require.Equal(t, proven, w.sequencer.head("finalized"), lie.name)
	}
	joiner.counts("vivace_fullnode_da_refused_total", 1)
	w.sequencer.counts("vivace_sequencer_da_lost_total", 1)
	require.Zero(t, joiner.head("latest"), "it has nothing from anybody")
	t.Logf("%d lies; proven up to block %d, sealed up to block %d; refused by the node that joins: %.0f",
		w.layer.told.Load(), proven, w.sequencer.head("latest"), joiner.metric("vivace_fullnode_da_refused_total"))
	w.layer.lie.Store(nil)
	w.settle()
	require.Positive(t, joiner.metric("vivace_fullnode_blocks_from_da_total"), fmt.Sprint("of ", joiner.head("latest")))
}
