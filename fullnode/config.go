package fullnode

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// Subscriber is where a full node gets its bytes from: streams of messages by
// topic, numbered from 0.
type Subscriber interface {
	// Subscribe reads a topic from message number from on. The function it returns
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
	// DA is where snapshots are. Required if FromSnapshot.
	DA chain.DAClient
	// FromSnapshot begins at the newest snapshot on offer instead of genesis; at
	// genesis when none is on offer.
	FromSnapshot bool

	// Store must be empty. Committer and Diff must be new. The defaults are those
	// of packages state (in memory), trie and statediff.
	Store     chain.StateStore
	Committer chain.Committer
	Diff      chain.DiffEncoder

	// History, if set, gets the bodies and receipts of the blocks that are followed from
	// now on, checked against each header. It must be this chain's, and is not closed;
	// what it has unsealed is dropped when Run begins. A block whose bodies are lost, or
	// are not what its header commits to, becomes a gap of the history: the state goes
	// on. It is logged, and counted in Stats.Lost. What ends Run is that the history
	// itself fails, or the subscription to bodies.
	History History
	// BacklogBytes is about how much of changes may wait for bodies that lag. When it
	// is full, the feed waits with them; and if for BacklogPatience no body comes at
	// all, the blocks that wait are given up. Default 256 MiB and 5 s.
	BacklogBytes    int
	BacklogPatience time.Duration
	// Logger gets what an operator should know. Default: slog.Default.
	Logger *slog.Logger

	// FramesMax is how many mini-blocks of one block are taken; more are refused. At
	// most two blocks that are not sealed yet are held. Default 4,096.
	FramesMax int
	// OnFrame, if set, is called after each mini-block that was applied, with its
	// changes, in order. It must not keep or alter them, and holds up the node.
	OnFrame func(*chain.Frame, *chain.Changes)
}

func (c Config) withDefaults() (*Config, error) {
	switch {
	case c.Genesis == nil || c.Subscriber == nil:
		return nil, errors.New("fullnode: Config.Genesis and Subscriber are required")
	case c.FromSnapshot && c.DA == nil:
		return nil, errors.New("fullnode: Config.DA is required to begin from a snapshot")
	}
	if c.Store == nil {
		store, err := state.Open(state.Config{})
		if err != nil {
			return nil, err
		}
		c.Store = store
	}
	if c.Committer == nil {
		c.Committer = trie.New(trie.Config{})
	}
	if c.FramesMax == 0 {
		c.FramesMax = 4096
	}
	if c.BacklogBytes <= 0 {
		c.BacklogBytes = 256 << 20
	}
	if c.BacklogPatience <= 0 {
		c.BacklogPatience = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Diff == nil {
		// A mark for each frame of a block that is closed and of one that is open.
		c.Diff = statediff.New(statediff.Config{Marks: 2*c.FramesMax + 2})
	}
	return &c, nil
}
