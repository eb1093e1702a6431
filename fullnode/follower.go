package fullnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// A Follower is a full node that follows by diffs. Make it with New, then Run it.
// The other methods may be called concurrently with Run.
type Follower struct {
	cfg *Config

	// Where the node stands. Only Run's goroutine touches these.
	head   *chain.Header // sealed, root checked, committed
	feed   uint64        // number of the next feed message
	frame  common.Hash   // digest of the last frame taken
	blocks []*block      // after head: at most one that is closed, and an open one
	steps  chan step     // from the feed to keeper
	keeper keeper        // only Run's second goroutine touches it

	// committerMu orders Begin and Commit: of blocks, proofs and simulations.
	committerMu sync.Mutex

	mu    sync.Mutex
	heads Heads
	view  chain.StateView
	env   *chain.Env // of the block that view is in or after
	stats Stats
	bad   atomic.Pointer[error]
}

// A block of which mini-blocks have come but no header.
type block struct {
	env         *chain.Env
	mark        chain.Mark   // of the decoder, before the first frame
	feed        uint64       // number of the message with the first frame
	before      common.Hash  // digest of the last frame before it
	bottom      chain.Staged // the first of its stages
	parts       []*chain.Changes
	staged      chain.Staged
	digests     []common.Hash // of its frames
	gasUsed     uint64
	hashPending bool
	closed      bool // its last frame has come
}

// Heads are how far the node is, and how sure.
type Heads struct {
	Preconfirmed MiniID        // newest mini-block that is applied
	RootChecked  chain.BlockID // newest block whose header's root our state has
}

// A MiniID names a mini-block.
type MiniID struct {
	Number uint64
	Index  uint32
}

// Stats is what the node counted since New.
type Stats struct {
	MiniBlocks, Blocks, Transactions, DiffBytes uint64
}

// New makes a node that stands at genesis, or at a snapshot: see
// Config.FromSnapshot.
func New(ctx context.Context, cfg Config) (*Follower, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &Follower{cfg: c, steps: make(chan step, keptMax)}
	if err := f.join(ctx); err != nil {
		return nil, fmt.Errorf("fullnode: %w", err)
	}
	f.view, err = c.Store.View(c.Store.Head())
	if err != nil {
		return nil, err
	}
	f.env = (&chain.Block{Header: f.head}).Env()
	f.heads.RootChecked = f.head.ID()
	f.heads.Preconfirmed.Number = f.head.Number
	return f, nil
}

// Run follows the feed until ctx ends, and returns nil then. Another error says
// what was refused, and why. The node stands, byte for byte, where it stood before
// that message, or, if it was a header, at the block before, without the
// mini-blocks that the header does not bear out. Run may be called again to go on
// from there.
func (f *Follower) Run(ctx context.Context) error {
	f.bad.Store(nil)
	if f.cfg.History == nil {
		return f.follow(ctx)
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return f.follow(inner) })
	g.Go(func() error {
		err := f.keeper.keep(inner, f)
		if inner.Err() != nil {
			return nil // the end of Run, or the feed's error
		}
		err = fmt.Errorf("fullnode: history: %w", err)
		f.bad.Store(&err)
		return err
	})
	return g.Wait()
}

// follow takes the feed.
func (f *Follower) follow(ctx context.Context) error {
	next, err := f.cfg.Subscriber.Subscribe(ctx, link.TopicFeed, f.feed)
	if err != nil {
		return fmt.Errorf("fullnode: %w", err)
	}
	for {
		seq, msg, err := next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fullnode: %w", err)
		}
		if err := f.take(ctx, seq, msg); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			err = fmt.Errorf("fullnode: feed message %d refused: %w", seq, err)
			f.bad.Store(&err)
			return err
		}
		f.feed = seq + 1
	}
}

// Refused is the error with which Run last refused a message, or nil; nil again
// once Run is called again.
func (f *Follower) Refused() error {
	if p := f.bad.Load(); p != nil {
		return *p
	}
	return nil
}

// Heads returns the heads.
func (f *Follower) Heads() Heads {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heads
}

// Stats returns the counters.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
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

// Begin starts a commitment on the state with the given root, for proofs and
// simulations; nobody commits it. chain.ErrNotFound if the root is not kept.
func (f *Follower) Begin(ctx context.Context, root common.Hash) (chain.Commitment, error) {
	f.committerMu.Lock()
	defer f.committerMu.Unlock()
	return f.cfg.Committer.Begin(ctx, root)
}

// Store is the node's state by blocks.
func (f *Follower) Store() chain.StateStore { return f.cfg.Store }

// Close releases the store. Run must have ended.
func (f *Follower) Close() error { return f.cfg.Store.Close() }

// take is one message of the feed.
func (f *Follower) take(ctx context.Context, seq uint64, msg []byte) error {
	kind, body, err := link.ParseFeed(msg)
	if err != nil {
		return err
	}
	if kind == link.FeedHeader {
		header := new(chain.Header)
		if err := header.UnmarshalBinary(body); err != nil {
			return err
		}
		return f.takeHeader(ctx, header)
	}
	frame := new(chain.Frame)
	if err := frame.UnmarshalBinary(body); err != nil {
		return err
	}
	return f.takeFrame(ctx, seq, frame, chain.Keccak256(body))
}

// takeFrame is step 7 for a mini-block: decode against the own state, stage.
func (f *Follower) takeFrame(ctx context.Context, seq uint64, frame *chain.Frame, digest common.Hash) error {
	if known, err := f.known(frame, digest); known || err != nil {
		return err
	}
	b, err := f.expect(frame)
	if err != nil {
		return err
	}
	changes := new(chain.Changes)
	mark := f.cfg.Diff.Mark()
	if len(b.digests) == 0 {
		b.mark, b.feed = mark, seq
	}
	if err := f.cfg.Diff.Decode(changes, frame.Diff, f.top(b)); err != nil {
		return fmt.Errorf("diff of mini-block %d/%d: %w", frame.Number, frame.Index, err)
	}
	staged, err := f.stageFrame(ctx, b, frame, changes)
	if err != nil {
		return errors.Join(fmt.Errorf("mini-block %d/%d: %w", frame.Number, frame.Index, err), f.cfg.Diff.Rollback(mark))
	}
	s := step{frame: frame, digest: digest, changes: changes}
	if frame.Index == 0 {
		s.env = frame.Env
	}
	f.accept(b, &s, staged)
	if err := f.tell(ctx, s); err != nil {
		return err
	}
	if f.cfg.OnFrame != nil {
		f.cfg.OnFrame(frame, changes)
	}
	return nil
}

// known reports a frame that was taken before: a sequencer that restarts repeats
// the newest ones. The same place with another content is refused.
func (f *Follower) known(frame *chain.Frame, digest common.Hash) (bool, error) {
	if frame.Number <= f.head.Number {
		return true, nil
	}
	for _, b := range f.blocks {
		if b.env.Number == frame.Number && int(frame.Index) < len(b.digests) {
			if b.digests[frame.Index] != digest {
				return false, fmt.Errorf("%w: another mini-block %d/%d was taken before", chain.ErrOutOfStep, frame.Number, frame.Index)
			}
			return true, nil
		}
	}
	return false, nil
}

// expect returns the block that the frame continues, or begins, and checks that it
// is the very next frame.
func (f *Follower) expect(frame *chain.Frame) (*block, error) {
	var (
		b      *block
		number = f.head.Number + 1
		index  uint32
	)
	if n := len(f.blocks); n > 0 {
		b = f.blocks[n-1]
		number, index = b.env.Number, uint32(len(b.digests))
		if b.closed {
			b, number, index = nil, number+1, 0
		}
	}
	switch {
	case frame.Number != number || frame.Index != index:
		return nil, fmt.Errorf("%w: mini-block %d/%d, want %d/%d", chain.ErrOutOfStep, frame.Number, frame.Index, number, index)
	case frame.Parent != f.frame:
		return nil, fmt.Errorf("%w: mini-block %d/%d follows frame %s, want %s", chain.ErrOutOfStep, frame.Number, frame.Index, frame.Parent, f.frame)
	case frame.Last && frame.Number != f.head.Number+1:
		// The feed has header N before the last frame of N+1.
		return nil, fmt.Errorf("%w: block %d ends before the header of %d has come", chain.ErrOutOfStep, frame.Number, f.head.Number+1)
	case int(frame.Index) >= f.cfg.FramesMax:
		return nil, fmt.Errorf("%w: block %d has more than %d mini-blocks", chain.ErrTooLarge, frame.Number, f.cfg.FramesMax)
	}
	if err := f.checkTerm(b, frame); err != nil {
		return nil, err
	}
	if b == nil {
		b = &block{env: frame.Env, before: f.frame, hashPending: frame.ParentHashPending}
	}
	return b, nil
}

// checkTerm refuses a frame of another term than its block's, and a block, of which
// it is the first, of an earlier term than the block before. b is nil for a first
// frame.
func (f *Follower) checkTerm(b *block, frame *chain.Frame) error {
	want, least := frame.Env, uint64(0)
	switch n := len(f.blocks); {
	case b != nil:
		want = b.env
	case n > 0:
		least = f.blocks[n-1].env.Term()
	case f.head.Number > 0: // nobody sequenced genesis
		least = f.head.Term()
	}
	if term := want.Term(); frame.Term != term || term < least {
		return fmt.Errorf("%w: mini-block %d/%d is of term %d in a block of term %d, after term %d", chain.ErrOutOfStep, frame.Number, frame.Index, frame.Term, term, least)
	}
	return nil
}

// top is the state that the next frame of b was encoded against.
func (f *Follower) top(b *block) chain.StateView {
	if b.staged != nil {
		return b.staged.View()
	}
	if n := len(f.blocks); n > 0 {
		return f.blocks[n-1].staged.View()
	}
	view, err := f.cfg.Store.View(f.cfg.Store.Head())
	if err != nil {
		panic(fmt.Sprintf("fullnode: the store has no view of its own head: %v", err))
	}
	return view
}

// stageFrame stages the mini-block, and at the block's end the write of EIP-2935.
func (f *Follower) stageFrame(ctx context.Context, b *block, frame *chain.Frame, c *chain.Changes) (chain.Staged, error) {
	staged, err := f.stageOn(ctx, b.staged, c)
	if err != nil {
		return nil, err
	}
	if b.bottom == nil {
		b.bottom = staged
	}
	if !frame.Last || !b.hashPending {
		return staged, nil
	}
	write, err := chain.ParentHashChange(f.head, staged.View())
	if err != nil {
		staged.Discard()
		return nil, err
	}
	top, err := staged.Stage(ctx, write)
	if err != nil {
		staged.Discard()
	}
	return top, err
}

func (f *Follower) stageOn(ctx context.Context, below chain.Staged, c *chain.Changes) (chain.Staged, error) {
	if below == nil && len(f.blocks) > 0 {
		below = f.blocks[len(f.blocks)-1].staged
	}
	if below == nil {
		return f.cfg.Store.Stage(ctx, c)
	}
	return below.Stage(ctx, c)
}

func (f *Follower) accept(b *block, s *step, staged chain.Staged) {
	if len(b.digests) == 0 {
		f.blocks = append(f.blocks, b)
	}
	frame := s.frame
	b.staged = staged
	b.parts = append(b.parts, s.changes)
	b.digests = append(b.digests, s.digest)
	b.gasUsed = frame.GasUsed
	b.closed = frame.Last
	f.frame = s.digest

	f.mu.Lock()
	defer f.mu.Unlock()
	f.view, f.env = staged.View(), b.env
	f.heads.Preconfirmed = MiniID{frame.Number, frame.Index}
	f.stats.MiniBlocks++
	f.stats.Transactions += uint64(frame.TxCount)
	f.stats.DiffBytes += uint64(len(frame.Diff))
}
