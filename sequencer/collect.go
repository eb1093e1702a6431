package sequencer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover"
)

// A claim is what an attestation must say about one of our blocks.
type claim struct {
	want    chain.Attestation // without Program and Signature
	signers map[common.Address]bool
}

func newClaim(cfg *Config, b *block, parent *chain.Header) *claim {
	return &claim{
		want: chain.Attestation{
			ChainID: cfg.Genesis.ChainID, Term: b.header.Term(), Block: b.header.ID(),
			ParentHash: b.header.ParentHash, PreRoot: parent.StateRoot, PostRoot: b.header.StateRoot,
			ReceiptsRoot: b.header.ReceiptsRoot, BlockDigest: chain.Keccak256(b.body),
			ChangesDigest: b.result.Changes.Digest(), WitnessDigest: chain.Keccak256(b.witness),
			DiffDigest: chain.Keccak256(b.diff),
		},
		signers: make(map[common.Address]bool),
	}
}

func (c *claim) encode() []byte {
	b, _ := c.want.AppendBinary(nil) // it has no failure of its own
	return b
}

func decodeClaim(src []byte) (*claim, error) {
	c := &claim{signers: make(map[common.Address]bool)}
	return c, c.want.UnmarshalBinary(src)
}

// matches compares all that is attested; the program may be any.
func (c *claim) matches(a *chain.Attestation) bool {
	want := c.want
	want.Program, want.Signature = a.Program, a.Signature
	return want == *a
}

// Evidence is a word of an allowed prover that contradicts what we published.
type Evidence struct {
	Attestation chain.Attestation
	Signer      common.Address
}

// evidenceMax bounds the evidence kept; what comes later is only counted.
const evidenceMax = 1024

// The collector compares attestations with claims and moves the proven head: to
// block N when enough provers agree on N and N-1 is proven.
type collector struct {
	provers   map[common.Address]bool
	threshold int

	mu       sync.Mutex
	proven   chain.BlockID
	claims   map[uint64]*claim
	evidence []Evidence
	refused  int // attestations that contradict, kept or not
}

func newCollector(c *Config) *collector {
	provers := make(map[common.Address]bool)
	for _, p := range c.Provers {
		provers[p] = true
	}
	return &collector{
		provers: provers, threshold: c.ProverThreshold,
		claims: make(map[uint64]*claim),
	}
}

// expect adds the claim of a block that will be published.
func (c *collector) expect(cl *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.provers) == 0 || cl.want.Block.Number <= c.proven.Number {
		return
	}
	c.claims[cl.want.Block.Number] = cl
}

// take enters an attestation. It returns the new proven head if that moved.
func (c *collector) take(a *chain.Attestation) (chain.BlockID, bool, error) {
	signer, err := prover.Recover(a)
	if err != nil {
		return chain.BlockID{}, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.provers[signer] {
		return chain.BlockID{}, false, fmt.Errorf("attestation of block %d by %s, who is not a prover of ours", a.Block.Number, signer)
	}
	cl := c.claims[a.Block.Number]
	switch {
	case cl == nil && a.Block.Number <= c.proven.Number:
		return chain.BlockID{}, false, nil // late
	case cl == nil:
		return chain.BlockID{}, false, fmt.Errorf("attestation of block %d by %s: %w", a.Block.Number, signer, chain.ErrNotFound)
	case !cl.matches(a):
		if len(c.evidence) < evidenceMax {
			c.evidence = append(c.evidence, Evidence{*a, signer})
		}
		c.refused++
		return chain.BlockID{}, false, fmt.Errorf("attestation of block %d by %s contradicts the block: %w", a.Block.Number, signer, chain.ErrMismatch)
	}
	cl.signers[signer] = true
	before := c.proven
	c.advance()
	return c.proven, c.proven != before, nil
}

// advance moves the proven head over linked hashes as far as it goes.
func (c *collector) advance() {
	for {
		next := c.claims[c.proven.Number+1]
		if next == nil || len(next.signers) < c.threshold || next.want.ParentHash != c.proven.Hash {
			return
		}
		delete(c.claims, c.proven.Number+1)
		c.proven = next.want.Block
	}
}

// setProven is for recovery. It returns the proven head, which never moves back:
// a snapshot may know more than the log, which it may be older than, or whose end
// was lost.
func (c *collector) setProven(id chain.BlockID) chain.BlockID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id.Number > c.proven.Number {
		c.proven = id
		maps.DeleteFunc(c.claims, func(number uint64, _ *claim) bool { return number <= id.Number })
	}
	return c.proven
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

// outstanding is the proven head and the encoded claims of the blocks after it, in
// order.
func (c *collector) outstanding() (proven chain.BlockID, claims [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, number := range slices.Sorted(maps.Keys(c.claims)) {
		claims = append(claims, c.claims[number].encode())
	}
	return c.proven, claims
}

func (c *collector) counts() (unproven, evidence int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.claims), c.refused
}

// Evidence returns the attestations of our provers that contradict our blocks.
func (s *Sequencer) Evidence() []Evidence {
	s.collector.mu.Lock()
	defer s.collector.mu.Unlock()
	return slices.Clone(s.collector.evidence)
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
		if err := a.UnmarshalBinary(msg); err != nil {
			s.cfg.Logger.Warn("attestation refused", "error", err)
			continue
		}
		head, moved, err := s.collector.take(a)
		if err != nil {
			s.cfg.Logger.Warn("attestation refused", "error", err)
			continue
		}
		if !moved {
			continue
		}
		if err := s.enter(ctx, entry{kind: recordProven, number: head.Number, id: head, payload: appendBlockID(nil, head)}); err != nil {
			return err
		}
	}
}
