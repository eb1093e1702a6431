package fullnode

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Heads are how far the node is, and how sure.
type Heads struct {
	Preconfirmed MiniID        // newest mini-block that is applied
	RootChecked  chain.BlockID // newest block whose header's root our state has
	// Published is the newest block of ours that is said to be in the data-availability
	// layer, and Proven the newest of which, as of all since this node joined the chain,
	// enough of Config.Provers say that it is right; what it joined at it takes on trust
	// (see the package comment, How sure). Zero: none yet. They never move back.
	Published, Proven chain.BlockID
}

// A MiniID names a mini-block.
type MiniID struct {
	Number uint64
	Index  uint32
}

func (m MiniID) before(other MiniID) bool {
	return m.Number < other.Number || m.Number == other.Number && m.Index < other.Index
}

// Stats is what the node counted since New.
type Stats struct {
	MiniBlocks, Blocks, Transactions uint64
	// Bytes as they came: diffs of the feed, and of bodies that were taken what is receipts
	// and what is all the rest. Each divided by Transactions is what one costs; the
	// transactions of BlocksFromDA are in none.
	DiffBytes, BodyBytes, ReceiptBytes uint64
	// BlocksFromDA are those that came whole, and are counted in Blocks too; DARefused is how often
	// an object was not there or not what it should be.
	BlocksFromDA, DARefused uint64
	// Verified are the blocks that Config.Reexecute confirmed; Unverified those that are
	// sealed here and that it did not see: their bodies could not be had in time, from
	// nobody, the state before them was gone, or a snapshot skipped them. LastUnverified is
	// when the last of these was passed over; zero if none was.
	Verified, Unverified uint64
	LastUnverified       time.Time
	// Unproven is how many blocks after Heads.Proven this node has, and UnprovenSince since
	// when the next of them waits for provers; zero if none does, and without Config.Provers.
	Unproven      uint64
	UnprovenSince time.Time
	// WordsRefused is how often a publication or an attestation was not taken; Evidence is
	// how many things were said that cannot be true, see Follower.Evidence.
	WordsRefused, Evidence uint64

	// LastMessage is when the last message of the feed came, whether it was taken or
	// refused; zero before the first. It says since when the publisher is silent,
	// whenever it is asked.
	LastMessage time.Time
	// Rejoins is how often the node was so far behind that it began anew at a snapshot,
	// and Skipped how many blocks it did not follow because of it.
	Rejoins, Skipped uint64

	// Of Config.History: bodies that were refused, and blocks that it did not get
	// because bodies were missing or refused.
	BodiesRefused, Lost uint64
	// LastBodyRefused is when a body was last refused; zero if none was. See RefusedBody.
	LastBodyRefused time.Time
	// Mini-blocks that wait for their bodies now, and about the bytes of their changes and
	// of blocks from the layer that History has yet to take: BacklogMax (Config.BacklogBytes)
	// of them are full, and the feed, or the layer, waits.
	Backlog, BacklogBytes, BacklogMax int
}

// unverified counts blocks that Config.Reexecute did not see.
func (s *Stats) unverified(blocks uint64) {
	if blocks > 0 {
		s.Unverified, s.LastUnverified = s.Unverified+blocks, time.Now()
	}
}

// Refused is the error with which Run last refused a message, or why it is about to
// begin anew at a snapshot, or nil; nil again once Run is called again or has begun anew.
func (f *Follower) Refused() error {
	if p := f.bad.Load(); p != nil {
		return *p
	}
	return nil
}

// RefusedBody is the error with which a body was last refused, or nil: it was not what
// the sequencer committed to. The state has nothing to do with bodies and goes on.
func (f *Follower) RefusedBody() error {
	if p := f.badBody.Load(); p != nil {
		return *p
	}
	return nil
}

// Confirms reports whether the node finds out by itself what is proven, by Config.Provers:
// else Heads.Proven stays zero.
func (f *Follower) Confirms() bool { return f.confirm.quorum != nil }

// Heads returns the heads.
func (f *Follower) Heads() Heads {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heads
}

// Header is the header of Heads.RootChecked, read only. Config.History may not have it
// yet, or never: it waits for bodies.
func (f *Follower) Header() *chain.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.header
}

// Stats returns the counters.
func (f *Follower) Stats() Stats {
	unproven, since := f.confirm.lag()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Unproven, s.UnprovenSince = unproven, since
	s.Evidence = f.evidence.total()
	if f.backlog != nil {
		s.Backlog, s.BacklogBytes = f.backlog.waiting()
		s.BacklogMax = f.cfg.BacklogBytes
	}
	return s
}

// show changes the heads.
func (f *Follower) show(change func(*Heads)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.heads)
}

func (f *Follower) count(add func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	add(&f.stats)
}

// View is the state at the preconfirmed head.
func (f *Follower) View() (chain.StateView, MiniID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view, f.heads.Preconfirmed
}

// Latest is the state at the preconfirmed head, and the environment of the block that
// it is in or after.
func (f *Follower) Latest() (chain.StateView, *chain.Env) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view, f.env
}

// OpenEnv is the environment of the block of which the newest mini-block is, unless that
// was the block's last: nil then, for what the next block has is not known.
func (f *Follower) OpenEnv() *chain.Env {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Begin starts a commitment on the state with the given root, for proofs and
// simulations; nobody commits it. chain.ErrNotFound if the root is not kept.
func (f *Follower) Begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	return f.current().begin(ctx, root)
}

// current is what the state is in now.
func (f *Follower) current() *base {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.base
}

// Store is the node's state by blocks. A node that began anew has another: ask each time.
func (f *Follower) Store() chain.StateStore { return f.current().store }

// Close releases the store. Run must have ended.
func (f *Follower) Close() error { return f.current().store.Close() }
