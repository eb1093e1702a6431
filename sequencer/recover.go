package sequencer

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/checkpoint"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// Recovery brings the sequencer to where the log ends, in three steps:
//
//  1. the newest snapshot, or genesis;
//  2. blocks that were published: their frames are decoded and applied, their
//     roots checked against their headers;
//  3. blocks after them: their groups are executed again, because what provers
//     need of them (accesses, receipts) was only in memory. Each group must come
//     to the running hash in the log, each mini-block to the frame in the log,
//     byte for byte, each block to the header. The last block stays open; in a
//     newer term it is opened anew, see retitle.
//
// What step 3 makes again is announced again. Followers know repetitions. What steps 1
// and 2 pass over goes to Config.Backfill.
func (s *Sequencer) recover(ctx context.Context) (err error) {
	if s.store = s.cfg.Store; s.store == nil {
		store, err := state.Open(state.Config{Retain: s.cfg.Retain()})
		if err != nil {
			return err
		}
		s.store = store
	}
	if err := vfs.MkdirAllSync(s.cfg.FS, s.cfg.Dir); err != nil {
		return err
	}
	// A snapshot may have its name, but not durably: a process that was killed gave
	// it, and what we are about to show of it must outlive a loss of power.
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		return err
	}
	s.log, err = state.OpenLog(state.LogConfig{
		FS: s.cfg.FS, Dir: filepath.Join(s.cfg.Dir, "log"), Durability: s.cfg.Durability,
		SegmentSize: s.cfg.LogFileBytes, RecordMax: recordMax,
	})
	if err != nil {
		return err
	}
	if cut := s.log.Torn(); cut > 0 {
		s.cfg.Logger.Warn("the log ended in a torn record, which was cut off; nothing of it was acknowledged", "bytes", cut, "last record", s.log.Last())
	}
	head, err := s.loadBase(ctx)
	if err != nil {
		return err
	}
	r := newReplay(s, head)
	if err := s.log.Replay(0, r.scan); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := r.retitle(); err != nil {
		return err
	}
	if err := r.backfillNumbered(ctx); err != nil {
		return err
	}
	// Without fsync a loss of power may have taken from the log what history has.
	newest := head
	if h := r.headers[r.published]; h != nil && h.Number > head.Number {
		newest = h
	}
	if err := s.history.Rewind(newest.Number); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := s.history.Check(newest); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if err := s.log.Replay(0, func(lsn state.LSN, kind byte, payload []byte) error {
		if err := r.apply(ctx, lsn, kind, payload); err != nil {
			return fmt.Errorf("record %d: %w", lsn, err)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return r.end(ctx)
}

// recordMax bounds a record of the log; the largest is a frame that changes much.
const recordMax = 256 << 20

// loadBase loads the newest snapshot, or genesis.
func (s *Sequencer) loadBase(ctx context.Context) (*chain.Header, error) {
	names, err := s.snapshotNames()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return s.loadGenesis(ctx)
	}
	name := filepath.Join(s.cfg.Dir, names[len(names)-1])
	f, err := s.cfg.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	point, err := checkpoint.Read(ctx, io.NewSectionReader(f, 0, size), size, s.store, s.cfg.Committer)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", name, err)
	}
	if err := point.CheckGenesis(s.cfg.Genesis); err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", name, err)
	}
	for i := len(point.Headers) - 1; i >= 0; i-- {
		h := new(chain.Header)
		if err := h.UnmarshalBinary(point.Headers[i]); err != nil {
			return nil, err
		}
		s.ancestors.sealed(h)
	}
	head, err := point.Header()
	if err != nil {
		return nil, err
	}
	if err := checkpoint.SetModel(s.cfg.Diff, point.Model); err != nil {
		return nil, err
	}
	s.frame = point.Frame
	return head, s.loadClaims(point, head)
}

func (s *Sequencer) loadClaims(point *checkpoint.Point, head *chain.Header) error {
	s.collector.proven = point.Proven
	for _, raw := range point.Claims {
		c, err := decodeClaim(raw)
		if err != nil {
			return err
		}
		s.collector.expect(c)
	}
	s.heads.Heads = Heads{
		Preconfirmed: MiniID{Number: head.Number}, RootChecked: head.ID(), Published: head.ID(), Proven: point.Proven,
	}
	return nil
}

func (s *Sequencer) loadGenesis(ctx context.Context) (*chain.Header, error) {
	g := s.cfg.Genesis
	if err := checkpoint.LoadGenesis(ctx, g, s.store, s.cfg.Committer); err != nil {
		return nil, err
	}
	s.ancestors.sealed(g.Header)
	id := g.Header.ID()
	s.frame = id.Hash
	s.collector.proven = id
	s.heads.Heads = Heads{RootChecked: id, Published: id, Proven: id}
	return g.Header, nil
}

// logNow appends a record and waits until it is durable.
func (s *Sequencer) logNow(kind byte, payload []byte) error {
	if _, err := s.log.Append(kind, payload); err != nil {
		return err
	}
	return s.log.Sync()
}

// end makes sure that a block is open.
func (r *replay) end(ctx context.Context) error {
	s := r.s
	if last := r.head.Term(); r.head.Number > 0 && s.cfg.Term < last {
		return fmt.Errorf("%w: Config.Term is %d, block %d is of %d", chain.ErrOutOfStep, s.cfg.Term, r.head.Number, last)
	}
	if err := s.collector.checkClaims(s.heads.Published.Number); err != nil {
		return err
	}
	if err := r.recallPublications(); err != nil {
		return err
	}
	r.fillWindow()
	prior, err := s.store.View(s.store.Head())
	if err != nil {
		return err
	}
	if s.pool == nil {
		s.pool = newPool(s.cfg, prior)
	}
	if s.current == nil || s.current.open == nil {
		if err := s.openNext(ctx, r.head, prior, nil); err != nil {
			return err
		}
	} else if !s.current.room.empty {
		// The pool must know the accounts that were changed since the last
		// mini-block: a view shows them once this one is sealed.
		if err := s.sealMini(ctx); err != nil {
			return err
		}
	}
	s.pool.sealed(s.current.view())
	s.showAtLeast(r.head, prior)
	s.warnOfPrague()
	return nil
}

// warnOfPrague tells the operator, while there is time, that the chain will stop at the
// fork: see openNext.
func (s *Sequencer) warnOfPrague() {
	time := s.cfg.ChainConfig.PragueTime
	if time == nil || *time <= s.current.env.Timestamp {
		return
	}
	if err := genesis.CheckSystemContracts(s.current.view()); err != nil {
		s.cfg.Logger.Warn("the chain stops at Prague unless a contract is deployed before", "time", *time, "error", err)
	}
}

// showAtLeast makes the state after head readable if nothing is yet.
func (s *Sequencer) showAtLeast(head *chain.Header, view chain.StateView) {
	env := (&chain.Block{Header: head}).Env()
	s.readable.CompareAndSwap(nil, &readable{env: env, mini: MiniID{Number: head.Number}, view: view})
}
