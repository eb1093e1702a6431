package fullnode

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// An anchor is a block that the proven head may stand on: the words about the next one
// name its hash and its root, whether this node has its header or not.
type anchor struct {
	chain.BlockID
	root common.Hash
}

func anchorAt(h *chain.Header) anchor { return anchor{h.ID(), h.StateRoot} }

// bears reports that a speaks of a block right on top of it.
func (n *anchor) bears(a *chain.Attestation) bool {
	return a.Block.Number == n.Number+1 && a.ParentHash == n.Hash && a.PreRoot == n.root
}

// contradicts compares with our own headers all of an attestation that they say, as far as
// they are kept. What is in the data-availability layer they do not say: of that, a quorum
// must say the same.
func (c *confirmer) contradicts(a *chain.Attestation) bool {
	ancestry := c.node.current().ancestry
	own, parent := ancestry.header(a.Block.Number), ancestry.header(a.Block.Number-1)
	if own == nil {
		return false
	}
	return a.Block != own.ID() || a.Term != own.Term() || a.ParentHash != own.ParentHash || a.PostRoot != own.StateRoot ||
		a.ReceiptsRoot != own.ReceiptsRoot || parent != nil && a.PreRoot != parent.StateRoot
}

// fits reports that it goes on where the proven head is, or, after blocks that are passed
// over, that our own headers say all of it that they can.
func (c *confirmer) fits(a *chain.Attestation) bool {
	switch {
	case c.contradicts(a):
		return false
	case a.Block.Number == c.proven.Number+1:
		return c.proven.bears(a)
	}
	ancestry := c.node.current().ancestry
	known := ancestry.header(a.Block.Number) != nil && ancestry.header(a.Block.Number-1) != nil
	return known || c.past.bears(a)
}

// advance moves the proven head, and notes since when the next block waits. The caller has
// the lock.
func (c *confirmer) advance() {
	head, before := c.node.Header().Number, c.proven
	c.moveUpTo(head)
	switch {
	case c.proven.Number >= head:
		c.waits = time.Time{}
	case c.proven != before || c.waits.IsZero():
		c.waits = time.Now()
	}
}

// settle finds out, once the node is there, whether the block that was claimed to be the
// newest when it joined is one of its own. Only then is what comes before it known to have
// been fixed at that time: the block's hash says all of it. The caller has the lock.
func (c *confirmer) settle(head uint64) {
	if c.claimed.Number == 0 || head < c.claimed.Number {
		return
	}
	if own := c.node.current().ancestry.header(c.claimed.Number); own != nil && own.ID() == c.claimed {
		c.past = anchorAt(own)
	}
	c.claimed = chain.BlockID{}
}

// moveUpTo moves the proven head, block by block, as far as provers agree with our own
// headers, and with each other where we have none. It passes over no block but those that
// were there before this node was, and of these over none that a prover contradicts. The
// caller has the lock.
func (c *confirmer) moveUpTo(head uint64) {
	c.settle(head)
	first := c.proven.Number + 1
	if c.past.Number > 0 {
		first = max(first, c.unheard+1)
	}
	for number := first; number <= head; number++ {
		opposed := false
		a, _ := c.quorum.Agreed(number, func(a *chain.Attestation) bool {
			opposed = opposed || c.contradicts(a)
			return c.fits(a)
		})
		if a == nil && (opposed || number > c.past.Number) {
			return
		}
		if a != nil {
			c.stand(a)
		}
	}
}

// stand moves the proven head to a block. Of one that this node does not have nothing is
// shown until the words lead from there to one of its own. The caller has the lock.
func (c *confirmer) stand(a *chain.Attestation) {
	c.proven = anchor{a.Block, a.PostRoot}
	c.quorum.Forget(a.Block.Number)
	if c.node.current().ancestry.header(a.Block.Number) != nil {
		c.node.show(func(h *Heads) { h.Proven = a.Block })
	}
}
