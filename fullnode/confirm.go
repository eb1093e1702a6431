package fullnode

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/prover/attest"
)

// A confirmer hears what is said of blocks after they are sealed, compares it with the
// node's own headers, and moves the heads Published and Proven.
type confirmer struct {
	node   *Follower
	quorum *attest.Quorum // nil: nobody's attestations count

	mu        sync.Mutex
	published map[uint64]chain.BlockID // of blocks that the node does not have yet
	newest    uint64                   // block of which a publication came
	proven    anchor                   // from where on each block must be attested
	claimed   chain.BlockID            // said to be published when the node joined, and not yet reached; zero: none
	past      anchor                   // blocks up to here were there before this node was; zero: none that it knows of
	unheard   uint64                   // of blocks up to here no word is kept
	waits     time.Time                // since when the block after proven waits for words; zero: there is none
}

func newConfirmer(f *Follower) (*confirmer, error) {
	c := &confirmer{node: f, published: make(map[uint64]chain.BlockID)}
	if len(f.cfg.Provers) == 0 {
		return c, nil
	}
	var err error
	c.quorum, err = attest.NewQuorum(attest.Rules{
		ChainID: f.cfg.Genesis.ChainID, Provers: f.cfg.Provers, Threshold: f.cfg.ProverThreshold,
		Programs: f.cfg.Programs, Blocks: headersKept, Recoverer: f.cfg.Recoverer,
	})
	return c, err
}

// join says that the node joins the chain at a block, on whose header all rests that it
// says. It looks how far the chain is: what provers said of blocks up to there may have
// been said before this node could hear it. It asks for a block's hash, which binds who
// says it, and for publications, before which provers have nothing to speak of. A node
// joins once: one that begins anew does not take the blocks that it went over on trust.
func (c *confirmer) join(ctx context.Context, head *chain.Header) {
	claimed := c.newestPublished(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proven = anchorAt(head)
	if claimed.Number > head.Number {
		c.claimed = claimed
	}
	if c.quorum != nil {
		c.unheard = max(head.Number, claimed.Number-min(claimed.Number, headersKept/2))
		c.quorum.Forget(c.unheard)
	}
}

// newestPublished is the block of the newest publication; zero if there is none.
func (c *confirmer) newestPublished(ctx context.Context) chain.BlockID {
	var p chain.Publication
	_, msg, err := c.node.cfg.Subscriber.Latest(ctx, link.TopicPublications)
	if err == nil {
		err = p.UnmarshalBinary(msg)
	}
	switch {
	case err == nil:
		return p.Block
	case !errors.Is(err, chain.ErrNotFound):
		c.node.cfg.Logger.Warn("cannot tell how far the chain is", "err", err)
	}
	return chain.BlockID{}
}

// feedNumber is the block that a message of the feed is about.
func feedNumber(msg []byte) (uint64, error) {
	kind, payload, err := link.ParseFeed(msg)
	if err != nil {
		return 0, err
	}
	if kind == link.FeedHeader {
		var sealed chain.Sealed
		if err := sealed.UnmarshalBinary(payload); err != nil {
			return 0, err
		}
		return sealed.Header.Number, nil
	}
	var frame chain.Frame
	err = frame.UnmarshalBinary(payload)
	return frame.Number, err
}

// hearPublications takes publications until ctx ends.
func (c *confirmer) hearPublications(ctx context.Context) {
	c.hear(ctx, link.TopicPublications, func(msg []byte) error {
		var p chain.Publication
		if err := p.UnmarshalBinary(msg); err != nil {
			return err
		}
		return c.publish(p.Block)
	})
}

// hearPause is the time after which a topic that failed is read again.
const hearPause = time.Second

// hear gives all messages of a topic that are kept to take, and what comes, until ctx ends.
// Neither what it refuses nor that the topic fails stops the node: nothing of the state
// rests on it.
func (c *confirmer) hear(ctx context.Context, topic string, take func([]byte) error) {
	for ; ctx.Err() == nil; _ = sched.Sleep(ctx, hearPause) {
		err := c.hearFrom(ctx, topic, take)
		if ctx.Err() != nil {
			return
		}
		c.node.cfg.Logger.Warn("a topic failed and is read again; what it lost is not known here", "topic", topic, "err", err)
	}
}

// hearFrom reads the topic until that fails.
func (c *confirmer) hearFrom(ctx context.Context, topic string, take func([]byte) error) error {
	next, err := c.node.cfg.Subscriber.Subscribe(ctx, topic, link.Oldest)
	for err == nil {
		var msg []byte
		if _, msg, err = next(ctx); err != nil {
			break
		}
		if refused := take(msg); refused != nil {
			c.node.count(func(s *Stats) { s.WordsRefused++ })
			c.node.cfg.Logger.Debug("a message is refused", "topic", topic, "err", refused)
		}
	}
	return err
}

// publish takes the word that a block is in the data-availability layer.
func (c *confirmer) publish(id chain.BlockID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest = max(c.newest, id.Number)
	head := c.node.Header().Number // with the lock: what is put aside now, sealed finds
	if id.Number > head {
		if id.Number-head <= headersKept {
			c.published[id.Number] = id
		}
		return nil
	}
	return c.showPublished(id)
}

// showPublished compares a publication with the own block. The caller has the lock.
func (c *confirmer) showPublished(id chain.BlockID) error {
	own := c.node.current().ancestry.header(id.Number)
	if own == nil {
		return nil // from before this node's time
	}
	if own.ID() != id {
		err := &chain.MismatchError{Block: id.Number, Field: "hash of the published block", Got: id.Hash.Hex(), Want: own.Hash().Hex()}
		c.node.charge(theSequencer, Evidence{Block: own.ID(), Err: err})
		return err
	}
	c.node.show(func(h *Heads) {
		if id.Number > h.Published.Number {
			h.Published = id
		}
	})
	return nil
}

// sealed says that the node has one more block.
func (c *confirmer) sealed(h *chain.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.published[h.Number]; ok {
		_ = c.showPublished(id) // who sent it cannot be told any more
	}
	for number := range c.published {
		if number <= h.Number {
			delete(c.published, number)
		}
	}
	if c.quorum != nil {
		c.advance()
	}
}

// said is the block of a number that is published, if that is known and the node does not
// have it yet.
func (c *confirmer) said(number uint64) (chain.BlockID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.published[number]
	return id, ok
}

// after reports whether a block after number was published.
func (c *confirmer) after(number uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest > number
}
