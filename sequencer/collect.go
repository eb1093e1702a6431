package sequencer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/prover/attest"
)

// ErrNotAllowed is the word of somebody who is no prover of ours, of a program that is
// not among ours, or on another chain. It counts for nothing and against nobody.
var ErrNotAllowed = errors.New("not allowed")

// The collector compares attestations with claims and moves the proven head: to
// block N when enough provers agree on N and N-1 is proven. Claims stay for a while
// after that, so that a wrong word that comes late is still evidence.
type collector struct {
	chainID   uint64
	provers   map[common.Address]bool
	programs  map[common.Hash]bool // empty: any
	threshold int
	keep      uint64 // blocks
	recover   attest.Recoverer

	mu       sync.Mutex
	proven   chain.BlockID
	claims   map[uint64]*claim
	unproven int // claims after proven
	now      func() time.Time
	since    time.Time // when the block after proven could be proven: it was published, and this the head; zero: it cannot
	evidence []Evidence
	refused  int // attestations that contradict, kept or not
}

func newCollector(c *Config) *collector {
	return &collector{
		chainID: c.Genesis.ChainID, provers: setOf(c.Provers), programs: setOf(c.Programs),
		threshold: c.ProverThreshold, keep: uint64(c.EvidenceBlocks), recover: c.Recoverer,
		claims: make(map[uint64]*claim), now: c.Now,
	}
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool)
	for _, v := range list {
		set[v] = true
	}
	return set
}

// A verdict is what an attestation came to.
type verdict struct {
	counts   bool // for its block, for the first time: to be logged
	proven   chain.BlockID
	moved    bool      // to proven
	evidence *Evidence // to be logged
}

// check returns who signed an attestation, if he is a prover of ours and something may
// come of it: then judge is to be asked. What is cheap is looked at first.
func (c *collector) check(a *chain.Attestation) (signer common.Address, news bool, err error) {
	if news, err = c.isNews(a); !news {
		return signer, false, err
	}
	if signer, err = attest.RecoverBy(a, c.recover); err != nil {
		return signer, false, err
	}
	if !c.provers[signer] {
		return signer, false, fmt.Errorf("attestation of block %d by %s: %w: he is not a prover of ours", a.Block.Number, signer, ErrNotAllowed)
	}
	return signer, true, nil
}

// judge enters an attestation of a prover of ours. With an error, nothing of it counts
// for the block.
func (c *collector) judge(a *chain.Attestation, signer common.Address) (v verdict, err error) {
	fail := func(format string, args ...any) (verdict, error) {
		return v, fmt.Errorf("attestation of block %d by %s: "+format, append([]any{a.Block.Number, signer}, args...)...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.claims[a.Block.Number]
	switch {
	case cl == nil:
		return v, nil // too late to be compared, meanwhile
	case !cl.matches(a):
		v.evidence = c.accuse(a, signer, cl.said(signer))
		return fail("it contradicts the block: %w", chain.ErrMismatch)
	case !c.isProgram(a.Program):
		return fail("%w: program %s is not one of ours", ErrNotAllowed, a.Program)
	}
	v.evidence = c.confront(a, signer)
	v.counts = cl.hear(a, signer)
	before := c.proven
	c.advance()
	v.proven, v.moved = c.proven, c.proven != before
	return v, nil
}

// isNews reports whether an attestation is about a block of which a claim is kept, and
// was not heard before. It does not know yet who signed.
func (c *collector) isNews(a *chain.Attestation) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.claims[a.Block.Number]
	switch {
	case a.ChainID != c.chainID:
		return false, fmt.Errorf("attestation of block %d: %w: it is of chain %d", a.Block.Number, ErrNotAllowed, a.ChainID)
	case cl == nil && a.Block.Number <= c.proven.Number:
		return false, nil // too late to be compared
	case cl == nil:
		return false, fmt.Errorf("attestation of block %d: %w", a.Block.Number, chain.ErrNotFound)
	}
	return !cl.heard(a), nil
}

func (c *collector) isProgram(p common.Hash) bool { return len(c.programs) == 0 || c.programs[p] }

// checkClaims fails if the proven head could never move: the claim of the block
// after it, which was published, is not known.
func (c *collector) checkClaims(published uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.proven.Number + 1
	if len(c.provers) == 0 || next > published || c.claims[next] != nil {
		return nil
	}
	return fmt.Errorf("%w: what provers must say of block %d, which the chain passed without Config.Provers", chain.ErrUnknown, next)
}

func (c *collector) counts() (unproven, evidence int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unproven, c.refused
}

// waits is for how long the block after the proven head could have been proven.
func (c *collector) waits() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return 0
	}
	return c.now().Sub(c.since)
}

// next says that the proven head moved, or the block after it was published.
func (c *collector) next() {
	c.since = time.Time{}
	if next := c.claims[c.proven.Number+1]; next != nil && next.publication != nil {
		c.since = c.now()
	}
}

// Attest enters a prover's attestation, as one that the Subscriber brings: no lease is
// asked for, and late but right is right. One that counts, and is the first of its signer
// for the block, is logged and then told to the Publisher, so that who follows needs no
// word of ours that a block is proven.
//
// It returns nil when the word counts, or comes after its block was proven long ago; then
// it need not be sent again, unless the sequencer is killed at that moment.
// Errors match ErrNotAllowed; ErrMismatch when the word contradicts the block, which is
// evidence against its signer; ErrNotFound when there is no such block yet; ErrCorrupt
// when nobody signed it; ErrClosed; or are those of ctx. It may be called concurrently,
// and does not keep a.
func (s *Sequencer) Attest(ctx context.Context, a *chain.Attestation) error {
	return s.attest(ctx, a, true)
}

// attest enters an attestation, and tells it if it counts.
func (s *Sequencer) attest(ctx context.Context, a *chain.Attestation, tell bool) error {
	select {
	case <-s.settled:
		return fmt.Errorf("sequencer stopped: %w", chain.ErrClosed)
	default:
	}
	signer, news, err := s.collector.check(a)
	if !news {
		s.refusals.note(common.Address{}, err)
		return err
	}
	err = s.hear(ctx, a, signer, tell)
	s.refusals.note(signer, err)
	return err
}

// hear enters a prover's attestation of which something may come.
func (s *Sequencer) hear(ctx context.Context, a *chain.Attestation, signer common.Address, tell bool) error {
	// What is taken is logged, whether or not the caller waits for it.
	ctx = context.WithoutCancel(ctx)
	// In the log the words that prove a block stand before the record that it is proven,
	// whoever brought the last one.
	s.attesting.Lock()
	defer s.attesting.Unlock()
	v, err := s.collector.judge(a, signer)
	number := a.Block.Number
	if v.evidence != nil {
		if err := s.enter(ctx, entry{kind: recordEvidence, number: number, payload: v.evidence.encode()}); err != nil {
			return err
		}
	}
	if v.counts {
		word, _ := a.AppendBinary(nil) // it has no failure of its own
		if err := s.enter(ctx, entry{kind: recordWord, number: number, payload: word, tell: tell}); err != nil {
			return err
		}
	}
	if !v.moved {
		return err
	}
	return s.enter(ctx, entry{kind: recordProven, number: v.proven.Number, id: v.proven, payload: appendBlockID(nil, v.proven)})
}

// collect is step 10. A topic that fails is read again after a pause, which grows while
// nothing comes.
func (s *Sequencer) collect(ctx context.Context) error {
	for pause := collectWaitMin; ; pause = min(2*pause, collectWaitMax) {
		heard, err := s.collectTopic(ctx)
		if !errors.Is(err, chain.ErrOutOfStep) {
			return err
		}
		// What is gone is missing from the proven head until it is sent again; the
		// chain goes on.
		s.cfg.Logger.Error("attestations were lost", "error", err)
		if heard {
			pause = collectWaitMin
		}
		if err := sched.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// collectWaitMin and collectWaitMax bound the time after which a topic that failed is
// read again.
const (
	collectWaitMin = 10 * time.Millisecond
	collectWaitMax = time.Second
)

// collectTopic enters what the topic has until that fails, and reports whether anything
// was there.
func (s *Sequencer) collectTopic(ctx context.Context) (heard bool, err error) {
	next, err := s.cfg.Subscriber.Subscribe(ctx, link.TopicAttestations, link.Oldest)
	if err != nil {
		return false, err
	}
	for {
		_, msg, err := next(ctx)
		if err != nil {
			return heard, err
		}
		heard = true
		a := new(chain.Attestation)
		if err = a.UnmarshalBinary(msg); err == nil {
			_ = s.attest(ctx, a, false) // all who follow have it; what is refused is noted
		} else {
			s.refusals.note(common.Address{}, err)
		}
		if ctx.Err() != nil {
			return heard, ctx.Err()
		}
	}
}
