package work

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
)

// A fleetWorld is a sequencer with its door, and as many provers as come. Leases last
// for 300 ms.
type fleetWorld struct {
	*rpctest.Sequencer
	t    testing.TB
	da   chain.DAClient
	url  string
	desk *sequencer.Desk
}

func newFleetWorld(t testing.TB, provers, threshold int, change ...func(*sequencer.Config)) *fleetWorld {
	w := &fleetWorld{t: t}
	w.Sequencer = rpctest.RunSequencer(t, func(c *sequencer.Config) {
		for i := range provers {
			c.Provers = append(c.Provers, key(t, byte(i+1)).Address())
		}
		c.ProverThreshold, c.BlockInterval = threshold, 50*time.Millisecond
		c.Subscriber = link.NewBus(1 << 20) // attestations come by the door alone
		for _, f := range change {
			f(c)
		}
		w.da = c.DA
	})
	w.desk = sequencer.NewDesk(w.Sequencer.Sequencer, sequencer.DeskConfig{
		TTL: 300 * time.Millisecond, Patience: time.Second, HoldMin: 10 * time.Millisecond, HoldMax: 50 * time.Millisecond,
	})
	api, err := New(Config{Desk: w.desk, ChainID: w.Spec.Genesis.ChainID})
	require.NoError(t, err)
	api.page = 3000 // less than the objects of most blocks
	door, err := rpc.New(rpc.Config{
		Backend: node.OfSequencer(w.Sequencer.Sequencer, w.Store), Engine: w.Engine,
		Extra: map[string]any{"prover": api}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	server := httptest.NewServer(door.Handler())
	t.Cleanup(func() { server.Close(); door.Close() })
	w.url = server.URL
	return w
}

func (w *fleetWorld) client(n byte, change ...func(*ClientConfig)) *Client {
	return client(w.t, w.url, append([]func(*ClientConfig){func(c *ClientConfig) {
		c.ChainID, c.Signer, c.ObjectsBytes = w.Spec.Genesis.ChainID, key(w.t, n), 0
	}}, change...)...)
}

// A member is a prover that runs until it leaves.
type member struct {
	*prover.Prover
	client *Client
	leave  func() error
}

// join starts prover n.
func (w *fleetWorld) join(n byte, change ...func(*prover.Config)) *member {
	m := &member{client: w.client(n)}
	cfg := prover.Config{
		ChainConfig: w.Spec.Config, Signer: key(w.t, n), Source: m.client, DA: w.da,
		RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	m.Prover, err = prover.New(cfg)
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	m.leave = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() { require.NoError(w.t, m.leave()) })
	return m
}

// move makes transactions until count more blocks are proven than now.
func (w *fleetWorld) move(count uint64) {
	w.t.Helper()
	from := w.Heads().Proven.Number
	w.until("the proven head moves", func() bool { return w.Heads().Proven.Number >= from+count })
}

// until makes a transaction now and then until cond holds.
func (w *fleetWorld) until(what string, cond func() bool) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); {
		require.True(w.t, time.Now().Before(end), what)
		_, err := w.Submit(w.t.Context(), w.Transfer(0))
		if !errors.Is(err, chain.ErrBusy) {
			require.NoError(w.t, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Provers come and go; with two of three that must agree, each block is worked on by
// two, and the proven head moves.
func TestFleet(t *testing.T) {
	w := newFleetWorld(t, 3, 2)
	first := w.join(1)
	w.until("the first is done", func() bool { return first.Stats().Attested > 3 })
	require.Zero(t, w.Heads().Proven.Number, "one alone proves nothing")
	second := w.join(2)
	w.move(5)
	third := w.join(3)
	w.until("the third takes a share", func() bool { return third.Stats().Attested > 3 })
	require.NoError(t, first.leave())
	w.move(5)
	require.NoError(t, second.leave())
	for _, m := range []*member{first, second, third} {
		require.Empty(t, m.Failures())
	}
	s, err := third.client.Status(t.Context())
	require.NoError(t, err)
	require.Empty(t, s.Failing)
	require.NotZero(t, s.Submitted)
	attested := first.Stats().Attested + second.Stats().Attested + third.Stats().Attested
	require.LessOrEqual(t, attested, 2*w.Heads().Published.Number, "no block was proven by three")
}

// A prover that is killed with a lease says nothing; another proves its block when the
// lease has run out.
func TestKilledProver(t *testing.T) {
	w := newFleetWorld(t, 2, 1)
	w.until("there is work", func() bool { return len(w.Unproven(3)) == 3 })
	lost, err := w.client(1).Lease(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, lost, 3)
	m := w.join(2)
	w.move(5)
	require.NoError(t, m.leave())
	s := w.desk.Stats()
	require.GreaterOrEqual(t, s.Expired, uint64(3), "and others, on a busy machine")
	require.Empty(t, w.Evidence())
}

// backend does something else than the one that it has.
type backend struct {
	prover.ProofBackend
	prove func(ctx context.Context, in *prover.Input, honest func() (*prover.Output, error)) (*prover.Output, error)
}

func (b backend) Prove(ctx context.Context, in *prover.Input) (*prover.Output, error) {
	return b.prove(ctx, in, func() (*prover.Output, error) { return b.ProofBackend.Prove(ctx, in) })
}

func (w *fleetWorld) with(prove func(context.Context, *prover.Input, func() (*prover.Output, error)) (*prover.Output, error)) func(*prover.Config) {
	return func(c *prover.Config) {
		c.Backend = backend{prover.NewReexecution(w.Engine, prover.Program{}, nil), prove}
	}
}

// A prover that always fails holds nobody up, and is seen.
func TestProverThatAlwaysFails(t *testing.T) {
	w := newFleetWorld(t, 2, 1)
	bad := w.join(1, w.with(func(context.Context, *prover.Input, func() (*prover.Output, error)) (*prover.Output, error) {
		return nil, errors.New("machine is broken")
	}))
	w.until("it fails", func() bool { return w.desk.Stats().Failed > 2 })
	s, err := bad.client.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"machine is broken"}, s.Failing[0].Why)
	w.join(2)
	w.move(10)
	require.Zero(t, bad.Stats().Attested)
}

// deaf is a Source that renews nothing: its prover is always slower than its lease.
type deaf struct{ prover.Source }

func (deaf) Renew(context.Context, uint64) (time.Time, error) {
	return time.Time{}, prover.ErrLeaseLost
}

// A prover that is slow beyond its lease submits all the same, and counts.
func TestSlowProverCounts(t *testing.T) {
	w := newFleetWorld(t, 2, 2)
	slow := w.join(1, func(c *prover.Config) { c.Source, c.Workers = deaf{c.Source}, 4 }, w.with(func(_ context.Context, _ *prover.Input, honest func() (*prover.Output, error)) (*prover.Output, error) {
		time.Sleep(400 * time.Millisecond)
		return honest()
	}))
	w.join(2, func(c *prover.Config) { c.Workers = 4 })
	w.move(4)
	require.NotZero(t, w.desk.Stats().Expired)
	require.NotZero(t, slow.Stats().Lost)
	require.Empty(t, slow.Failures())
}

// A prover that lies is found out: what it said is kept and shown, moves nothing, and
// the block goes to another.
func TestLyingProver(t *testing.T) {
	w := newFleetWorld(t, 3, 2)
	liar := w.join(1, w.with(func(_ context.Context, _ *prover.Input, honest func() (*prover.Output, error)) (*prover.Output, error) {
		out, err := honest()
		if err == nil {
			out.Public.PostRoot = common.Hash{0xba}
		}
		return out, err
	}))
	w.join(2)
	w.until("lies are told", func() bool { return len(w.Evidence()) > 2 })
	w.join(3)
	w.move(5)
	require.Zero(t, liar.Stats().Attested)
	require.ErrorIs(t, liar.Failures()[0].Err, chain.ErrMismatch)

	shown, err := liar.client.Evidence(t.Context(), 0)
	require.NoError(t, err)
	for _, e := range shown {
		require.Equal(t, key(t, 1).Address(), e.Signer)
		var said chain.Attestation
		require.NoError(t, said.UnmarshalBinary(e.Attestation))
		who, err := attest.Recover(&said)
		require.NoError(t, err)
		require.Equal(t, e.Signer, who)
		require.Equal(t, common.Hash{0xba}, said.PostRoot)
	}
}

// Two words of one prover about one block are evidence that needs no block; the right
// one counts, once, whichever came first and however often it comes.
func TestContradictoryAttestations(t *testing.T) {
	w := newFleetWorld(t, 2, 2)
	var mu sync.Mutex
	said := make(map[uint64]*chain.Attestation)
	honest := w.join(1, func(c *prover.Config) {
		c.Proven = func(_ context.Context, a *chain.Attestation, _ []byte) error {
			mu.Lock()
			defer mu.Unlock()
			own := *a
			said[a.Block.Number] = &own
			return nil
		}
	})
	w.until("two blocks are attested", func() bool { return honest.Stats().Attested >= 2 })
	require.NoError(t, honest.leave())

	c := w.client(2)
	as := func(number uint64, n byte, alter func(*chain.Attestation)) *chain.Attestation {
		a := *said[number]
		alter(&a)
		require.NoError(t, attest.Sign(&a, key(t, n)))
		return &a
	}
	truth := func(*chain.Attestation) {}
	lie := func(a *chain.Attestation) { a.ReceiptsRoot[0] ^= 1 }
	require.ErrorIs(t, c.Submit(t.Context(), as(1, 2, lie)), chain.ErrMismatch)
	require.Zero(t, w.Heads().Proven.Number)
	for range 3 {
		require.NoError(t, c.Submit(t.Context(), as(1, 2, truth)))
	}
	w.until("the first is proven", func() bool { return w.Heads().Proven.Number == 1 })
	require.NoError(t, c.Submit(t.Context(), as(2, 2, truth)))
	require.ErrorIs(t, c.Submit(t.Context(), as(2, 2, lie)), chain.ErrMismatch, "late, and wrong")
	w.until("the second is proven", func() bool { return w.Heads().Proven.Number >= 2 })

	shown, err := c.Evidence(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, shown, 2)
	for _, e := range shown {
		var pair attest.Evidence
		require.NoError(t, pair.First.UnmarshalBinary(e.Attestation))
		require.NoError(t, pair.Second.UnmarshalBinary(e.Other))
		who, err := pair.Check(nil)
		require.NoError(t, err)
		require.Equal(t, key(t, 2).Address(), who)
	}

	// A stranger's word counts for nothing and against nobody.
	require.ErrorIs(t, c.Submit(t.Context(), as(2, 9, lie)), sequencer.ErrNotAllowed)
	require.Len(t, w.Evidence(), 2)
	_, err = w.client(9).Lease(t.Context(), 1)
	require.ErrorIs(t, err, sequencer.ErrNotAllowed)
}

// A prover that is killed and starts again has the blocks that it had, at once, and its
// workers' next question does not take them from it.
func TestKilledProverGoesOn(t *testing.T) {
	w := newFleetWorld(t, 1, 1)
	w.desk = sequencer.NewDesk(w.Sequencer.Sequencer, sequencer.DeskConfig{TTL: time.Hour})
	api, err := New(Config{Desk: w.desk, ChainID: w.Spec.Genesis.ChainID})
	require.NoError(t, err)
	w.until("blocks are published", func() bool { return len(w.Unproven(4)) == 4 })
	start := func() *Client {
		return servedBy(t, api, func(c *ClientConfig) { c.ChainID = w.Spec.Genesis.ChainID })
	}
	lease := func(c *Client) (numbers []uint64) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		jobs, err := c.Lease(ctx, 2)
		require.NoError(t, err)
		for _, j := range jobs {
			numbers = append(numbers, j.Publication.Block.Number)
		}
		return numbers
	}
	for range 3 {
		c := start()
		require.Equal(t, []uint64{1, 2}, lease(c))
		require.Equal(t, []uint64{3, 4}, lease(c))
	}
	require.Empty(t, w.desk.Stats().Failing, "it is not blamed")
}

// A prover that cannot reach the data-availability layer gets the objects here.
func TestProverWithoutDA(t *testing.T) {
	w := newFleetWorld(t, 1, 1)
	source := w.client(1, func(c *ClientConfig) { c.Objects = true })
	m := w.join(1, func(c *prover.Config) { c.DA, c.Source = nil, source })
	w.move(3)
	require.Empty(t, m.Failures())
}
