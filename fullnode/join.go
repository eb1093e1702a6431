package fullnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/link"
)

// A base is what the state is in. A node that begins anew has another.
type base struct {
	store     chain.StateStore
	committer chain.Committer
	diff      chain.DiffEncoder
	ancestry  *ancestry

	// committing orders Begin and Commit: of blocks, proofs and simulations. What is
	// between the two needs no lock (chain.Committer).
	committing sync.Mutex
}

func (b *base) begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	b.committing.Lock()
	defer b.committing.Unlock()
	return b.committer.Begin(ctx, root)
}

// A place is where a node stands when it has taken whole blocks only.
type place struct {
	*base
	head  *chain.Header // sealed, root checked, committed
	feed  uint64        // number of the next feed message
	frame common.Hash   // digest of the last frame taken
}

// join makes a base, and brings it to the snapshot that choose says, or to genesis if
// that is nil. It changes nothing of the node.
func (f *Follower) join(ctx context.Context, choose func(context.Context) (*chain.SnapshotOffer, error)) (*place, error) {
	var offer *chain.SnapshotOffer
	if f.cfg.FromSnapshot {
		var err error
		if offer, err = choose(ctx); err != nil {
			return nil, err
		}
	}
	b, err := f.cfg.base()
	if err != nil {
		return nil, err
	}
	var p *place
	if offer == nil {
		p, err = b.atGenesis(ctx, f.cfg.Genesis)
	} else if p, err = b.atSnapshot(ctx, f.cfg, offer); err != nil {
		err = &SnapshotError{offer.Block, err}
	}
	return p, err
}

// A SnapshotError is why a node did not begin at a snapshot that is on offer: the layer
// did not give it, or gave something else. With a new state (Config.Open, or the default)
// another New may go better.
type SnapshotError struct {
	Block chain.BlockID
	Err   error // see da
}

func (e *SnapshotError) Error() string {
	return fmt.Sprintf("snapshot of block %s: %v", e.Block, e.Err)
}

// Unwrap returns what the layer said.
func (e *SnapshotError) Unwrap() error { return e.Err }

func (b *base) atGenesis(ctx context.Context, g *chain.Genesis) (*place, error) {
	if err := checkpoint.LoadGenesis(ctx, g, b.store, b.committer); err != nil {
		return nil, err
	}
	var err error
	b.ancestry, err = newAncestry(g.Header, nil)
	return &place{base: b, head: g.Header, frame: g.Header.Hash()}, err
}

func (b *base) atSnapshot(ctx context.Context, cfg *Config, offer *chain.SnapshotOffer) (*place, error) {
	object, err := da.Get(ctx, cfg.DA, offer.Blob, da.Want{Kind: da.Snapshot, Block: offer.Block})
	if err != nil {
		return nil, err
	}
	point, err := checkpoint.Read(ctx, bytes.NewReader(object.Payload), int64(len(object.Payload)), b.store, b.committer)
	if err != nil {
		return nil, err
	}
	if err := point.CheckGenesis(cfg.Genesis); err != nil {
		return nil, err
	}
	head, err := point.Header()
	if err != nil {
		return nil, err
	}
	if got := head.ID(); got != offer.Block {
		return nil, &chain.MismatchError{Block: offer.Block.Number, Field: "hash of the snapshot's block", Got: got.Hash.Hex(), Want: offer.Block.Hash.Hex()}
	}
	if err := checkpoint.SetModel(b.diff, point.Model); err != nil {
		return nil, err
	}
	if b.ancestry, err = newAncestry(head, point); err != nil {
		return nil, err
	}
	return &place{base: b, head: head, frame: point.Frame, feed: offer.Feed}, nil
}

// choose is the snapshot to begin at, or nil for genesis: see Config.FromSnapshot.
func (f *Follower) choose(ctx context.Context) (*chain.SnapshotOffer, error) {
	c, err := f.choices(ctx)
	switch {
	case err != nil:
		return nil, err
	case c.seamless != nil || c.genesis:
		return c.seamless, nil
	}
	return c.newest, nil
}

// choices are the snapshots on offer that matter. Any may be nil.
type choices struct {
	newest   *chain.SnapshotOffer // of all
	kept     *chain.SnapshotOffer // the newest from which on the feed is kept
	seamless *chain.SnapshotOffer // the newest such that is not after what history has
	genesis  bool                 // without a seamless one, genesis would be it
}

// choices looks at all that is on offer.
func (f *Follower) choices(ctx context.Context) (c choices, err error) {
	last, msg, err := f.cfg.Subscriber.Latest(ctx, link.TopicSnapshots)
	if errors.Is(err, chain.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c.newest = new(chain.SnapshotOffer)
	if err := c.newest.UnmarshalBinary(msg); err != nil {
		return c, err
	}
	first, whole, err := f.oldestKept(ctx)
	if err != nil {
		return c, err
	}
	known := uint64(0)
	if f.cfg.History != nil {
		known = f.cfg.History.Head().Number
	}
	c.genesis = whole && known > 0
	return c, f.eachOffer(ctx, last, func(offer *chain.SnapshotOffer) {
		if offer.Feed < first {
			return
		}
		c.kept = newer(c.kept, offer)
		if offer.Block.Number <= known {
			c.seamless = newer(c.seamless, offer)
		}
	})
}

func newer(a, b *chain.SnapshotOffer) *chain.SnapshotOffer {
	if a != nil && a.Block.Number > b.Block.Number {
		return a
	}
	return b
}

// eachOffer goes through the offers that are kept up to message number last, which
// there is. Those that cannot be read are left out.
func (f *Follower) eachOffer(ctx context.Context, last uint64, yield func(*chain.SnapshotOffer)) error {
	next, err := f.cfg.Subscriber.Subscribe(ctx, link.TopicSnapshots, link.Oldest)
	if err != nil {
		return err
	}
	for {
		seq, msg, err := next(ctx)
		if err != nil {
			return err
		}
		offer := new(chain.SnapshotOffer)
		if offer.UnmarshalBinary(msg) == nil {
			yield(offer)
		}
		if seq >= last {
			return nil
		}
	}
}

// oldestKept is the number of the oldest message of the feed that is kept, 0 if none has
// come, and whether it is the first after genesis.
func (f *Follower) oldestKept(ctx context.Context) (seq uint64, whole bool, err error) {
	_, _, err = f.cfg.Subscriber.Latest(ctx, link.TopicFeed)
	if errors.Is(err, chain.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	next, err := f.cfg.Subscriber.Subscribe(ctx, link.TopicFeed, link.Oldest)
	if err != nil {
		return 0, false, err
	}
	seq, msg, err := next(ctx)
	if err != nil {
		return 0, false, err
	}
	frame := new(chain.Frame)
	if kind, body, err := link.ParseFeed(msg); err == nil && kind == link.FeedFrame && frame.UnmarshalBinary(body) == nil {
		whole = frame.Number == 1 && frame.Index == 0
	}
	return seq, whole, nil
}
