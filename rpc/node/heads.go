package node

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/backend"
)

const (
	// headsTime is how long the sequencer may take to say how far it is.
	headsTime = time.Second
	// headsAge is how old its answer may be.
	headsAge = 100 * time.Millisecond
)

// told are the heads of which the sequencer told. They only go up: what was once
// published or proven remains so, also while the sequencer does not answer.
type told struct {
	mu                        sync.Mutex // held while the sequencer is asked, once for all who want to know
	asked                     time.Time
	newest, published, proven chain.BlockID // zero: never told
	err                       error         // why it did not answer, if it did not when it was asked last
}

// heads asks the sequencer, unless it was asked just now. The error is for who wants one
// of which it never told.
func (f *Fullnode) heads() (newest, published, proven chain.BlockID, err error) {
	t := &f.told
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.asked) >= headsAge {
		t.err = f.ask()
		t.asked = time.Now()
	}
	return t.newest, t.published, t.proven, t.err
}

// ask brings told up to date, if the sequencer answers. Others wait for it, so it does
// not end with a caller's context.
func (f *Fullnode) ask() error {
	const method = "eth_getHeaderByNumber"
	answers, err := f.sequencer.readAll(context.Background(), headsTime,
		question{method, []any{"finalized"}}, question{method, []any{"safe"}}, question{method, []any{"latest"}})
	if err != nil {
		return err
	}
	for i, head := range []*chain.BlockID{&f.told.proven, &f.told.published, &f.told.newest} {
		if id := f.named(answers[i]); id.Number > head.Number || *head == (chain.BlockID{}) {
			*head = id
		}
	}
	return nil
}

// named is the block of which the sequencer gave the header; zero if there is none, or if
// it is not on this node's chain.
func (f *Fullnode) named(answer json.RawMessage) chain.BlockID {
	var header *struct {
		Number hexutil.Uint64
		Hash   common.Hash
	}
	if err := json.Unmarshal(answer, &header); err != nil || header == nil {
		return chain.BlockID{}
	}
	id := chain.BlockID{Number: uint64(header.Number), Hash: header.Hash}
	if own, err := f.store.Header(id.Number); err == nil && own.ID() != id {
		f.sequencer.log.Error("The sequencer names a block that is not on this node's chain.", "block", id, "own", own.ID())
		return chain.BlockID{}
	}
	return id
}

// Heads implements backend.Backend. What the node itself has heard, of whoever published
// and proved, goes before what the sequencer tells, which it asks only for a head of which
// it has heard nothing; what that told before remains. Of either it shows as much as it
// has itself: the ancestors of a proven block are proven. What is proven, the sequencer
// does not tell a node that knows whom to believe in that (fullnode.Config.Provers).
func (f *Fullnode) Heads() backend.Heads {
	var (
		published, proven = f.heard()
		own               = f.follower != nil && f.follower.Confirms()
		err               error
	)
	if none := (chain.BlockID{}); published == none || proven == none && !own {
		_, _, _, err = f.heads()
	}
	told, toldProven := f.told.last()
	published = higher(published, told)
	if !own {
		proven = higher(proven, toldProven)
	}
	published = higher(published, proven) // it was there for provers to see
	sealed := f.store.Head()
	return backend.Heads{Sealed: sealed, Published: lower(published, sealed), Proven: lower(proven, sealed), Unknown: err}
}

// last are the heads of which the sequencer told when it was asked last; zero if never.
func (t *told) last() (published, proven chain.BlockID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.published, t.proven
}

// higher is the head that is further.
func higher(a, b chain.BlockID) chain.BlockID {
	if a.Number > b.Number || b == (chain.BlockID{}) {
		return a
	}
	return b
}

// heard are the heads that the node knows of itself; zero where it does not.
func (f *Fullnode) heard() (published, proven chain.BlockID) {
	if f.follower == nil {
		return published, proven
	}
	own := f.follower.Heads()
	return own.Published, own.Proven
}

// lower is head, or sealed if that is lower.
func lower(head, sealed chain.BlockID) chain.BlockID {
	if head.Number > sealed.Number {
		return sealed
	}
	return head
}

var _ backend.Syncer = (*Fullnode)(nil)

// Progress implements backend.Syncer: behind the sequencer, if that answers, and behind
// what has come of the feed.
func (f *Fullnode) Progress(context.Context) backend.Progress {
	newest, _, _, _ := f.heads()
	current := f.store.Head().Number // after newest: it grows
	applied := f.follower.Heads().Preconfirmed.Number
	return backend.Progress{Starting: f.began, Current: current, Highest: max(current, newest.Number, applied)}
}
