package fullnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A recaller is the optional ability of a Subscriber: see there.
type recaller interface {
	Recall(ctx context.Context, topic string, number uint64) error
}

const (
	// recallDoublings is how often the time until words are heard again doubles.
	recallDoublings = 4
	// recallTime is how long it may take to ask for them.
	recallTime = 10 * time.Second
)

// hearAttestations takes attestations until ctx ends. While the proven head stands still
// they are heard again, ever more seldom: one may have been lost on the way, or have come
// when its block was too far ahead.
func (c *confirmer) hearAttestations(ctx context.Context) {
	if c.quorum == nil {
		return
	}
	for doublings, before := 0, uint64(0); ctx.Err() == nil; {
		hearing, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.hear(hearing, link.TopicAttestations, c.takeAttestation)
		}()
		c.standsStill(ctx, c.node.cfg.ProofPatience<<doublings)
		stop()
		<-ended
		next := c.recall(ctx)
		if doublings = min(doublings+1, recallDoublings); next != before {
			doublings, before = 0, next
		}
	}
}

func (c *confirmer) takeAttestation(msg []byte) error {
	var a chain.Attestation
	if err := a.UnmarshalBinary(msg); err != nil {
		return err
	}
	return c.attest(&a)
}

// standsStill returns when the proven head has stood still behind blocks of ours for so
// long, or ctx has ended.
func (c *confirmer) standsStill(ctx context.Context, patience time.Duration) {
	for began := time.Now(); ctx.Err() == nil; {
		left := patience
		if _, since := c.lag(); !since.IsZero() {
			if since.Before(began) {
				since = began
			}
			left -= time.Since(since)
		}
		if left <= 0 {
			return
		}
		_ = sched.Sleep(ctx, left)
	}
}

// recall asks for the words about the next block, and those after it, that others keep,
// and returns the next block.
func (c *confirmer) recall(ctx context.Context) (next uint64) {
	c.mu.Lock()
	next = max(c.proven.Number, c.unheard) + 1
	c.mu.Unlock()
	if r, ok := c.node.cfg.Subscriber.(recaller); ok && ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(ctx, recallTime)
		defer cancel()
		err := r.Recall(ctx, link.TopicAttestations, next)
		c.node.cfg.Logger.Debug("asked for attestations again", "block", next, "err", err)
	}
	return next
}

// lag is how many blocks of ours are not proven, as far as this node knows, and since when
// the next of them has waited; zero if none does.
func (c *confirmer) lag() (blocks uint64, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits.IsZero() {
		return 0, c.waits
	}
	head := c.node.Header().Number
	return head - min(head, c.proven.Number), c.waits
}

// attest takes a prover's word.
func (c *confirmer) attest(a *chain.Attestation) error {
	signer, against, err := c.quorum.Take(a)
	switch {
	case errors.Is(err, attest.ErrRange):
		return nil // of a block that is proven, or from before this node's time; or so far ahead that it is heard again
	case err != nil:
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if against != nil {
		c.node.charge(signer.Hex(), Evidence{
			Block: a.Block, Err: fmt.Errorf("%w: prover %s says two things of block %s", chain.ErrMismatch, signer, a.Block),
			Attestations: []chain.Attestation{against.First, against.Second},
		})
	}
	if own := c.node.current().ancestry.header(a.Block.Number); own != nil && c.contradicts(a) {
		err := fmt.Errorf("%w: prover %s contradicts block %s", chain.ErrMismatch, signer, own.ID())
		c.node.charge(signer.Hex(), Evidence{Block: own.ID(), Err: err, Attestations: []chain.Attestation{*a}})
		return err
	}
	c.advance()
	return nil
}
