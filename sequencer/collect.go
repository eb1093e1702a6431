package sequencer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
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

	mu       sync.Mutex
	proven   chain.BlockID
	claims   map[uint64]*claim
	unproven int // claims after proven
	evidence []Evidence
	refused  int // attestations that contradict, kept or not
}

func newCollector(c *Config) *collector {
	return &collector{
		chainID: c.Genesis.ChainID, provers: setOf(c.Provers), programs: setOf(c.Programs),
		threshold: c.ProverThreshold, keep: uint64(c.EvidenceBlocks),
		claims: make(map[uint64]*claim),
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
	proven   chain.BlockID
	moved    bool      // to proven
	evidence *Evidence // to be logged
}

// take enters an attestation. With an error, nothing of it counts for the block.
func (c *collector) take(a *chain.Attestation) (v verdict, err error) {
	signer, err := attest.Recover(a)
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fail := func(format string, args ...any) (verdict, error) {
		return v, fmt.Errorf("attestation of block %d by %s: "+format, append([]any{a.Block.Number, signer}, args...)...)
	}
	if !c.provers[signer] {
		return fail("%w: he is not a prover of ours", ErrNotAllowed)
	}
	if a.ChainID != c.chainID {
		return fail("%w: it is of chain %d", ErrNotAllowed, a.ChainID)
	}
	cl := c.claims[a.Block.Number]
	switch {
	case cl == nil && a.Block.Number <= c.proven.Number:
		return v, nil // too late to be compared
	case cl == nil:
		return fail("%w", chain.ErrNotFound)
	case !cl.matches(a):
		v.evidence = c.accuse(a, signer, cl.said(signer))
		return fail("it contradicts the block: %w", chain.ErrMismatch)
	case len(c.programs) > 0 && !c.programs[a.Program]:
		return fail("%w: program %s is not one of ours", ErrNotAllowed, a.Program)
	}
	v.evidence = c.confront(a, signer)
	if _, again := cl.words[signer]; !again {
		cl.words[signer] = word{a.Program, a.Signature}
	}
	before := c.proven
	c.advance()
	v.proven, v.moved = c.proven, c.proven != before
	return v, nil
}

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

// Attest enters a prover's attestation, as one that the Subscriber brings: no lease is
// asked for, and late but right is right. It returns nil when the word counts, or comes
// after its block was proven long ago; then it need not be sent again, unless the
// sequencer restarts before the block is proven. Errors match ErrNotAllowed; ErrMismatch
// when the word contradicts the block, which is evidence against its signer;
// ErrNotFound when there is no such block yet; ErrCorrupt when nobody signed it;
// ErrClosed; or are those of ctx. It may be called concurrently, and does not keep a.
func (s *Sequencer) Attest(ctx context.Context, a *chain.Attestation) error {
	select {
	case <-s.settled:
		return fmt.Errorf("sequencer stopped: %w", chain.ErrClosed)
	default:
	}
	// What is taken is logged, whether or not the caller waits for it.
	ctx = context.WithoutCancel(ctx)
	v, err := s.collector.take(a)
	if v.evidence != nil {
		e := entry{kind: recordEvidence, number: a.Block.Number, payload: v.evidence.encode()}
		if err := s.enter(ctx, e); err != nil {
			return err
		}
	}
	if !v.moved {
		return err
	}
	return s.enter(ctx, entry{kind: recordProven, number: v.proven.Number, id: v.proven, payload: appendBlockID(nil, v.proven)})
}

// collect is step 10.
func (s *Sequencer) collect(ctx context.Context) error {
	next, err := s.cfg.Subscriber.Subscribe(ctx, link.TopicAttestations, link.Oldest)
	if err != nil {
		return err
	}
	for {
		_, msg, err := next(ctx)
		if errors.Is(err, chain.ErrOutOfStep) {
			// What is gone is missing from the proven head until it is sent again; the
			// chain goes on.
			s.cfg.Logger.Error("attestations were lost", "error", err)
			if next, err = s.cfg.Subscriber.Subscribe(ctx, link.TopicAttestations, link.Oldest); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		a := new(chain.Attestation)
		if err = a.UnmarshalBinary(msg); err == nil {
			err = s.Attest(ctx, a)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.cfg.Logger.Warn("attestation refused", "error", err)
		}
	}
}
