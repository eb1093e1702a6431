package fullnode

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// Subscriber is where a full node gets its bytes from: streams of messages by
// topic, numbered in ascending order, not always without gaps. It may also have the method
//
//	Recall(ctx context.Context, topic string, number uint64) error
//
// which asks those from whom the messages come for what they keep of a topic about block
// number and those after it: what did not come before comes then to who subscribes. The
// node asks so for attestations, see Config.ProofPatience.
type Subscriber interface {
	// Subscribe reads a topic from message number from on, or from the first after it. The function it returns
	// waits for the next message; its bytes are valid until the next call. An error
	// that matches chain.ErrOutOfStep says that the message is not kept any more.
	Subscribe(ctx context.Context, topic string, from uint64) (next func(context.Context) (seq uint64, msg []byte, err error), err error)
	// Latest is the newest message of a topic, which belongs to the caller;
	// ErrNotFound if there is none.
	Latest(ctx context.Context, topic string) (seq uint64, msg []byte, err error)
}

// Config says how a Follower works. Fields marked required have no default.
type Config struct {
	// Genesis is block 0. Required: it says which chain this is.
	Genesis *chain.Genesis
	// Subscriber gives the feed. Required.
	Subscriber Subscriber
	// DA is where snapshots and published blocks are. Required if FromSnapshot or FromDA.
	DA chain.DAClient
	// Mirrors are other ways to the blobs of DA, under the same names. A block that DA
	// does not have, or not as it was published, is asked for there.
	Mirrors []chain.DAClient
	// FromSnapshot begins at a snapshot on offer instead of genesis; at genesis when none
	// is on offer. It is the newest, unless History has blocks: then the newest that is
	// not after them and from which on the feed is kept, genesis too, so that no block is
	// missing in between; and the newest of all when there is none such.
	//
	// It also lets a node that is further behind than the feed is kept begin anew at a
	// snapshot, while Run goes on: see RejoinDelay. The proven head waits then for words about
	// all blocks in between.
	FromSnapshot bool
	// RejoinDelay is the time from the first attempt to begin anew to the second; it
	// doubles up to 32 times as much, and with the 16th attempt in a row that fails, or
	// after which no block comes, Run ends. Views that readers have stay as they are
	// meanwhile, and both states are in memory. Without FromSnapshot, or with a Store, a
	// Committer or a Diff of the caller's, of which it would need new ones (see Open), the
	// node does not begin anew: Run ends with chain.ErrOutOfStep. Default 1 s.
	RejoinDelay time.Duration

	// FromDA lets a node that is further behind than the feed is kept, or to which the
	// feed is silent for FeedPatience while blocks are published, take blocks from the
	// data-availability layer: their diffs, whose roots it checks as those of the feed. It
	// goes over to the feed as soon as that keeps what is next. A snapshot is tried first
	// (see FromSnapshot), unless in this way History has no gap. Receipts are not in the
	// layer, so an archive has a gap, unless Reexecute makes them.
	FromDA bool
	// FeedPatience: see FromDA. Default 5 s.
	FeedPatience time.Duration
	// Index, if set, gives publications that the topic does not keep any more: those of
	// blocks from number on, ascending, at most most of them, and none if there is none
	// (yet). It is believed as Subscriber is, and its caller vouches for it: which of all
	// blocks that could follow the node's own is the chain's, only a publication says, and
	// nothing in the layer contradicts one that names another. So give it what was seen to
	// be signed by the sequencer. One that names another block than the topic is refused.
	Index func(ctx context.Context, number uint64, most int) ([]chain.Publication, error)
	// BlockDiff makes a decoder for the diffs of whole blocks. Default: statediff,
	// stateless.
	BlockDiff func() chain.DiffEncoder
	// DAFetches is how many blocks are fetched at once; twice as many may be in memory.
	// DAAttempts is how often a block is asked for, of DA and Mirrors in turn, before
	// that counts as a failure to come back (see RejoinDelay), and DATimeout how long one
	// attempt may take. Defaults 8, 8 and 1 minute.
	DAFetches, DAAttempts int
	DATimeout             time.Duration

	// Provers are those whose attestations count. Heads.Proven moves to a block when
	// ProverThreshold (default 1) of them say the same of it, under one of Programs (any,
	// if empty), and what they say is what this node knows of its block. Without Provers
	// it does not move. Recoverer tells who signed, by default in pure Go.
	Provers         []common.Address
	ProverThreshold int
	Programs        []common.Hash
	Recoverer       attest.Recoverer
	// ProofPatience is how long Heads.Proven may stand still, with blocks of ours after it,
	// until attestations are heard again, all that are kept; it doubles up to 16 times as
	// much while that does not help. Default 10 s.
	ProofPatience time.Duration
	// Reexecute, if set, executes each block once more that is sealed, behind the head, on
	// the state before it. Changes or receipts that are not those of the sequencer are
	// Evidence and end Run with a VerifyError. It needs a History that keeps bodies. A block
	// whose bodies do not come is taken from DA, if that is set, when it is published, for
	// which History waits DATimeout at most, as long as the state before the block is kept
	// and BacklogBytes are not full: else it counts in Stats.Unverified. Blocks that History
	// has already are not executed.
	Reexecute Reexecute

	// Store must be empty. Committer and Diff must be new. The defaults are those
	// of packages state (in memory), trie and statediff.
	Store     chain.StateStore
	Committer chain.Committer
	Diff      chain.DiffEncoder
	// Open, if set, makes Store and Committer instead, whenever the node begins: so it can
	// begin anew, see RejoinDelay. They are in memory: those before are not closed.
	Open func() (chain.StateStore, chain.Committer, error)

	// History, if set, makes the node an archive, unless it says of itself that it keeps
	// headers only (history.Config.HeadersOnly): then, as without one, the node is one of
	// state, does not subscribe to bodies, and knows no transactions and no receipts.
	//
	// An archive's History gets the bodies and receipts of the blocks that are followed from
	// now on, checked against each header. It must be this chain's, and is not closed;
	// what it has unsealed is dropped when Run begins. A block whose bodies are lost, or
	// are not what its header commits to, becomes a gap of the history: the state goes
	// on. It is logged, and counted in Stats.Lost. What ends Run is that the history
	// itself fails, or the subscription to bodies.
	History History
	// BacklogBytes is about how much may wait for History: changes for bodies that lag, and
	// whole blocks from the layer. When it is full, the feed waits with them, or the layer;
	// and if for BacklogPatience no body comes at all, the blocks that wait for one are given
	// up. Default 256 MiB and 5 s.
	BacklogBytes    int
	BacklogPatience time.Duration
	// Logger gets what an operator should know. Default: slog.Default.
	Logger *slog.Logger

	// FramesMax is how many mini-blocks of one block are taken; more are refused. At
	// most two blocks that are not sealed yet are held. Default chain.FramesMax.
	FramesMax int
	// OnFrame, if set, is called after each mini-block that was applied, with its
	// changes, in order. It must not keep or alter them, and holds up the node.
	OnFrame func(*chain.Frame, *chain.Changes)
}

func (c Config) withDefaults() (*Config, error) {
	switch {
	case c.Genesis == nil || c.Subscriber == nil:
		return nil, errors.New("fullnode: Config.Genesis and Subscriber are required")
	case (c.FromSnapshot || c.FromDA) && c.DA == nil:
		return nil, errors.New("fullnode: Config.DA is required to begin from a snapshot or to take blocks from it")
	case c.Reexecute != nil && !c.bodies():
		return nil, errors.New("fullnode: Config.Reexecute needs a History that keeps bodies")
	case c.Open != nil && (c.Store != nil || c.Committer != nil):
		return nil, errors.New("fullnode: Config.Open makes what Store and Committer are")
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
	}{{&c.RejoinDelay, time.Second}, {&c.FeedPatience, 5 * time.Second}, {&c.DATimeout, time.Minute}, {&c.BacklogPatience, 5 * time.Second}, {&c.ProofPatience, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	for _, d := range []struct {
		value   *int
		initial int
	}{{&c.DAFetches, 8}, {&c.DAAttempts, 8}, {&c.BacklogBytes, 256 << 20}} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if c.BlockDiff == nil {
		c.BlockDiff = func() chain.DiffEncoder { return statediff.New(statediff.Config{Stateless: true}) }
	}
	if c.FramesMax == 0 {
		c.FramesMax = chain.FramesMax
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &c, nil
}

// bodies reports whether the node is an archive.
func (c *Config) bodies() bool {
	if c.History == nil {
		return false
	}
	h, ok := c.History.(interface{ HeadersOnly() bool })
	return !ok || !h.HeadersOnly()
}

// renews reports whether the node can begin anew: what its state is in can be made again.
func (c *Config) renews() bool {
	return c.FromSnapshot && c.Store == nil && c.Committer == nil && c.Diff == nil
}

// base is what the state is to be in, as far as the caller did not give it.
func (c *Config) base() (*base, error) {
	b := &base{store: c.Store, committer: c.Committer, diff: c.Diff}
	if c.Open != nil {
		var err error
		if b.store, b.committer, err = c.Open(); err != nil {
			return nil, err
		}
	}
	if b.store == nil {
		store, err := state.Open(state.Config{})
		if err != nil {
			return nil, err
		}
		b.store = store
	}
	if b.committer == nil {
		b.committer = trie.New(trie.Config{})
	}
	if b.diff == nil {
		// A mark for each frame of a block that is closed and of one that is open.
		b.diff = statediff.New(statediff.Config{Marks: 2*c.FramesMax + 2})
	}
	return b, nil
}
