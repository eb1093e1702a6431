package prover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A fleetSource is a Source of tests: it has what the test puts into it, and writes
// down what it is told.
type fleetSource struct {
	jobs chan Job
	ttl  time.Duration

	mu        sync.Mutex
	asked     []int
	renewed   map[uint64]int
	released  map[uint64]error
	submitted []*chain.Attestation
	faults    []error // of the next calls of Submit
	renewal   error   // of all calls of Renew
	leaseErrs []error // of the next calls of Lease
}

func newFleetSource(ttl time.Duration) *fleetSource {
	return &fleetSource{jobs: make(chan Job, 100), ttl: ttl, renewed: make(map[uint64]int), released: make(map[uint64]error)}
}

func (f *fleetSource) offer(lease uint64, p *chain.Publication) {
	f.jobs <- Job{Publication: *p, Lease: lease, Deadline: time.Now().Add(f.ttl)}
}

func (f *fleetSource) Lease(ctx context.Context, n int) ([]Job, error) {
	f.mu.Lock()
	f.asked = append(f.asked, n)
	if len(f.leaseErrs) > 0 {
		err := f.leaseErrs[0]
		f.leaseErrs = f.leaseErrs[1:]
		f.mu.Unlock()
		return nil, err
	}
	f.mu.Unlock()
	select {
	case job := <-f.jobs:
		return []Job{job}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fleetSource) Renew(_ context.Context, lease uint64) (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed[lease]++
	return time.Now().Add(f.ttl), f.renewal
}

func (f *fleetSource) Release(_ context.Context, lease uint64, why error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, twice := f.released[lease]; twice {
		return fmt.Errorf("lease %d is released twice", lease)
	}
	f.released[lease] = why
	return nil
}

func (f *fleetSource) Submit(_ context.Context, a *chain.Attestation) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults) > 0 {
		err := f.faults[0]
		f.faults = f.faults[1:]
		return err
	}
	own := *a
	f.submitted = append(f.submitted, &own)
	return nil
}

// is reports what f knows, under its lock.
func (f *fleetSource) is(cond func() bool) func() bool {
	return func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return cond()
	}
}

// A fakeBackend does what the test says.
type fakeBackend struct {
	prove func(ctx context.Context, in *Input) (*Output, error)
}

func (fakeBackend) Program() Program { return Program{0xfa} }

func (b fakeBackend) Prove(ctx context.Context, in *Input) (*Output, error) { return b.prove(ctx, in) }

// honest says what a backend must, without looking.
func honest(in *Input) *Output {
	var b chain.Block
	if err := b.UnmarshalBinary(in.Block); err != nil {
		panic(err)
	}
	return &Output{Public: chain.Attestation{
		ChainID: in.ChainID, Block: b.Header.ID(), BlockDigest: chain.Keccak256(in.Block),
		WitnessDigest: chain.Keccak256(in.Witness), DiffDigest: chain.Keccak256(in.Diff),
	}, Proof: []byte("trust me")}
}

func (n *net) fleet(w *world, f *fleetSource, prove func(context.Context, *Input) (*Output, error)) Config {
	config := n.config(w)
	config.Subscriber, config.Publisher, config.Source = nil, nil, f
	if prove != nil {
		config.Backend = fakeBackend{prove}
	}
	config.Workers = 1
	return config
}

func wait(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 20*time.Second, time.Millisecond, what)
}

func TestLeasedJobs(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	f.leaseErrs = []error{fmt.Errorf("%w: no answer", da.ErrTransient), chain.ErrBusy, fmt.Errorf("a job: %w", chain.ErrCorrupt)}
	for i, s := range blocks[:4] {
		f.offer(uint64(i+1), s.put(t, n.da))
	}
	config := n.fleet(w, f, nil)
	config.Workers, config.QueueMax = 2, 1
	p := start(t, config)
	wait(t, "all are submitted", f.is(func() bool { return len(f.submitted) == 4 }))
	wait(t, "and counted", func() bool { return p.Stats() == Stats{Leased: 4, Attested: 4, Failed: 1} })
	require.Len(t, p.Failures(), 1)
	require.ErrorIs(t, p.Failures()[0].Err, chain.ErrCorrupt)
	require.Empty(t, f.released, "a submission ends the lease")
	for _, n := range f.asked {
		require.Contains(t, []int{1, 2, 3}, n, "never more than there is room for")
	}
	who, err := attest.Recover(f.submitted[0])
	require.NoError(t, err)
	require.Equal(t, p.Address(), who)
}

// Objects that come with the job are not fetched.
func TestJobsWithObjects(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	block, _ := blocks[0].block.AppendBinary(nil)
	witness, _ := blocks[0].witness.AppendBinary(nil)
	f.jobs <- Job{Publication: chain.Publication{Block: blocks[0].block.Header.ID()}, Block: block, Witness: witness, Diff: blocks[0].diff}
	f.jobs <- Job{Publication: chain.Publication{Block: blocks[1].block.Header.ID()}}
	config := n.fleet(w, f, nil)
	config.DA = nil
	p := start(t, config)
	wait(t, "one is proven, one cannot be", func() bool { s := p.Stats(); return s.Attested == 1 && s.Failed == 1 })
	require.ErrorIs(t, p.Failures()[0].Err, chain.ErrNotFound)
	require.Zero(t, n.da.gets)
	require.Zero(t, p.Stats().Leased)
}

// A lease is renewed while its block is worked on, and while it waits; no longer.
func TestLeaseIsRenewed(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(15*time.Millisecond)
	more := make(chan struct{})
	p := start(t, n.fleet(w, f, func(ctx context.Context, in *Input) (*Output, error) {
		select {
		case <-more:
			return honest(in), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}))
	f.offer(1, blocks[0].put(t, n.da))
	f.offer(2, blocks[1].put(t, n.da))
	wait(t, "both are renewed", f.is(func() bool { return f.renewed[1] > 5 && f.renewed[2] > 5 }))
	more <- struct{}{}
	wait(t, "the first is submitted", func() bool { return p.Stats().Attested == 1 })
	var first int
	f.is(func() bool { first = f.renewed[1]; return true })()
	wait(t, "the second is renewed further", f.is(func() bool { return f.renewed[2] > 12 }))
	f.is(func() bool { require.LessOrEqual(t, f.renewed[1], first+1); return true })()
	close(more)
	wait(t, "the second is submitted", func() bool { return p.Stats().Attested == 2 })
	require.Zero(t, p.Stats().Lost)
}

// A prover that is slow beyond its lease goes on, and submits.
func TestSlowBeyondTheLease(t *testing.T) {
	w, blocks := deep(t)
	for name, renewal := range map[string]error{"lost": ErrLeaseLost, "no answer": errors.New("connection refused")} {
		t.Run(name, func(t *testing.T) {
			n, f := newNet(t), newFleetSource(90*time.Millisecond)
			f.renewal = renewal
			more := make(chan struct{})
			p := start(t, n.fleet(w, f, func(ctx context.Context, in *Input) (*Output, error) {
				<-more
				return honest(in), nil
			}))
			f.offer(1, blocks[0].put(t, n.da))
			wait(t, "the lease is lost", func() bool { return p.Stats().Lost == 1 })
			close(more)
			wait(t, "it is submitted all the same", func() bool { return p.Stats().Attested == 1 })
			require.Equal(t, name == "lost", f.renewed[1] == 1, "what may pass is tried again")
		})
	}
}

// What cannot be proven is given back with the reason, and what is not begun or not
// ended without one.
func TestLeasesAreGivenBack(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	broken := errors.New("machine is broken")
	p, err := New(n.fleet(w, f, func(ctx context.Context, in *Input) (*Output, error) {
		if honest(in).Public.Block.Number == 1 {
			return nil, broken
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	require.NoError(t, err)
	for i, s := range blocks[:3] {
		f.offer(uint64(i+1), s.put(t, n.da))
	}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	wait(t, "one failed, one is worked on, one waits", func() bool {
		s := p.Stats()
		return s.Failed == 1 && s.Working == 1 && s.Queued == 1
	})
	leave()
	require.NoError(t, <-done)
	require.Len(t, f.released, 3)
	require.ErrorIs(t, f.released[1], broken)
	require.NoError(t, f.released[2])
	require.NoError(t, f.released[3])
	require.Empty(t, f.submitted)
}

// A sequencer that refuses an attestation is right or wrong; to say it again would
// help neither.
func TestSubmitIsTriedWhileItPasses(t *testing.T) {
	w, blocks := deep(t)
	for name, c := range map[string]struct {
		faults []error
		taken  bool
	}{
		"no answer":   {[]error{fmt.Errorf("%w: timeout", da.ErrTransient), chain.ErrBusy, da.ErrTransient}, true},
		"contradicts": {[]error{fmt.Errorf("no: %w", chain.ErrMismatch)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			n, f := newNet(t), newFleetSource(time.Hour)
			f.faults = c.faults
			p := start(t, n.fleet(w, f, nil))
			f.offer(1, blocks[0].put(t, n.da))
			wait(t, "it ends", func() bool { s := p.Stats(); return s.Attested+s.Failed == 1 })
			require.Equal(t, c.taken, p.Stats().Attested == 1)
			wait(t, "the lease is ended", f.is(func() bool { return c.taken || errors.Is(f.released[1], chain.ErrMismatch) }))
		})
	}
}

// What a backend says of what the prover knows is compared before it is signed.
func TestBackendThatLies(t *testing.T) {
	w, blocks := deep(t)
	for name, lie := range map[string]func(*chain.Attestation){
		"another block":   func(a *chain.Attestation) { a.Block.Hash[0] ^= 1 },
		"another number":  func(a *chain.Attestation) { a.Block.Number++ },
		"another chain":   func(a *chain.Attestation) { a.ChainID++ },
		"another body":    func(a *chain.Attestation) { a.BlockDigest[0] ^= 1 },
		"another witness": func(a *chain.Attestation) { a.WitnessDigest[0] ^= 1 },
		"another diff":    func(a *chain.Attestation) { a.DiffDigest[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			n, f := newNet(t), newFleetSource(time.Hour)
			p := start(t, n.fleet(w, f, func(_ context.Context, in *Input) (*Output, error) {
				out := honest(in)
				lie(&out.Public)
				return out, nil
			}))
			f.offer(1, blocks[0].put(t, n.da))
			wait(t, "it is refused", func() bool { return p.Stats().Failed == 1 })
			require.ErrorIs(t, p.Failures()[0].Err, chain.ErrMismatch)
			require.Empty(t, f.submitted)
		})
	}
}

// A backend may be away for a while, but not for ever: others can have the block.
func TestBackendThatIsAway(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	away, calls := 2, 0
	p := start(t, n.fleet(w, f, func(_ context.Context, in *Input) (*Output, error) {
		calls++
		if calls <= away {
			return nil, fmt.Errorf("machine: %w", da.ErrTransient)
		}
		return honest(in), nil
	}))
	f.offer(1, blocks[0].put(t, n.da))
	wait(t, "it comes back", func() bool { return p.Stats().Attested == 1 })
	require.Equal(t, 3, calls)

	away, calls = 1000, 0
	f.offer(2, blocks[1].put(t, n.da))
	wait(t, "it does not", func() bool { return p.Stats().Failed == 1 })
	require.Equal(t, 3, calls, "Config.Attempts")
	wait(t, "and the reason is told", f.is(func() bool { return errors.Is(f.released[2], da.ErrTransient) }))
}

// So may the key be, where it is not in memory.
func TestSignerThatIsAway(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	config := n.fleet(w, f, nil)
	signer := &awaySigner{Signer: n.signer(t), away: 2}
	config.Key, config.Signer = nil, signer
	p := start(t, config)
	f.offer(1, blocks[0].put(t, n.da))
	wait(t, "it comes back", func() bool { return p.Stats().Attested == 1 })
	signer.away = 1000
	f.offer(2, blocks[1].put(t, n.da))
	wait(t, "it does not", func() bool { return p.Stats().Failed == 1 })
}

// awaySigner fails at first.
type awaySigner struct {
	attest.Signer
	away int
}

func (s *awaySigner) Sign(hash common.Hash) ([65]byte, error) {
	if s.away--; s.away >= 0 {
		return [65]byte{}, errors.New("no connection")
	}
	return s.Signer.Sign(hash)
}

// Proofs are handed over signed, before anybody hears of them.
func TestProofsAreKept(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	full := errors.New("disk is full")
	config := n.fleet(w, f, func(_ context.Context, in *Input) (*Output, error) { return honest(in), nil })
	kept := make(map[uint64]string)
	config.Proven = func(_ context.Context, a *chain.Attestation, proof []byte) error {
		require.Empty(t, f.submitted)
		_, err := attest.Recover(a)
		require.NoError(t, err)
		require.Equal(t, Program{0xfa}, a.Program)
		if a.Block.Number == 1 {
			return full
		}
		kept[a.Block.Number] = string(proof)
		return nil
	}
	p := start(t, config)
	f.offer(1, blocks[0].put(t, n.da))
	f.offer(2, blocks[1].put(t, n.da))
	wait(t, "one is attested", func() bool { return p.Stats().Attested == 1 })
	require.Equal(t, map[uint64]string{2: "trust me"}, kept)
	require.ErrorIs(t, p.Failures()[0].Err, full)
}

// The backend gets the rules of the chain, and its own bytes.
func TestInputOfABackend(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	got := make(chan *Input, 1)
	start(t, n.fleet(w, f, func(_ context.Context, in *Input) (*Output, error) {
		got <- in
		return honest(in), nil
	}))
	f.offer(1, blocks[0].put(t, n.da))
	in := <-got
	require.Contains(t, string(in.Config), `"chainId":`)
	require.Equal(t, w.config.ChainID.Uint64(), in.ChainID)
	require.Equal(t, blocks[0].diff, in.Diff)
}

// A layer that asks to be left alone is left alone for that long, and one that has
// dropped a blob is asked once.
func TestFetchDoesAsTheLayerSays(t *testing.T) {
	w, blocks := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	publication := blocks[0].put(t, n.da)
	const pause = 150 * time.Millisecond
	n.da.fail(&da.BusyError{RetryAfter: pause})
	p := start(t, n.fleet(w, f, nil))
	began := time.Now()
	f.offer(1, publication)
	wait(t, "it is proven", func() bool { return p.Stats().Attested == 1 })
	require.GreaterOrEqual(t, time.Since(began), pause)

	gets := n.da.gets
	n.da.fail(&da.DroppedError{Code: da.DropInvalid})
	f.offer(2, publication)
	wait(t, "it is given up", func() bool { return p.Stats().Failed == 1 })
	require.ErrorIs(t, p.Failures()[0].Err, da.ErrDropped)
	require.Equal(t, gets+1, n.da.gets)
}

// The end of a Source is the end of Run, and so is one that gives more than was asked.
func TestSourceEnds(t *testing.T) {
	w, _ := deep(t)
	n, f := newNet(t), newFleetSource(time.Hour)
	stranger := errors.New("not a prover of ours")
	f.leaseErrs = []error{stranger}
	p, err := New(n.fleet(w, f, nil))
	require.NoError(t, err)
	require.ErrorIs(t, p.Run(t.Context()), stranger)

	config := n.fleet(w, f, nil)
	config.Source = generous{f}
	p, err = New(config)
	require.NoError(t, err)
	require.ErrorContains(t, p.Run(t.Context()), "9 jobs")
}

// generous is a Source that gives more than it was asked for.
type generous struct{ Source }

func (generous) Lease(context.Context, int) ([]Job, error) { return make([]Job, 9), nil }
