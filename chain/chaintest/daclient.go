package chaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/vivace-chain/vivace/chain"
)

// TestDAClient checks that what open returns keeps the contract of
// chain.DAClient. Every call of open must give an empty layer, which takes blobs
// of 1 MiB; what needs closing is the test's Cleanup.
func TestDAClient(t *testing.T, open func(t testing.TB) chain.DAClient) {
	t.Run("RoundTrip", func(t *testing.T) { testDARoundTrip(t, open(t)) })
	t.Run("Ownership", func(t *testing.T) { testDAOwnership(t, open(t)) })
	t.Run("SameBlobAgain", func(t *testing.T) { testDASameBlob(t, open(t)) })
	t.Run("NotFound", func(t *testing.T) { testDANotFound(t, open(t)) })
	t.Run("Canceled", func(t *testing.T) { testDACanceled(t, open(t)) })
	t.Run("Concurrent", func(t *testing.T) { testDAConcurrent(t, open(t)) })
}

func mustPut(t testing.TB, c chain.DAClient, blob []byte) chain.BlobID {
	t.Helper()
	id, err := c.Put(context.Background(), blob)
	if err != nil {
		t.Fatalf("put %d bytes: %v", len(blob), err)
	}
	return id
}

func mustGet(t testing.TB, c chain.DAClient, id chain.BlobID, want []byte) []byte {
	t.Helper()
	got, err := c.Get(context.Background(), id)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes that are not the %d put", len(got), len(want))
	}
	return got
}

func testDARoundTrip(t *testing.T, c chain.DAClient) {
	var (
		rng   = rand.New(rand.NewPCG(5, 1))
		blobs [][]byte
		ids   []chain.BlobID
	)
	for _, size := range []int{0, 1, 31, 32, 33, 511, 512, 513, 4096, 100_000, 1 << 20} {
		blob := randomBytes(rng, size)
		blobs, ids = append(blobs, blob), append(ids, mustPut(t, c, blob))
	}
	for i := range blobs {
		mustGet(t, c, ids[i], blobs[i])
		for j := range i {
			if bytes.Equal(ids[i], ids[j]) {
				t.Fatalf("blobs of %d and %d bytes have the same id", len(blobs[i]), len(blobs[j]))
			}
		}
	}
}

func testDAOwnership(t *testing.T, c chain.DAClient) {
	want := []byte("what was put")
	blob := bytes.Clone(want)
	id := mustPut(t, c, blob)
	clear(blob)
	clear(mustGet(t, c, id, want))
	mustGet(t, c, id, want)
}

func testDASameBlob(t *testing.T, c chain.DAClient) {
	blob := []byte("again and again")
	first, second := mustPut(t, c, blob), mustPut(t, c, blob)
	mustGet(t, c, first, blob)
	mustGet(t, c, second, blob)
}

func testDANotFound(t *testing.T, c chain.DAClient) {
	id := bytes.Clone(mustPut(t, c, []byte("something")))
	for i := range id {
		id[i] ^= 0x55
	}
	for _, id := range []chain.BlobID{id, id[:len(id)/2], append(bytes.Clone(id), 1), {}, nil} {
		if blob, err := c.Get(context.Background(), id); !errors.Is(err, chain.ErrNotFound) || blob != nil {
			t.Errorf("get %x: %d bytes, %v, want ErrNotFound", id, len(blob), err)
		}
	}
}

func testDACanceled(t *testing.T, c chain.DAClient) {
	id := mustPut(t, c, []byte("something"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Get(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v, want context.Canceled", err)
	}
	if _, err := c.Put(ctx, []byte("else")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v, want context.Canceled", err)
	}
}

// testDAConcurrent: several goroutines put and get the same few blobs.
func testDAConcurrent(t *testing.T, c chain.DAClient) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20 {
				blob := bytes.Repeat([]byte{byte(i)}, 1000*i)
				id, err := c.Put(context.Background(), blob)
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				got, err := c.Get(context.Background(), id)
				if err != nil || !bytes.Equal(got, blob) {
					t.Errorf("get: %d bytes, %v, want %d", len(got), err, len(blob))
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkDAClient times Put and Get of blobs of several sizes.
func BenchmarkDAClient(b *testing.B, open func(t testing.TB) chain.DAClient) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		blob := randomBytes(rand.New(rand.NewPCG(5, 2)), size)
		b.Run(fmt.Sprintf("op=put/bytes=%d", size), func(b *testing.B) {
			c := open(b)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				blob[i%size]++ // another blob
				mustPut(b, c, blob)
			}
		})
		b.Run(fmt.Sprintf("op=get/bytes=%d", size), func(b *testing.B) {
			c := open(b)
			id := mustPut(b, c, blob)
			b.SetBytes(int64(size))
			for b.Loop() {
				mustGet(b, c, id, blob)
			}
		})
	}
}
