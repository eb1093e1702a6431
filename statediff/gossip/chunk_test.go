package gossip

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	libp2p "github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// A depot is a layer in memory that can be away, or give something else.
type depot struct {
	mu    sync.Mutex
	blobs map[string][]byte
	away  error
	lie   []byte
	gets  atomic.Int64
}

func (d *depot) Put(_ context.Context, blob []byte) (chain.BlobID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil {
		return nil, d.away
	}
	id := chain.BlobID(fmt.Sprintf("number %d", len(d.blobs)))
	d.blobs[string(id)] = bytes.Clone(blob)
	return id, nil
}

func (d *depot) Get(_ context.Context, id chain.BlobID) ([]byte, error) {
	d.gets.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.away != nil:
		return nil, d.away
	case d.lie != nil:
		return d.lie, nil
	case d.blobs[string(id)] == nil:
		return nil, chain.ErrNotFound
	}
	return bytes.Clone(d.blobs[string(id)]), nil
}

func (d *depot) set(away error, lie []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away, d.lie = away, lie
}

// errAway is chain's, so that what the layer said is told from what peers did.
var errAway = fmt.Errorf("%w: status 503", chain.ErrBusy)

const sampleSnapshot = "snapshot"

// contents are a sample snapshot's: some chunks and a bit.
func contents(chunks int) []byte {
	return append([]byte(sampleSnapshot), randomBytes(chunks*chain.ChunkSize+77)...)
}

func isSample(blob []byte) bool { return bytes.HasPrefix(blob, []byte(sampleSnapshot)) }

// offers has a node that signs put a snapshot and offer it.
func (x *world) offers(seq *running, layer *depot, number uint64, blob []byte) chain.BlobID {
	id, err := seq.Layer(layer, isSample).Put(x.Context(), blob)
	require.NoError(x, err)
	offer := &chain.SnapshotOffer{Block: chain.BlockID{Number: number}, Blob: id, Chunks: chain.ChunksOf(blob).Digest()}
	_, err = seq.Publish(x.Context(), link.TopicSnapshots, encode(x, offer))
	require.NoError(x, err)
	return id
}

// keeper is the config of a node that keeps snapshots.
func (x *world) keeper(dir string, boot ...*Node) Config {
	cfg := x.config(boot...)
	cfg.SnapshotDir = dir
	return cfg
}

// hears waits until a node knows of an offer.
func (x *world) hears(n *running, id chain.BlobID) {
	require.Eventually(x, func() bool { return n.shelf.offered(id) != common.Hash{} }, 20*time.Second, 5*time.Millisecond)
}

// With the layer away, contents come from peers: from who put them, after a restart too, and
// from who got them from there.
func TestSnapshotFromPeers(t *testing.T) {
	x, layer, dir := newWorld(t), &depot{blobs: make(map[string][]byte)}, t.TempDir()
	cfg := x.keeper(dir)
	cfg.Signer = sampleKey(t)
	seq := x.run(cfg)
	blob := contents(9)
	id := x.offers(seq, layer, 8, blob)
	other, err := seq.Layer(layer, isSample).Put(t.Context(), []byte("a block"))
	require.NoError(t, err)
	require.Len(t, seq.stock.held, 1)
	layer.set(errAway, nil)

	get := func(n *running, id chain.BlobID) ([]byte, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return n.Layer(layer, nil).Get(ctx, id)
	}
	first := x.run(x.keeper(t.TempDir(), seq.Node))
	x.hears(first, id)
	got, err := get(first, id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, got))
	_, err = get(first, other)
	require.ErrorIs(t, err, errAway)
	require.NotContains(t, err.Error(), "from peers", "it is not on offer")

	bare := x.node(first.Node) // it keeps nothing itself
	x.hears(bare, id)
	seq.stop()
	got, err = get(bare, id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, got))
	require.Empty(t, bare.stock.held)
	first.stop()
	_, err = get(bare, id)
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, "from peers: ")

	cfg.Boot = nil
	again := x.run(cfg)
	x.introduce(bare, again)
	x.connected(again, 1)
	require.Eventually(t, func() bool { return len(bare.peers.statuses()) == 1 }, 10*time.Second, 5*time.Millisecond)
	got, err = get(bare, id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, got))
	for _, p := range bare.Peers() {
		require.Positive(t, p.Requests, "it gave something")
	}
}

// The layer is asked first; what it gives is checked, and kept.
func TestSnapshotFromTheLayer(t *testing.T) {
	x, layer := newWorld(t), &depot{blobs: make(map[string][]byte)}
	cfg := x.keeper(t.TempDir())
	cfg.Signer = sampleKey(t)
	seq := x.run(cfg)
	blob := contents(2)
	id := x.offers(seq, layer, 8, blob)
	n := x.run(x.keeper(t.TempDir(), seq.Node))
	x.hears(n, id)
	got, err := n.Layer(layer, nil).Get(t.Context(), id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, got))
	require.Len(t, n.stock.held, 1)
	require.Zero(t, seq.Stats().ServedBytes/chain.ChunkSize, "the layer has it")
	asked := layer.gets.Load()
	got, err = n.Layer(layer, nil).Get(t.Context(), id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, got))
	require.Equal(t, asked, layer.gets.Load(), "it is here")

	bare := x.node(seq.Node)
	x.hears(bare, id)
	layer.set(nil, []byte("something else"))
	got, err = bare.Layer(layer, nil).Get(t.Context(), id)
	require.NoError(t, err)
	require.True(t, bytes.Equal(blob, got))
	require.Greater(t, layer.gets.Load(), asked)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	layer.set(errAway, nil)
	_, err = bare.Layer(layer, nil).Get(ctx, id)
	require.Error(t, err)
}

// Contents that are too large are neither kept nor fetched: what comes first says so.
func TestSnapshotTooLarge(t *testing.T) {
	x, layer := newWorld(t), &depot{blobs: make(map[string][]byte)}
	cfg := x.keeper(t.TempDir())
	cfg.Signer = sampleKey(t)
	seq := x.run(cfg)
	blob := contents(5)
	id := x.offers(seq, layer, 8, blob)
	layer.set(errAway, nil)
	cfg = x.keeper(t.TempDir(), seq.Node)
	cfg.SnapshotMax = len(blob) - 1
	n := x.run(cfg)
	x.hears(n, id)
	_, err := n.Layer(layer, nil).Get(t.Context(), id)
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, chain.ErrTooLarge.Error())
	require.Less(t, seq.Stats().ServedBytes, uint64(chain.ChunkSize))
	layer.set(nil, nil)
	_, err = n.Layer(layer, nil).Get(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, n.stock.held)
}

// A swindler is a peer that answers questions for chunks in its own way.
func (x *world) swindler(answer func(st libp2p.Stream, r request)) *rogue {
	handlers := new(sync.WaitGroup)
	x.Cleanup(handlers.Wait) // after the host is closed
	r := x.boaster(status{}, nil)
	r.host.SetStreamHandler(r.syncID, func(st libp2p.Stream) {
		handlers.Add(1)
		defer handlers.Done()
		defer st.Close()
		raw := make([]byte, requestSize)
		if _, err := st.Read(raw); err != nil {
			return
		}
		req, err := parseRequest(raw)
		switch {
		case err != nil:
		case req.question == askStatus:
			_, _ = st.Write(answerOf(new(status).append(nil)))
		case req.question == askChunks:
			answer(st, req)
		default:
			_, _ = st.Write(answerOf())
		}
	})
	return r
}

// Whoever lies about contents, or gives them halfway, keeps nobody from having them who has
// one honest peer; what is wrong costs who said it, and nobody else.
func TestSnapshotAmongLiars(t *testing.T) {
	blob := contents(11)
	chunks := chain.ChunksOf(blob)
	list := encode(t, chunks)
	chunk := func(i int) []byte {
		from, to := chunks.Span(i)
		return blob[from:to]
	}
	// told answers truly what the chunks are, and lets lie answer for them.
	told := func(lie func(st libp2p.Stream, r request)) func(libp2p.Stream, request) {
		return func(st libp2p.Stream, r request) {
			if r.from.Index == chunksIndex {
				_, _ = st.Write(answerOf(list))
				return
			}
			lie(st, r)
		}
	}
	silence := func(st libp2p.Stream) { _, _ = st.Read(make([]byte, 1)) } // until it is reset
	for name, c := range map[string]struct {
		guilty bool
		answer func(st libp2p.Stream, r request)
	}{
		"wrong list":  {true, func(st libp2p.Stream, _ request) { _, _ = st.Write(answerOf(encode(t, chain.ChunksOf(blob[1:])))) }},
		"no list":     {true, func(st libp2p.Stream, _ request) { _, _ = st.Write(answerOf([]byte("junk"))) }},
		"wrong bytes": {true, told(func(st libp2p.Stream, r request) { _, _ = st.Write(answerOf(make([]byte, chain.ChunkSize))) })},
		"wrong chunk": {true, told(func(st libp2p.Stream, r request) {
			_, _ = st.Write(answerOf(chunk(int(r.from.Index)), chunk(int(r.from.Index))))
		})},
		"too long": {true, told(func(st libp2p.Stream, r request) {
			_, _ = st.Write(answerOf(append(bytes.Clone(chunk(int(r.from.Index))), 0)))
		})},
		"announced": {true, told(func(st libp2p.Stream, _ request) { _, _ = st.Write([]byte{0, 0xff, 0xff, 0xff, 0xff}) })},
		"endless": {true, told(func(st libp2p.Stream, r request) {
			_, err := st.Write([]byte{byte(answerOK)})
			for i := r.from.Index; err == nil; i = (i + 1) % 10 {
				_, err = st.Write(append(binary.BigEndian.AppendUint32(nil, chain.ChunkSize), chunk(int(i))...))
			}
		})},
		"silent half-way": {false, told(func(st libp2p.Stream, r request) {
			out := answerOf(chunk(int(r.from.Index)))
			_, _ = st.Write(out[:len(out)-2])
			silence(st)
		})},
		"silent":  {false, told(func(st libp2p.Stream, _ request) { silence(st) })},
		"nothing": {false, told(func(st libp2p.Stream, _ request) { _, _ = st.Write(answerOf()) })},
		"busy":    {false, told(func(st libp2p.Stream, _ request) { _, _ = st.Write([]byte{byte(answerBusy)}) })},
		"of old":  {false, func(st libp2p.Stream, _ request) { _, _ = st.Write([]byte{byte(answerBad)}) }},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "silent") {
				shortenChunks(t, 2*time.Second)
			}
			x, layer := newWorld(t), &depot{blobs: make(map[string][]byte)}
			cfg := x.keeper(t.TempDir())
			cfg.Signer = sampleKey(t)
			seq := x.run(cfg)
			id := x.offers(seq, layer, 8, blob)
			layer.set(errAway, nil)
			n := x.node()
			asked := new(atomic.Int64)
			for range sourcesMax + 1 { // all sources at once, and more
				x.swindler(func(st libp2p.Stream, r request) { asked.Add(1); c.answer(st, r) }).meetIdle(n.Node)
			}
			_, err := n.Publish(t.Context(), link.TopicSnapshots, nil)
			require.Error(t, err)
			digest := chain.ChunksOf(blob).Digest()
			require.Eventually(t, func() bool { return len(n.peers.statuses()) > sourcesMax }, 10*time.Second, 5*time.Millisecond)
			if name != "silent half-way" { // which gives a chunk each time
				_, _, err = n.download(t.Context(), digest)
				require.ErrorIs(t, err, chain.ErrNotFound, "they do not give it")
			}
			x.introduce(n, seq)
			x.hears(n, id)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			got, err := n.Layer(layer, nil).Get(ctx, id)
			require.NoError(t, err)
			require.True(t, bytes.Equal(blob, got))
			require.NotZero(t, asked.Load())
			st := n.Stats()
			require.GreaterOrEqual(t, st.ChunksTaken, uint64(len(chunks.Digests)))
			require.Equal(t, c.guilty, st.ChunksRefused > 0)
			require.Positive(t, seq.Stats().ChunksGiven)
			for _, p := range n.Peers() {
				require.Equal(t, p.ID != seq.ID() && c.guilty, p.Requests < -1, "%+v", p)
			}
		})
	}
}
