package memory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/sched"
)

const (
	// pruneInterval is how often expired blobs are removed (ephemeraldb/ephemeral_db.go).
	pruneInterval = 500 * time.Millisecond
	// certSize is the length of a certificate, in bytes.
	certSize = 256
)

// Config of a Layer. The zero value is a layer without faults.
type Config struct {
	// Seed of everything that is drawn.
	Seed uint64
	Settings
}

// A Layer implements chain.DAClient and http.Handler. It may be used concurrently.
type Layer struct {
	mu       sync.Mutex
	settings Settings
	rng      *rand.Rand
	cert     *rand.ChaCha8
	blobs    map[string]entry // by commitment of the standard mode
	keccak   map[common.Hash][]byte
	pruned   time.Time
	stats    Stats
}

// An entry is what is under a commitment: a payload, or why there is none.
type entry struct {
	payload []byte // nobody alters it
	dropped *da.DroppedError
	since   time.Time
}

// Stats are counts since the Layer was made.
type Stats struct {
	Puts, Gets uint64 // calls
	Faults     uint64 // of those, spoiled by a rate
	Blobs      int    // that are kept now
	Bytes      uint64 // that they have
}

var _ chain.DAClient = (*Layer)(nil)

// New returns an empty layer.
func New(config Config) (*Layer, error) {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(config.Seed >> (8 * i))
	}
	l := &Layer{
		rng:    rand.New(rand.NewPCG(config.Seed, 1)),
		cert:   rand.NewChaCha8(seed),
		blobs:  make(map[string]entry),
		keccak: make(map[common.Hash][]byte),
	}
	return l, l.Set(config.Settings)
}

// Set replaces the settings, for calls that begin from now on. On an error they stay.
func (l *Layer) Set(s Settings) error {
	s = s.withDefaults()
	if err := s.validate(); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settings = s
	return nil
}

// Settings are the present ones, defaults filled in.
func (l *Layer) Settings() Settings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settings
}

// Stats returns the counts.
func (l *Layer) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(time.Now())
	stats := l.stats
	stats.Blobs = len(l.blobs) + len(l.keccak)
	for _, e := range l.blobs {
		stats.Bytes += uint64(len(e.payload))
	}
	for _, blob := range l.keccak {
		stats.Bytes += uint64(len(blob))
	}
	return stats
}

// A call is one put or get, with what was drawn for it.
type call struct {
	Settings
	fault  fault
	point  float64 // where the fault is
	jitter time.Duration
}

func (l *Layer) begin(isGet bool) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &call{Settings: l.settings}
	// Always three, so that a setting does not shift what is drawn for later calls.
	c.fault = c.pick(l.rng.Float64(), isGet)
	c.point = l.rng.Float64()
	c.jitter = time.Duration(l.rng.Float64() * float64(c.Jitter))
	if isGet {
		l.stats.Gets++
	} else {
		l.stats.Puts++
	}
	if c.fault != none {
		l.stats.Faults++
	}
	return c
}

// fail is how the call ends before the layer does anything.
func (c *call) fail(ctx context.Context) error {
	switch c.fault {
	case hang:
		<-ctx.Done()
		return ctx.Err()
	case internal:
		return fmt.Errorf("%w: memory: fault on request", da.ErrTransient)
	case busy:
		return &da.BusyError{RetryAfter: c.RetryAfter, Msg: "fault on request"}
	case failover:
		return fmt.Errorf("%w: memory: fault on request", da.ErrFailover)
	}
	return nil
}

var errCut = fmt.Errorf("%w: memory: the answer broke off", da.ErrTransient)

// Put implements chain.DAClient. The BlobID is that of eigenda.Client in its standard
// mode.
func (l *Layer) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	c := l.begin(false)
	commitment, err := l.put(ctx, c, append([]byte{}, blob...))
	switch {
	case err != nil:
		return nil, err
	case c.fault == cut:
		return nil, errCut
	}
	return da.Bind(commitment, blob), nil
}

// put stores a payload, which is the layer's from then on, under a commitment of the
// standard mode.
func (l *Layer) put(ctx context.Context, c *call, payload []byte) ([]byte, error) {
	if err := c.admit(ctx, payload); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.prune(now)
	commitment := make([]byte, 1+certSize)
	commitment[0] = byte(c.CertVersion - 1)
	_, _ = l.cert.Read(commitment[1:]) // it never fails
	e := entry{payload: payload, since: now}
	if dropped := l.settings.Dropped; dropped != nil { // as it is now, not before the latency
		e = entry{dropped: dropped, since: now}
	}
	if c.fault != lose {
		l.blobs[string(commitment)] = e
	}
	return commitment, nil
}

// Lose makes gets of a blob that is there answer from now on why it is dropped, with
// status 418 over HTTP, or with nil that it is not there. The error matches ErrNotFound
// when there is no such blob.
func (l *Layer) Lose(id chain.BlobID, why *da.DroppedError) error {
	commitment, _, ok := da.Unbind(id)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, there := l.blobs[string(commitment)]
	switch {
	case !ok || !there:
		return fmt.Errorf("%w: memory: blob %x", chain.ErrNotFound, id)
	case why == nil:
		delete(l.blobs, string(commitment))
	default:
		l.blobs[string(commitment)] = entry{dropped: why, since: time.Now()}
	}
	return nil
}

// admit is the way of a put until the payload is stored, in EigenDA's order.
func (c *call) admit(ctx context.Context, payload []byte) error {
	if err := c.fail(ctx); err != nil {
		return err
	}
	if c.PutReturnsFailoverError {
		return fmt.Errorf("%w: memory: as configured", da.ErrFailover)
	}
	if n := encodedSize(len(payload)); n > c.MaxBlobSizeBytes {
		return fmt.Errorf("%w: memory: encoded blob of %d bytes, at most %d allowed", da.ErrTooLarge, n, c.MaxBlobSizeBytes)
	}
	return sleep(ctx, c.PutLatency+c.jitter)
}

// encodedSize is the length of the blob that holds n bytes of payload: a header of 32
// bytes, 32 for every 31, and zeros up to a power of two
// (api/clients/v2/coretypes/payload.go).
func encodedSize(n int) uint64 {
	need := 32 * (1 + (uint64(n)+30)/31)
	size := uint64(32)
	for size < need {
		size *= 2
	}
	return size
}

// Get implements chain.DAClient.
func (l *Layer) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	c := l.begin(true)
	commitment, hash, ok := da.Unbind(id)
	if !ok {
		return nil, fmt.Errorf("%w: memory: an id of %d bytes", chain.ErrNotFound, len(id))
	}
	payload, err := l.get(ctx, c, commitment)
	switch {
	case err != nil:
		return nil, err
	case c.fault == cut:
		return nil, errCut
	}
	blob := append([]byte{}, c.fault.spoil(payload, c.point)...)
	if err := da.CheckBlob(blob, hash); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return blob, nil
}

// get returns what is under a commitment of the standard mode: not to be altered.
func (l *Layer) get(ctx context.Context, c *call, commitment []byte) ([]byte, error) {
	if err := c.fail(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, c.GetLatency+c.jitter); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(time.Now())
	e, ok := l.blobs[string(commitment)]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: payload not found for key: %x", chain.ErrNotFound, commitment[:min(32, len(commitment))])
	case e.dropped != nil:
		return nil, e.dropped
	}
	return e.payload, nil
}

// prune removes what has expired, if it is time to look.
func (l *Layer) prune(now time.Time) {
	if l.settings.BlobExpiration == 0 || now.Sub(l.pruned) < pruneInterval {
		return
	}
	l.pruned = now
	for commitment, e := range l.blobs {
		if now.Sub(e.since) >= l.settings.BlobExpiration {
			delete(l.blobs, commitment)
		}
	}
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	return sched.Sleep(ctx, d)
}
