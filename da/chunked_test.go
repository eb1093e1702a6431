package da_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/da/memory"
)

const (
	blobMax  = 4096         // of the layer in these tests
	partSize = blobMax - 52 // of the whole, in a part
)

func chunked(t testing.TB, config da.ChunkedConfig) *da.Chunked {
	t.Helper()
	if config.MaxBlob == 0 {
		config.MaxBlob = blobMax
	}
	c, err := da.NewChunked(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A recorder is a layer that counts, refuses what is too large, and fails on request.
type recorder struct {
	chain.DAClient
	fail func(put int) error

	mu    sync.Mutex
	blobs [][]byte // that were put
	now   int      // calls under way
	most  int
}

func newRecorder() *recorder { return &recorder{DAClient: inprocess.New()} }

func (r *recorder) enter(blob []byte) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now++
	r.most = max(r.most, r.now)
	if blob != nil {
		r.blobs = append(r.blobs, bytes.Clone(blob))
	}
	return len(r.blobs)
}

func (r *recorder) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now--
}

func (r *recorder) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	n := r.enter(blob)
	defer r.leave()
	runtime.Gosched()
	if len(blob) > blobMax {
		return nil, chain.ErrTooLarge
	}
	if r.fail != nil {
		if err := r.fail(n); err != nil {
			return nil, err
		}
	}
	return r.DAClient.Put(ctx, blob)
}

func (r *recorder) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	r.enter(nil)
	defer r.leave()
	runtime.Gosched()
	return r.DAClient.Get(ctx, id)
}

func noise(n int) []byte {
	rng := rand.NewChaCha8([32]byte{byte(n)})
	b := make([]byte, n)
	_, _ = rng.Read(b)
	return b
}

func TestChunkedDAClient(t *testing.T) {
	chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient {
		// A part of 64 KiB, so that the list of the kit's 1 MiB fits into one.
		return chunked(t, da.ChunkedConfig{Client: inprocess.New(), MaxBlob: 64 << 10})
	})
	chaintest.TestDAClient(t, func(t testing.TB) chain.DAClient {
		layer, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return chunked(t, da.ChunkedConfig{Client: layer, MaxBlob: 256 << 10})
	})
}

// TestChunkedSizes: around every edge, the right number of blobs, none too large, at
// most so many at once.
func TestChunkedSizes(t *testing.T) {
	for size, want := range map[int]int{
		0: 1, 1: 1, blobMax - 1: 1, blobMax: 1, blobMax + 1: 3, 2*partSize - 1: 3, 2 * partSize: 3, 2*partSize + 1: 4, 20 * partSize: 21,
	} {
		var (
			layer = newRecorder()
			c     = chunked(t, da.ChunkedConfig{Client: layer, Concurrent: 3})
			blob  = noise(size)
		)
		id, err := c.Put(t.Context(), blob)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := c.Get(t.Context(), id)
		if err != nil || !bytes.Equal(got, blob) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
		if len(layer.blobs) != want || id[0] == 0 != (want == 1) {
			t.Errorf("%d bytes became %d blobs, want %d; id %x", size, len(layer.blobs), want, id)
		}
		if layer.most > 3 {
			t.Errorf("%d calls at once", layer.most)
		}
	}
}

// TestChunkedLayout spells the bytes out: they are a format.
func TestChunkedLayout(t *testing.T) {
	layer := newRecorder()
	blob := noise(partSize + 100)
	id, err := chunked(t, da.ChunkedConfig{Client: layer, Concurrent: 1}).Put(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	whole := chain.Keccak256(blob)
	be32, be64 := binary.BigEndian.AppendUint32, binary.BigEndian.AppendUint64
	part := func(i uint32, content []byte) []byte {
		return append(append(be64(be32(be32([]byte("VDP\x01"), i), 2), uint64(len(blob))), whole[:]...), content...)
	}
	want := [][]byte{part(0, blob[:partSize]), part(1, blob[partSize:])}
	list := append(be32(be32(be64([]byte("VDM\x01"), uint64(len(blob))), partSize), 2), whole[:]...)
	for _, p := range want {
		hash := chain.Keccak256(p)
		list = append(list, 0, 32)
		list = append(append(list, hash[:]...), hash[:]...) // the name is the hash, here
	}
	want = append(want, list)
	for i := range want {
		if !bytes.Equal(layer.blobs[i], want[i]) {
			t.Errorf("blob %d is\n%.100x, want\n%.100x", i, layer.blobs[i], want[i])
		}
	}
	if hash := chain.Keccak256(list); !bytes.Equal(id, append([]byte{1}, hash[:]...)) {
		t.Errorf("id is %x", id)
	}
}

// TestChunkedGoesOn: what a failed Put has paid for is not put again.
func TestChunkedGoesOn(t *testing.T) {
	layer := newRecorder()
	c := chunked(t, da.ChunkedConfig{Client: layer, Concurrent: 1})
	blob := noise(6 * partSize)
	layer.fail = func(put int) error {
		if put == 4 || put == 8 { // part 3, then the manifest
			return da.ErrFailover
		}
		return nil
	}
	for range 2 {
		if _, err := c.Put(t.Context(), blob); !errors.Is(err, da.ErrFailover) {
			t.Fatalf("%v, want ErrFailover", err)
		}
	}
	id, err := c.Put(t.Context(), blob)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), id); err != nil || !bytes.Equal(got, blob) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if len(layer.blobs) != 6+1+1+1 { // one part and one manifest twice
		t.Errorf("%d blobs were put", len(layer.blobs))
	}
	if _, err := c.Put(t.Context(), blob); err != nil || len(layer.blobs) != 9+7 {
		t.Errorf("after success all is put anew: %d blobs, %v", len(layer.blobs), err)
	}
}

// TestChunkedLies: a layer that gives other parts, orders, manifests than were put.
func TestChunkedLies(t *testing.T) {
	layer := newRecorder()
	c := chunked(t, da.ChunkedConfig{Client: layer, Concurrent: 1})
	id, err := c.Put(t.Context(), noise(3*partSize))
	if err != nil {
		t.Fatal(err)
	}
	list := layer.blobs[3]
	const entry = 2 + 32 + 32
	at := len(list) - 3*entry
	flipped := func(i int) []byte { b := bytes.Clone(list); b[i] ^= 1; return b }
	for name, lie := range map[string][]byte{
		"parts swapped":   append(append(append(bytes.Clone(list[:at]), list[at+entry:at+2*entry]...), list[at:at+entry]...), list[at+2*entry:]...),
		"part twice":      append(append(bytes.Clone(list[:at+entry]), list[at:at+entry]...), list[at+2*entry:]...),
		"part missing":    list[:len(list)-entry],
		"part hash":       flipped(len(list) - 1),
		"whole hash":      flipped(at - 1),
		"version":         flipped(3),
		"magic":           flipped(0),
		"count":           flipped(19),
		"total":           flipped(11),
		"trailing":        append(bytes.Clone(list), 0),
		"empty":           {},
		"not a manifest":  layer.blobs[0],
		"only the head":   list[:at],
		"ends inside one": list[:len(list)-1],
	} {
		other, err := layer.DAClient.Put(t.Context(), lie)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), append(chain.BlobID{1}, other...)); !errors.Is(err, chain.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
	if _, err := c.Get(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestChunkedBounds: what a manifest states is looked at before memory is taken.
func TestChunkedBounds(t *testing.T) {
	layer := newRecorder()
	c := chunked(t, da.ChunkedConfig{Client: layer, MaxObject: 10 * partSize})
	for name, fields := range map[string]struct {
		total       uint64
		size, count uint32
	}{
		"whole": {1 << 40, partSize, 1},
		"all":   {1<<64 - 1, 1<<32 - 1, 1<<32 - 1},
		"part":  {1 << 12, partSize + 1, 1},
	} {
		list := binary.BigEndian.AppendUint64([]byte("VDM\x01"), fields.total)
		list = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(list, fields.size), fields.count)
		id, _ := layer.DAClient.Put(t.Context(), append(list, make([]byte, 32)...))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Get(t.Context(), append(chain.BlobID{1}, id...))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, da.ErrTooLarge) || after.TotalAlloc-before.TotalAlloc > 1<<20 {
			t.Errorf("%s: %v after taking %d bytes, want ErrTooLarge", name, err, after.TotalAlloc-before.TotalAlloc)
		}
	}
	if _, err := c.Put(t.Context(), make([]byte, 10*partSize+1)); !errors.Is(err, da.ErrTooLarge) {
		t.Errorf("put: %v, want ErrTooLarge", err)
	}
	// 4 KiB hold the names of 60 parts.
	if _, err := chunked(t, da.ChunkedConfig{Client: layer}).Put(t.Context(), make([]byte, 100*partSize)); !errors.Is(err, da.ErrTooLarge) {
		t.Errorf("put with a manifest that is too large: %v, want ErrTooLarge", err)
	}
	if _, err := chunked(t, da.ChunkedConfig{Client: layer}).Put(t.Context(), make([]byte, 4096*partSize+1)); !errors.Is(err, da.ErrTooLarge) {
		t.Errorf("put of 4097 parts: %v, want ErrTooLarge", err)
	}
	for _, config := range []da.ChunkedConfig{{}, {Client: layer, MaxBlob: 4095}} {
		if _, err := da.NewChunked(config); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
}

// TestChunkedLostPart: a part that is gone is ErrNotFound, and the others are not
// waited for.
func TestChunkedLostPart(t *testing.T) {
	layer := newRecorder()
	c := chunked(t, da.ChunkedConfig{Client: layer})
	if _, err := c.Put(t.Context(), noise(5*partSize)); err != nil {
		t.Fatal(err)
	}
	other := newRecorder()
	id, _ := other.DAClient.Put(t.Context(), layer.blobs[5])
	_, err := chunked(t, da.ChunkedConfig{Client: other}).Get(t.Context(), append(chain.BlobID{1}, id...))
	if !errors.Is(err, da.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

func FuzzManifest(f *testing.F) {
	layer := newRecorder()
	c, err := da.NewChunked(da.ChunkedConfig{Client: layer, MaxBlob: blobMax, Concurrent: 1})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := c.Put(context.Background(), noise(2*partSize)); err != nil {
		f.Fatal(err)
	}
	f.Add(layer.blobs[2])
	f.Fuzz(func(t *testing.T, list []byte) {
		again, err := da.ReadManifest(list, 1<<20, blobMax)
		switch {
		case err == nil && !bytes.Equal(again, list):
			t.Fatalf("%x reads, but writes %x", list, again)
		case err != nil && !errors.Is(err, chain.ErrCorrupt) && !errors.Is(err, chain.ErrTooLarge):
			t.Fatalf("untyped error: %v", err)
		}
	})
}

// FuzzPart: of all blobs only the one that was put is taken for a part.
func FuzzPart(f *testing.F) {
	layer := newRecorder()
	c, err := da.NewChunked(da.ChunkedConfig{Client: layer, MaxBlob: blobMax, Concurrent: 1})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := c.Put(context.Background(), noise(partSize+100)); err != nil {
		f.Fatal(err)
	}
	list, want := layer.blobs[2], layer.blobs[1]
	f.Add(want)
	f.Add(layer.blobs[0])
	f.Fuzz(func(t *testing.T, framed []byte) {
		got, err := da.ReadPart(list, 1, framed)
		if err == nil != bytes.Equal(framed, want) || err == nil && !bytes.Equal(got, want[52:]) {
			t.Fatalf("%x reads as %d bytes, %v", framed, len(got), err)
		}
		if err != nil && !errors.Is(err, chain.ErrCorrupt) {
			t.Fatalf("untyped error: %v", err)
		}
	})
}
