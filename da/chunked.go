package da

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// First bytes of a Chunked's BlobIDs.
const (
	idWhole = 0x00 // then the layer's BlobID of the blob
	idSplit = 0x01 // then the layer's BlobID of the manifest
)

// ChunkedConfig is the Config of a Chunked. Client is required.
type ChunkedConfig struct {
	Client chain.DAClient
	// MaxBlob is the largest blob that the Client takes, in bytes; and the largest
	// part that is read. Default 16,252,897, EigenDA's. At least 4 KiB.
	MaxBlob int
	// MaxObject is the largest blob that is put or read, in bytes. Default 1 GiB.
	MaxObject int
	// Concurrent is how many parts are under way at once. Default 4. Each takes a
	// copy of MaxBlob bytes.
	Concurrent int
}

func (c ChunkedConfig) withDefaults() ChunkedConfig {
	if c.MaxBlob <= 0 {
		c.MaxBlob = 16_252_897
	}
	if c.MaxObject <= 0 {
		c.MaxObject = 1 << 30
	}
	if c.Concurrent <= 0 {
		c.Concurrent = 4
	}
	return c
}

const (
	maxBlobLeast = 4 << 10 // bytes

	// A Put that failed leaves the names of the parts that were taken, for the next
	// Put of the same blob: layers are paid by the blob. So many are remembered, for
	// so long; a layer may forget parts that nobody refers to.
	unfinishedMax = 16
	unfinishedAge = time.Hour
)

// A Chunked implements chain.DAClient for blobs larger than its Client takes: it
// splits them into parts, puts a manifest that names the parts, and joins them again.
// Blobs that fit go through as they are. It may be used concurrently, as far as its
// Client may.
//
// A Get checks each part as it comes, against the manifest, and the whole at the end.
// Nothing is allocated for a whole before the manifest's sizes have been checked.
//
//	BlobID    0x00, the Client's BlobID of the blob
//	          0x01, the Client's BlobID of the manifest
//
//	manifest  "VDM" 1, total u64, size u32, count u32, keccak256 of the whole,
//	          for each part: length u16 and BlobID, keccak256 of the part's blob
//	part      "VDP" 1, index u32, count u32, total u64, keccak256 of the whole,
//	          size bytes of the whole, of the last part what is left
//
// Integers are big-endian; there are at most 4096 parts. Rejected: manifests of
// manifests, since 4096 parts of 16 MB are beyond any object here; parts without a
// head, which could not be told from other blobs when the manifest is lost.
type Chunked struct {
	config ChunkedConfig

	mu         sync.Mutex
	unfinished map[common.Hash]*unfinished // by keccak256 of the whole
}

type unfinished struct {
	manifest *manifest
	since    time.Time
}

var _ chain.DAClient = (*Chunked)(nil)

// NewChunked returns a client for large blobs.
func NewChunked(config ChunkedConfig) (*Chunked, error) {
	config = config.withDefaults()
	if config.Client == nil || config.MaxBlob < maxBlobLeast {
		return nil, fmt.Errorf("da: chunks need a Client, and blobs of at least %d bytes, not %d", maxBlobLeast, config.MaxBlob)
	}
	return &Chunked{config: config, unfinished: make(map[common.Hash]*unfinished)}, nil
}

// Put implements chain.DAClient. When it fails, the next Put of the same blob goes on
// with the parts that the layer has not taken.
func (c *Chunked) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	if len(blob) > c.config.MaxObject {
		return nil, fmt.Errorf("%w: blob of %d bytes, at most %d allowed", chain.ErrTooLarge, len(blob), c.config.MaxObject)
	}
	if len(blob) <= c.config.MaxBlob {
		id, err := c.config.Client.Put(ctx, blob)
		return prefixed(idWhole, id, err)
	}
	m, err := c.begin(blob)
	if err != nil {
		return nil, err
	}
	if err := c.putParts(ctx, m, blob); err != nil {
		c.keep(m)
		return nil, err
	}
	list := m.appendBinary(nil)
	if len(list) > c.config.MaxBlob {
		return nil, fmt.Errorf("%w: manifest of %d parts has %d bytes, at most %d allowed", chain.ErrTooLarge, len(m.parts), len(list), c.config.MaxBlob)
	}
	id, err := c.config.Client.Put(ctx, list)
	if err != nil {
		c.keep(m)
		err = fmt.Errorf("manifest of %d parts: %w", len(m.parts), err)
	}
	return prefixed(idSplit, id, err)
}

func prefixed(form byte, id chain.BlobID, err error) (chain.BlobID, error) {
	if err != nil {
		return nil, err
	}
	return append(chain.BlobID{form}, id...), nil
}

// begin makes the manifest of a blob, without names, or takes up the one that an
// earlier Put left; two Puts never share one.
func (c *Chunked) begin(blob []byte) (*manifest, error) {
	m := &manifest{total: uint64(len(blob)), size: uint32(c.config.MaxBlob - partHead), whole: chain.Keccak256(blob)}
	n := count(m.total, m.size)
	if n > partsMax {
		return nil, fmt.Errorf("%w: %d bytes are %d parts, at most %d allowed", chain.ErrTooLarge, len(blob), n, partsMax)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.unfinished[m.whole]; u != nil {
		delete(c.unfinished, m.whole)
		if time.Since(u.since) < unfinishedAge {
			return u.manifest, nil
		}
	}
	m.parts = make([]part, n)
	return m, nil
}

func (c *Chunked) keep(m *manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unfinished) >= unfinishedMax {
		var oldest *unfinished
		for _, u := range c.unfinished {
			if oldest == nil || u.since.Before(oldest.since) {
				oldest = u
			}
		}
		delete(c.unfinished, oldest.manifest.whole)
	}
	c.unfinished[m.whole] = &unfinished{m, time.Now()}
}

func (c *Chunked) putParts(ctx context.Context, m *manifest, blob []byte) error {
	return parallel(ctx, len(m.parts), c.config.Concurrent, func(ctx context.Context, i int) error {
		if m.parts[i].id != nil {
			return nil
		}
		from, to := m.span(i)
		framed := append(m.appendPartHead(make([]byte, 0, partHead+to-from), i), blob[from:to]...)
		id, err := c.config.Client.Put(ctx, framed)
		switch {
		case err != nil:
			return fmt.Errorf("part %d of %d: %w", i, len(m.parts), err)
		case len(id) == 0 || len(id) > nameMax:
			return fmt.Errorf("%w: part %d of %d: its name has %d bytes", chain.ErrTooLarge, i, len(m.parts), len(id))
		}
		m.parts[i] = part{id: id, hash: chain.Keccak256(framed)}
		return nil
	})
}

// Get implements chain.DAClient.
func (c *Chunked) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	switch {
	case len(id) > 0 && id[0] == idWhole:
		return c.config.Client.Get(ctx, id[1:])
	case len(id) == 0 || id[0] != idSplit:
		return nil, fmt.Errorf("%w: an id of %d bytes is of no form that is known", chain.ErrNotFound, len(id))
	}
	list, err := c.config.Client.Get(ctx, id[1:])
	if err != nil {
		return nil, err
	}
	m, err := readManifest(list, c.config.MaxObject, c.config.MaxBlob)
	if err != nil {
		return nil, err
	}
	blob := make([]byte, m.total)
	if err := c.getParts(ctx, m, blob); err != nil {
		return nil, err
	}
	if got := chain.Keccak256(blob); got != m.whole {
		return nil, &chain.CorruptError{What: "split blob " + m.whole.Hex(), Offset: -1, Err: fmt.Errorf("content has hash %s", got)}
	}
	return blob, nil
}

func (c *Chunked) getParts(ctx context.Context, m *manifest, blob []byte) error {
	return parallel(ctx, len(m.parts), c.config.Concurrent, func(ctx context.Context, i int) error {
		framed, err := c.config.Client.Get(ctx, m.parts[i].id)
		if err != nil {
			return fmt.Errorf("part %d of %d: %w", i, len(m.parts), err)
		}
		content, err := m.readPart(i, framed)
		if err != nil {
			return err
		}
		from, _ := m.span(i)
		copy(blob[from:], content)
		return nil
	})
}

// parallel calls f for 0 to n-1, in order, at most limit at once, and returns the
// first error, which ends the context of the others.
func parallel(ctx context.Context, n, limit int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, limit)
	)
	for i := range n {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
