package fullnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
)

// A Follower is a full node that follows by diffs. Make it with New, then Run it.
// The other methods may be called concurrently with Run.
type Follower struct {
	cfg *Config

	// Where the node stands. Only Run's goroutine touches these, but for base.
	place
	blocks []*block // after head: at most one that is closed, and an open one
	// dropped says that blocks without a header were given up.
	dropped bool

	// adrift: blocks came whole since a frame did, so the place in the feed is not known.
	adrift bool

	backlog  *backlog // what History is to have; nil without one
	confirm  *confirmer
	evidence drawer

	mu     sync.Mutex // also of a change of base
	heads  Heads
	header *chain.Header // of heads.RootChecked
	view   chain.StateView
	env    *chain.Env // of the block that view is in or after
	open   *chain.Env // env if that block is not closed, or nil
	stats  Stats
	bad    atomic.Pointer[error]

	badBody atomic.Pointer[error]

	listening atomic.Pointer[time.Time] // since when the feed's next message is waited for; nil: it is not
}

// A block of which mini-blocks have come but no header.
type block struct {
	env         *chain.Env
	owed        *owed        // to History, if there is one
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

// New makes a node that stands at genesis, or at a snapshot: see
// Config.FromSnapshot.
func New(ctx context.Context, cfg Config) (*Follower, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &Follower{cfg: c}
	if c.History != nil {
		f.backlog = newBacklog(c.BacklogBytes)
	}
	if f.confirm, err = newConfirmer(f); err != nil {
		return nil, fmt.Errorf("fullnode: %w", err)
	}
	p, err := f.join(ctx, f.choose)
	if err != nil {
		return nil, fmt.Errorf("fullnode: %w", err)
	}
	if err := f.stand(p); err != nil {
		return nil, fmt.Errorf("fullnode: %w", err)
	}
	f.confirm.join(ctx, f.head)
	return f, nil
}

// stand takes a place, for all readers at once.
func (f *Follower) stand(p *place) error {
	view, err := p.store.View(p.head.ID())
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.place = *p
	f.view, f.env, f.open = view, (&chain.Block{Header: p.head}).Env(), nil
	f.heads.RootChecked, f.heads.Preconfirmed = p.head.ID(), MiniID{Number: p.head.Number}
	f.header = p.head
	return nil
}

// follow takes the feed.
func (f *Follower) follow(ctx context.Context) error {
	ctx, stop := f.unlessSilent(ctx)
	defer stop()
	next, err := f.cfg.Subscriber.Subscribe(ctx, link.TopicFeed, f.feed)
	if err != nil {
		return feedError(err)
	}
	for {
		if f.backlog != nil {
			f.backlog.room(ctx)
		}
		now := time.Now()
		f.listening.Store(&now)
		seq, msg, err := next(ctx)
		f.listening.Store(nil)
		if ctx.Err() != nil {
			return silence(ctx)
		}
		if err != nil {
			return feedError(err)
		}
		f.count(func(s *Stats) { s.LastMessage = time.Now() })
		if err := f.take(ctx, seq, msg); err != nil {
			if ctx.Err() != nil {
				return silence(ctx)
			}
			err = fmt.Errorf("fullnode: feed message %d refused: %w", seq, err)
			f.bad.Store(&err)
			return err
		}
		f.feed = seq + 1
	}
}

// feedError tells a feed that went on without us from other failures of the subscription.
func feedError(err error) error {
	err = fmt.Errorf("fullnode: %w", err)
	if errors.Is(err, chain.ErrOutOfStep) {
		return &goneError{err}
	}
	return err
}

// take is one message of the feed.
func (f *Follower) take(ctx context.Context, seq uint64, msg []byte) error {
	kind, body, err := link.ParseFeed(msg)
	if err != nil {
		return err
	}
	if kind == link.FeedHeader {
		sealed := new(chain.Sealed)
		if err := sealed.UnmarshalBinary(body); err != nil {
			return err
		}
		return f.takeHeader(ctx, sealed)
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
	mark := f.diff.Mark()
	if len(b.digests) == 0 {
		b.mark, b.feed = mark, seq
	}
	if err := f.diff.Decode(changes, frame.Diff, f.top(b)); err != nil {
		return fmt.Errorf("diff of mini-block %d/%d: %w", frame.Number, frame.Index, err)
	}
	staged, err := f.stageFrame(ctx, b, frame, changes)
	if err != nil {
		return errors.Join(fmt.Errorf("mini-block %d/%d: %w", frame.Number, frame.Index, err), f.diff.Rollback(mark))
	}
	f.accept(b, frame, digest, changes, staged)
	if f.cfg.OnFrame != nil {
		f.cfg.OnFrame(frame, changes)
	}
	return nil
}

// known reports a frame that was taken before: a sequencer that restarts repeats
// the newest ones. The same place with another content is refused, unless it begins the
// block anew in a newer term: then what was taken of it is given up.
func (f *Follower) known(frame *chain.Frame, digest common.Hash) (bool, error) {
	if frame.Number <= f.head.Number {
		return true, nil
	}
	for _, b := range f.blocks {
		if b.env.Number == frame.Number && int(frame.Index) < len(b.digests) {
			if b.digests[frame.Index] != digest {
				if frame.Index == 0 && frame.Term > b.env.Term() && f.blocks[0] == b {
					return false, f.takenBack(frame)
				}
				return false, fmt.Errorf("%w: another mini-block %d/%d was taken before", chain.ErrOutOfStep, frame.Number, frame.Index)
			}
			return true, nil
		}
	}
	return false, nil
}

// takenBack gives up the block that a frame begins anew. History, which has heard of it,
// is told when the node has come back from elsewhere.
func (f *Follower) takenBack(frame *chain.Frame) error {
	if f.backlog == nil {
		return f.drop()
	}
	return &goneError{fmt.Errorf("fullnode: %w: block %d begins anew in term %d", chain.ErrOutOfStep, frame.Number, frame.Term)}
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
	if b != nil && frame.GasUsed < b.gasUsed {
		return nil, fmt.Errorf("%w: mini-block %d/%d ends with %d gas used, began with %d", chain.ErrOutOfStep, frame.Number, frame.Index, frame.GasUsed, b.gasUsed)
	}
	if b == nil {
		b = &block{env: frame.Env, before: f.frame, hashPending: frame.ParentHashPending, owed: f.owe(frame.Env)}
	}
	return b, nil
}

// owe is what history is to have of a block.
func (f *Follower) owe(env *chain.Env) *owed {
	had := f.cfg.History != nil && env.Number <= f.cfg.History.Head().Number
	return &owed{env: env, had: had, bare: !f.cfg.bodies()}
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
	view, err := f.store.View(f.store.Head())
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
		return f.store.Stage(ctx, c)
	}
	return below.Stage(ctx, c)
}

func (f *Follower) accept(b *block, frame *chain.Frame, digest common.Hash, changes *chain.Changes, staged chain.Staged) {
	if len(b.digests) == 0 {
		f.blocks = append(f.blocks, b)
	}
	b.staged = staged
	b.parts = append(b.parts, changes)
	b.digests = append(b.digests, digest)
	b.gasUsed = frame.GasUsed
	b.closed = frame.Last
	f.frame = digest
	if f.backlog != nil {
		f.backlog.add(b.owed, frame, digest, changes)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	f.view, f.env, f.open = staged.View(), b.env, b.env
	if b.closed {
		f.open = nil
	}
	f.heads.Preconfirmed = MiniID{frame.Number, frame.Index}
	f.stats.MiniBlocks++
	f.stats.Transactions += uint64(frame.TxCount)
	f.stats.DiffBytes += uint64(len(frame.Diff))
}
