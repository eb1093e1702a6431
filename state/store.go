package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// The contracts that this package implements, under the names of its readers.
type (
	StateStore = chain.StateStore
	Staged     = chain.Staged
	StateView  = chain.StateView
)

var (
	_ chain.StateStore = (*Store)(nil)
	_ chain.Staged     = (*stage)(nil)
)

// Config configures a Store. The zero value is a store in memory, without a log.
type Config struct {
	// Retain is the number of blocks before the newest that View and Revert
	// reach. Each costs memory in proportion to what it changed. Default: 128;
	// negative: none.
	Retain int
	// Dir is the directory of the log and the snapshots; the store locks it. If
	// it is empty the store keeps nothing beyond its own life.
	Dir string
	// FS is where Dir is. Default: vfs.OS.
	FS vfs.FS
	// Durability is how durable a commit is when it returns. Default:
	// DurabilityFsync.
	Durability Durability
	// SegmentSize and RecordMax are those of LogConfig. A commit whose encoding is
	// larger than RecordMax is ErrTooLarge.
	SegmentSize int64
	RecordMax   int
	// CheckpointSize is by how many bytes the log grows before the store writes a
	// snapshot of its oldest block and prunes the log. It does so in the
	// background; see Checkpoint. Default: 256 MiB; negative: never.
	CheckpointSize int64
	// OnCheckpoint, if set, is told the outcome of each checkpoint that the store
	// made by itself. A failed one does no harm; the log grows on.
	OnCheckpoint func(chain.BlockID, error)
	// Encode appends what a commit writes to the log, and Decode reads it back:
	// c, valid and canonical, from src, which is not kept. prior is the state
	// before c. A record may be decoded alone or not at all, since checkpoints
	// prune the log: so neither may carry a model from one call to the next.
	// Default: the canonical encoding of Changes.
	Encode func(dst []byte, c *chain.Changes, prior chain.StateView) ([]byte, error)
	Decode func(c *chain.Changes, src []byte, prior chain.StateView) error
}

func (c Config) withDefaults() Config {
	switch {
	case c.Retain == 0:
		c.Retain = 128
	case c.Retain < 0:
		c.Retain = 0
	}
	if c.FS == nil {
		c.FS = vfs.OS
	}
	if c.CheckpointSize == 0 {
		c.CheckpointSize = 256 << 20
	}
	if c.Encode == nil {
		c.Encode = func(dst []byte, c *chain.Changes, _ chain.StateView) ([]byte, error) { return c.AppendBinary(dst) }
	}
	if c.Decode == nil {
		c.Decode = func(c *chain.Changes, src []byte, _ chain.StateView) error { return c.UnmarshalBinary(src) }
	}
	return c
}

// A Store is the default chain.StateStore: the whole state in memory, and, if
// Config.Dir is set, a log and snapshots of it on disk. Open makes one.
//
// Views, Head, Export and Checkpoint may be called concurrently with everything;
// staging, committing, reverting and loading are for one goroutine at a time, and
// Close comes last.
type Store struct {
	cfg    Config
	log    *Log // nil without Dir
	closed atomic.Bool

	// mu guards what follows. The one goroutine that commits or reverts is the
	// only one that writes, so that it reads without mu. It lets readers in
	// between every few accounts: see blockView.
	mu sync.RWMutex
	tables
	blocks   []*block // oldest first; the last may be on its way in or out
	head     *block
	sequence uint64 // of the newest block ever; not reused after a revert
	stages   []*stage
	checkpointer
}

// A block is a committed block that the store keeps.
type block struct {
	id       chain.BlockID
	height   int    // its place in the row of blocks; reused after a revert
	sequence uint64 // in the order of commits
	lsn      LSN    // of its record
	logged   int64  // payload bytes in the log up to and with it
	gone     atomic.Bool

	// The undo record: what the block changed. Empty in the oldest block.
	layer       layer
	cleared     map[common.Address]uint32 // incarnation before, of accounts that were cleared
	firstNumber uint64                    // of the accounts that are new in it
}

// accountsPerLock is how many accounts a commit or revert changes before it lets
// readers in: some tens of microseconds.
const accountsPerLock = 256

var errClosed = fmt.Errorf("state store: %w", chain.ErrClosed)

// Open opens the store in cfg.Dir, at the newest block that was committed there,
// or an empty one. Errors match ErrCorrupt if what is on disk is damaged; see
// OpenLog.
func Open(cfg Config) (*Store, error) {
	s := newStore(cfg)
	if s.cfg.Dir == "" {
		return s, nil
	}
	if err := s.openLog(); err != nil {
		return nil, err
	}
	return s, nil
}

func newStore(cfg Config) *Store {
	s := &Store{cfg: cfg.withDefaults()}
	s.reset(newTables(), &block{})
	return s
}

// reset makes the store one that keeps a single block, whose state t is.
func (s *Store) reset(t tables, b *block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.blocks {
		old.gone.Store(true)
	}
	s.tables, s.blocks, s.head = t, []*block{b}, b
}

// Head implements chain.StateStore.
func (s *Store) Head() chain.BlockID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head.id
}

// View implements chain.StateStore. The view of a block that the store no longer
// keeps, or that was reverted, fails with ErrUnknown.
func (s *Store) View(id chain.BlockID) (chain.StateView, error) {
	v, err := s.view(id)
	if err != nil {
		return nil, err // not a nil *blockView
	}
	return v, nil
}

func (s *Store) view(id chain.BlockID) (*blockView, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return nil, errClosed
	}
	if b := s.find(id); b != nil {
		return &blockView{s, b}, nil
	}
	return nil, fmt.Errorf("%w: state of block %s", chain.ErrNotFound, id)
}

// find returns the block id, if the store keeps it. Most ask for the newest.
func (s *Store) find(id chain.BlockID) *block {
	for i := s.head.height - s.blocks[0].height; i >= 0; i-- {
		if s.blocks[i].id == id {
			return s.blocks[i]
		}
	}
	return nil
}

// after is the blocks after b, oldest first.
func (s *Store) after(b *block) []*block { return s.blocks[b.height-s.blocks[0].height+1:] }

func (s *Store) headView() *blockView { return &blockView{s, s.head} }

// Stage implements chain.StateStore. Changes that are not canonical match
// ErrCorrupt.
func (s *Store) Stage(ctx context.Context, c *chain.Changes) (chain.Staged, error) {
	return s.stage(ctx, nil, c)
}

// commit makes changes to the state of the newest block the block id.
func (s *Store) commit(id chain.BlockID, c *chain.Changes) error {
	if id == (chain.BlockID{}) || s.find(id) != nil {
		return fmt.Errorf("%w: commit of block %s on block %s", chain.ErrOutOfStep, id, s.head.id)
	}
	b := &block{id: id, layer: newLayer(c)}
	if err := s.logCommit(b); err != nil {
		return err
	}
	s.apply(b)
	s.checkpointIfDue()
	return nil
}

// apply makes b, whose changes fit the newest block, the newest block.
func (s *Store) apply(b *block) {
	s.sequence++
	b.sequence, b.height, b.firstNumber = s.sequence, s.head.height+1, s.next
	for i := range b.layer.Accounts {
		if a := &b.layer.Accounts[i]; a.Cleared {
			if b.cleared == nil {
				b.cleared = make(map[common.Address]uint32)
			}
			b.cleared[a.Address] = s.accounts[a.Address].incarnation
		}
	}

	s.mu.Lock()
	s.blocks = append(s.blocks, b)
	s.applyCodes(&b.layer)
	s.mu.Unlock()
	for accounts := range slices.Chunk(b.layer.Accounts, accountsPerLock) {
		s.mu.Lock()
		for i := range accounts {
			s.tables.apply(&accounts[i], b.sequence)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.head = b
	s.trim()
	s.mu.Unlock()
	s.checkSometimes()
}

// trim lets go of blocks that are older than Config.Retain says. The caller holds
// mu.
func (s *Store) trim() {
	for len(s.blocks) > s.cfg.Retain+1 && s.blocks[0] != s.pinned {
		s.blocks[0].gone.Store(true)
		s.blocks[0] = nil // for the garbage collector
		s.blocks = s.blocks[1:]
		s.release(s.blocks[0])
	}
}

// Revert implements chain.StateStore.
func (s *Store) Revert(ctx context.Context, id chain.BlockID) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	to := s.find(id)
	if to == nil {
		return fmt.Errorf("%w: revert to block %s", chain.ErrNotFound, id)
	}
	if to != s.head {
		if err := s.logRevert(id); err != nil {
			return err
		}
	}
	s.revert(to)
	return nil
}

// revert undoes all blocks after to, and discards all stages.
func (s *Store) revert(to *block) {
	for s.head != to {
		s.undo(s.head)
	}
	closeAll(s.stages)
	s.stages = nil
	s.checkSometimes()
}

// undo takes the newest block back.
func (s *Store) undo(b *block) {
	s.mu.Lock()
	b.gone.Store(true)
	s.head = s.blocks[len(s.blocks)-2]
	s.mu.Unlock()
	for accounts := range slices.Chunk(b.layer.Accounts, accountsPerLock) {
		s.mu.Lock()
		for i := range accounts {
			s.tables.undo(&accounts[i], b)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.undoCodes(&b.layer)
	s.next = b.firstNumber
	s.blocks = s.blocks[:len(s.blocks)-1]
	s.mu.Unlock()
}

// Close implements chain.StateStore. A checkpoint that is under way is given up.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.background.Wait()
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.log == nil {
		return nil
	}
	return s.log.Close()
}

// ready reports why a call cannot begin.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	return ctx.Err()
}

// checkSometimes panics if the store's own rules are broken, in builds that check.
func (s *Store) checkSometimes() {
	if !invariants.Enabled || !invariants.Sometimes(10) {
		return
	}
	if err := s.check(); err != nil {
		panic("state: " + err.Error())
	}
}

func (s *Store) check() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, b := range s.blocks {
		if b.gone.Load() || b.height != s.blocks[0].height+i {
			return fmt.Errorf("block %s, the store's number %d, has height %d and is gone %t", b.id, i, b.height, b.gone.Load())
		}
	}
	if s.head != s.blocks[len(s.blocks)-1] {
		return errors.New("the newest block is not the head")
	}
	return s.tables.check(s.blocks)
}
