package sequencer

import (
	"context"
	"fmt"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/sched"
)

// A layer may confirm what it does not keep. Of a block that nobody can read nothing would
// ever be proven, nor of those after it, and its names could not be changed once they are
// told. So each object is read back before:
//
//	put, log the name; read it until it is what was put; else, put it again
//
// What is not there may come, in a layer whose readers lag behind its writers, so it is
// asked for again for Config.ReadBackTime. Errors that say nothing of the object count as
// well: EigenDA's proxy answers 500 for what it does not have. The time doubles with each
// put of an object, up to readBackTimeMax, so that a layer which gives slowly is met in the
// end, and one of which only the reading is down is not paid for many copies.
//
// Rejected: to read a sample only, since the head stops at the object that was not read; to
// tell the block when the time is over, since nothing can be mended then.
const (
	readWaitMin     = 20 * time.Millisecond // from one try to read to the next
	readWaitMax     = 2 * time.Second
	readBackTimeMax = 10 * time.Minute
	// snapshotPatience is how many times ReadBackTime a snapshot has: it may be as large as
	// the blocks of hours, and nobody waits for it.
	snapshotPatience = 8
)

// putObject puts an object of a block, unless the log says that it is there, and returns
// its name when it was read back.
func (s *Sequencer) putObject(ctx context.Context, b *block, o *da.Object) (chain.BlobID, error) {
	return s.putAndRead(ctx, o, b.knownBlob(o), s.cfg.ReadBackTime, func() (*storedBlob, error) {
		stored, err := s.put(ctx, o, never)
		if err != nil {
			return nil, err
		}
		return stored, s.enter(ctx, entry{kind: recordBlob, number: o.Block.Number, payload: stored.append(nil)})
	})
}

// putAndRead puts an object, unless it is stored, until it was read back, and returns its name.
func (s *Sequencer) putAndRead(ctx context.Context, o *da.Object, stored *storedBlob, patience time.Duration, put func() (*storedBlob, error)) (chain.BlobID, error) {
	defer s.window.found(o)
	for pause := putWaitMin; ; pause = min(2*pause, putWaitMax) {
		if stored == nil {
			var err error
			if stored, err = put(); err != nil {
				return nil, err
			}
		}
		err := s.readBack(ctx, stored, o, patience)
		switch {
		case err == nil:
			return stored.id, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		s.window.lost(o, err)
		s.cfg.Logger.Error("data-availability layer does not give back what it took; it is put again", "object", o.Kind, "block", o.Block, "error", err, "in", pause)
		if err := sched.Sleep(ctx, pause); err != nil {
			return nil, err
		}
		stored, patience = nil, min(2*patience, readBackTimeMax)
	}
}

func never(error) bool { return false }

// knownBlob is where an object of the block is, as the log has it: the newest of its names;
// nil if it has none.
func (b *block) knownBlob(o *da.Object) *storedBlob {
	if len(b.blobs) == 0 { // as always, but after a restart
		return nil
	}
	commitment := o.Commitment()
	for i := len(b.blobs) - 1; i >= 0; i-- {
		if known := &b.blobs[i]; known.kind == o.Kind && known.commitment == commitment {
			return known
		}
	}
	return nil
}

// readBack returns nil when the layer gives an object back as it was put. It tries for as
// long as patience, or until an error says that no later try can go better.
func (s *Sequencer) readBack(ctx context.Context, stored *storedBlob, o *da.Object, patience time.Duration) error {
	if patience < 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	want := da.Want{Kind: o.Kind, Block: o.Block, Commitment: stored.commitment}
	var last error
	for pause := readWaitMin; ; pause = min(2*pause, readWaitMax) {
		_, err := da.Get(ctx, s.cfg.DA, stored.id, want)
		if err == nil || da.Final(err) {
			return err
		}
		if last == nil || !isEnd(err) { // that the time is over says less
			last = err
		}
		if sched.Sleep(ctx, max(pause, min(da.RetryAfter(err), retryAfterMax))) != nil {
			return fmt.Errorf("for %s: %w", patience, last)
		}
	}
}
