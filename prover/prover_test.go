package prover

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/statediff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// net is what a prover is connected to.
type net struct {
	bus *link.Bus
	da  *faultyDA
	key *ecdsa.PrivateKey
}

func newNet(t testing.TB) *net {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	return &net{link.NewBus(1 << 20), &faultyDA{DAClient: inprocess.New()}, key}
}

func (n *net) signer(t testing.TB) attest.Signer {
	key, err := attest.NewKey(crypto.FromECDSA(n.key))
	require.NoError(t, err)
	return key
}

func (n *net) config(w *world) Config {
	return Config{
		ChainConfig: w.config, DA: n.da, Key: n.key, Subscriber: n.bus, Publisher: n.bus,
		Workers: 3, Attempts: 3, RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a prover until the test ends.
func start(t testing.TB, config Config) *Prover {
	p, err := New(config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return p
}

func (n *net) publish(t testing.TB, p *chain.Publication) {
	msg, err := p.AppendBinary(nil)
	require.NoError(t, err)
	_, err = n.bus.Publish(context.Background(), link.TopicPublications, msg)
	require.NoError(t, err)
}

// attestations are the first count that were published, by block number.
func (n *net) attestations(t testing.TB, count int) map[uint64]*chain.Attestation {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	next, err := n.bus.Subscribe(ctx, link.TopicAttestations, 0)
	require.NoError(t, err)
	out := make(map[uint64]*chain.Attestation)
	for range count {
		_, msg, err := next(ctx)
		require.NoError(t, err)
		a := new(chain.Attestation)
		require.NoError(t, a.UnmarshalBinary(msg))
		signer, err := attest.Recover(a)
		require.NoError(t, err)
		require.Equal(t, crypto.PubkeyToAddress(n.key.PublicKey), signer)
		out[a.Block.Number] = a
	}
	return out
}

func eventually(t testing.TB, p *Prover, done func(Stats) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return done(p.Stats()) }, 30*time.Second, time.Millisecond)
}

// faultyDA fails as often as it is told to.
type faultyDA struct {
	chain.DAClient
	mu     sync.Mutex
	faults []error // of the next calls of Get
	gets   int
}

func (f *faultyDA) fail(faults ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

func (f *faultyDA) fault() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets++
	if len(f.faults) == 0 {
		return nil
	}
	err := f.faults[0]
	f.faults = f.faults[1:]
	return err
}

func (f *faultyDA) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.DAClient.Get(ctx, id)
}

// TestAttestations: blocks that are published in any order are all attested, and
// the attestation says what DESIGN wants it to cover.
func TestAttestations(t *testing.T) {
	w, blocks := deep(t)
	n := newNet(t)
	p := start(t, n.config(w))
	for _, i := range rand.Perm(len(blocks)) {
		n.publish(t, blocks[i].put(t, n.da))
	}
	got := n.attestations(t, len(blocks))
	for i, s := range blocks {
		block, _ := s.block.AppendBinary(nil)
		witness, _ := s.witness.AppendBinary(nil)
		want := &chain.Attestation{
			ChainID: genesis.DevChainID, Term: worldTerm, Block: s.block.Header.ID(), ParentHash: w.headers[i].Hash(),
			PreRoot: w.headers[i].StateRoot, PostRoot: w.headers[i+1].StateRoot, ReceiptsRoot: s.block.Header.ReceiptsRoot,
			BlockDigest: chain.Keccak256(block), ChangesDigest: s.changes.Digest(), WitnessDigest: chain.Keccak256(witness),
			DiffDigest: chain.Keccak256(s.diff), Program: ReexecutionProgram,
		}
		require.NoError(t, attest.Sign(want, n.signer(t))) // signatures are deterministic (RFC 6979)
		require.Equal(t, want, got[s.block.Header.Number])
	}
	require.Empty(t, p.Failures())
	// It is counted once it has been told.
	require.Eventually(t, func() bool { return p.Stats().Attested == uint64(len(blocks)) }, 5*time.Second, time.Millisecond)
}

// TestEvidence: what does not hold is Evidence, with its error, and not attested;
// the blocks around it are.
func TestEvidence(t *testing.T) {
	w, blocks := deep(t)
	encode := func(c *chain.Changes) []byte {
		diff, err := statediff.New(statediff.Config{Stateless: true}).AppendEncode(nil, c, w.state, nil)
		require.NoError(t, err)
		return diff
	}
	richer := func(s *sealed) []byte { // the same, from a state in which somebody had 1 wei more
		c := *s.changes
		c.Accounts = slices.Clone(c.Accounts)
		balance := &c.Accounts[0].Before.Balance
		balance.AddUint64(balance, 1)
		return encode(&c)
	}
	for name, c := range map[string]struct {
		damage func(s *sealed, p *chain.Publication)
		put    bool // after damage
		want   error
	}{
		"wrong state root":           {func(s *sealed, _ *chain.Publication) { s.block.Header.StateRoot[3] ^= 1 }, true, chain.ErrMismatch},
		"wrong receipts root":        {func(s *sealed, _ *chain.Publication) { s.block.Header.ReceiptsRoot[3] ^= 1 }, true, chain.ErrMismatch},
		"diff bit flipped":           {func(s *sealed, _ *chain.Publication) { s.diff[len(s.diff)/2] ^= 1 }, true, chain.ErrCorrupt},
		"diff of another":            {func(s *sealed, _ *chain.Publication) { s.diff = encode(new(chain.Changes)) }, true, chain.ErrMismatch},
		"diff of another block":      {func(s *sealed, _ *chain.Publication) { s.diff = blocks[1].diff }, true, chain.ErrUnknown},
		"diff against another state": {func(s *sealed, _ *chain.Publication) { s.diff = richer(s) }, true, chain.ErrOutOfStep},
		"node dropped":               {func(s *sealed, _ *chain.Publication) { s.witness.Nodes = s.witness.Nodes[1:] }, true, chain.ErrUnknown},
		"code extra": {func(s *sealed, _ *chain.Publication) {
			s.witness.Codes = append(s.witness.Codes, []byte{0xff, 0xff})
			s.witness.Normalize()
		}, true, chain.ErrSuperfluous},
		"header missing":             {func(s *sealed, _ *chain.Publication) { s.witness.Headers = s.witness.Headers[:1] }, true, chain.ErrUnknown},
		"wrong parent":               {func(s *sealed, _ *chain.Publication) { s.block.Header.ParentHash[3] ^= 1 }, true, chain.ErrCorrupt},
		"another block's witness":    {func(_ *sealed, p *chain.Publication) { p.Witness = blocks[0].put(t, inprocess.New()).Witness }, false, chain.ErrMismatch},
		"witness where the diff is":  {func(_ *sealed, p *chain.Publication) { p.Diff = p.Witness }, false, chain.ErrMismatch},
		"block announced as another": {func(_ *sealed, p *chain.Publication) { p.Block.Hash[3] ^= 1 }, false, chain.ErrMismatch},
		"diff withheld":              {func(_ *sealed, p *chain.Publication) { p.Diff = make([]byte, 32) }, false, chain.ErrNotFound},
		"no ids": {func(_ *sealed, p *chain.Publication) {
			p.Body, p.Witness, p.Diff = chain.BlobID{}, chain.BlobID{}, chain.BlobID{}
		}, false, chain.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t)
			first, last := blocks[0].put(t, n.da), blocks[1].put(t, n.da)
			bad := blocks[4].clone(t)
			publication := bad.put(t, n.da)
			c.damage(bad, publication)
			if c.put {
				publication = bad.put(t, n.da)
			}
			p := start(t, n.config(w))
			n.publish(t, first)
			n.publish(t, publication)
			n.publish(t, last)

			eventually(t, p, func(s Stats) bool { return s.Failed == 1 && s.Attested == 2 })
			evidence := p.Failures()
			require.Len(t, evidence, 1)
			require.ErrorIs(t, evidence[0].Err, c.want)
			require.Equal(t, *publication, evidence[0].Publication)
			require.NotContains(t, n.attestations(t, 2), publication.Block.Number)
		})
	}
}

// TestUnreadablePublication: bytes that are no publication stop nothing.
func TestUnreadablePublication(t *testing.T) {
	w, blocks := deep(t)
	n := newNet(t)
	p := start(t, n.config(w))
	for _, msg := range []string{"", "no publication", "\xc0"} {
		_, err := n.bus.Publish(context.Background(), link.TopicPublications, []byte(msg))
		require.NoError(t, err)
	}
	n.publish(t, blocks[0].put(t, n.da))
	n.attestations(t, 1)
	for _, e := range p.Failures() {
		require.ErrorIs(t, e.Err, chain.ErrCorrupt)
	}
	require.Len(t, p.Failures(), 3)
}

// TestRetries: errors that may pass are not held against a block.
func TestRetries(t *testing.T) {
	w, blocks := deep(t)
	outage := errors.New("connection refused")
	for name, c := range map[string]struct {
		faults   []error
		attested bool
	}{
		"outage":           {slicesOf(outage, 20), true},
		"not there yet":    {slicesOf(chain.ErrNotFound, 2), true},
		"never there":      {slicesOf(chain.ErrNotFound, 3), false},
		"once corrupt":     {slicesOf(chain.ErrCorrupt, 1), true},
		"corrupt for good": {slicesOf(chain.ErrCorrupt, 3), false},
		"too large":        {slicesOf(chain.ErrTooLarge, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t)
			publication := blocks[0].put(t, n.da)
			n.da.fail(c.faults...)
			p := start(t, n.config(w))
			n.publish(t, publication)
			eventually(t, p, func(s Stats) bool { return s.Attested+s.Failed == 1 })
			require.Equal(t, c.attested, p.Stats().Attested == 1)
			if !c.attested {
				require.ErrorIs(t, p.Failures()[0].Err, errors.Unwrap(c.faults[0]))
				require.Equal(t, len(c.faults), n.da.gets)
			}
		})
	}
}

func slicesOf(err error, n int) (out []error) {
	for range n {
		out = append(out, fmt.Errorf("injected: %w", err))
	}
	return out
}

// flaky is a Publisher that fails at first.
type flaky struct {
	Publisher
	mu   sync.Mutex
	left int
}

func (f *flaky) Publish(ctx context.Context, topic string, msg []byte) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left >= 0 {
		return 0, errors.New("link is down")
	}
	return f.Publisher.Publish(ctx, topic, msg)
}

func TestPublisherFails(t *testing.T) {
	w, blocks := deep(t)
	n := newNet(t)
	config := n.config(w)
	config.Publisher = &flaky{Publisher: n.bus, left: 5}
	p := start(t, config)
	n.publish(t, blocks[0].put(t, n.da))
	n.attestations(t, 1)
	require.Empty(t, p.Failures())
}

// TestFailuresAreBounded: a hostile sequencer does not fill our memory.
func TestFailuresAreBounded(t *testing.T) {
	w := newWorld(t)
	n := newNet(t)
	config := n.config(w)
	config.FailuresMax, config.QueueMax, config.Attempts = 3, 1, 1
	p := start(t, config)
	for i := range 10 {
		n.publish(t, &chain.Publication{Block: chain.BlockID{Number: uint64(i)}})
	}
	eventually(t, p, func(s Stats) bool { return s.Failed == 10 && s.Queued+s.Working == 0 })
	require.Len(t, p.Failures(), 3)
}

// TestRunEnds: with ctx, however busy everyone is, and with the subscription.
func TestRunEnds(t *testing.T) {
	w, blocks := deep(t)
	t.Run("while the layer is down", func(t *testing.T) {
		n := newNet(t)
		publication := blocks[0].put(t, n.da)
		n.da.fail(slicesOf(errors.New("outage"), 1_000_000)...)
		config := n.config(w)
		config.QueueMax, config.RetryMin, config.RetryMax = 1, time.Hour, time.Hour
		p := start(t, config) // its Cleanup waits for Run
		for range 10 {        // more than workers and queue take
			n.publish(t, publication)
		}
		eventually(t, p, func(s Stats) bool { return s.Working == 3 && s.Queued == 1 })
	})
	t.Run("with the subscription", func(t *testing.T) {
		n := newNet(t)
		n.bus = link.NewBus(1) // keeps one message
		for _, s := range blocks[:2] {
			n.publish(t, s.put(t, n.da))
		}
		p, err := New(n.config(w))
		require.NoError(t, err)
		require.ErrorIs(t, p.Run(context.Background()), chain.ErrOutOfStep)
	})
	t.Run("from a later publication", func(t *testing.T) {
		n := newNet(t)
		config := n.config(w)
		config.From = 1
		start(t, config)
		for _, s := range blocks[:2] {
			n.publish(t, s.put(t, n.da))
		}
		require.Contains(t, n.attestations(t, 1), uint64(2))
	})
}

func TestConfigIsChecked(t *testing.T) {
	w := newWorld(t)
	n := newNet(t)
	for name, alter := range map[string]func(*Config){
		"ChainConfig": func(c *Config) { c.ChainConfig = nil },
		"ChainID":     func(c *Config) { c.Executor, c.ChainConfig = w.executor, nil },
		"DA":          func(c *Config) { c.DA = nil },
		"Key":         func(c *Config) { c.Key = nil },
		"Subscriber":  func(c *Config) { c.Subscriber = nil },
		"Publisher":   func(c *Config) { c.Publisher = nil },
	} {
		config := n.config(w)
		alter(&config)
		_, err := New(config)
		require.ErrorContains(t, err, name)
	}
}
