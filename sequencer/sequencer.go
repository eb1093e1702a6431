package sequencer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/state"
)

// A Sequencer is the one active sequencer of a chain. Make it with New, which
// recovers, then Run it; the other methods may be called concurrently, while it
// runs and after.
type Sequencer struct {
	cfg  *Config
	log  *state.Log
	pool *pool

	// storeMu orders the calls that stage, commit and revert: the builder stages,
	// the committer commits.
	storeMu sync.Mutex
	store   Store
	history History
	// committerMu orders Begin and Commit: of blocks, proofs and simulations.
	committerMu sync.Mutex

	ancestors *ancestors
	waiting   *semaphore.Weighted // transactions between execution and fsync

	journal   chan entry
	sealing   chan *block // closed blocks on their way to a root; the bound is the back-pressure
	unrooted  atomic.Int64
	window    window        // of blocks that are not published
	kept      kept          // of blocks that are not proven
	publishes chan *block   // of these, those that nobody is putting yet
	tellAgain [][]byte      // publications that an earlier run has logged
	journaled chan struct{} // closed when the journal has ended
	settled   chan struct{} // closed when Run has ended
	draining  chan struct{} // closed by Drain
	drainOnce sync.Once
	drained   chan struct{} // closed when the builder has ended the last block

	current  *block // the open block; only the builder touches it
	closed   *block // the newest that is closed and was not published before; the builder's until drained
	frame    common.Hash
	readable atomic.Pointer[readable]
	// sealedState is set before anybody hears of the header.
	sealedState atomic.Pointer[sealedState]
	env         atomic.Pointer[chain.Env] // of the open block
	collector   *collector
	refusals    refusals
	attesting   sync.Mutex // orders what attestations move and its entries

	heads       headsHolder
	stats       counters
	snapshots   snapshots
	snapshotDue chan *block // after which one is to be taken
}

// Heads are how far the chain is, and how sure.
type Heads struct {
	Preconfirmed MiniID        // newest mini-block that is logged
	RootChecked  chain.BlockID // newest sealed block
	Published    chain.BlockID // newest block in the data-availability layer
	Proven       chain.BlockID // newest block that is proven, with all before it
}

// A MiniID names a mini-block.
type MiniID struct {
	Number uint64
	Index  uint32
}

type headsHolder struct {
	mu sync.Mutex
	Heads
}

func (h *headsHolder) update(f func(*Heads)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.Heads)
}

// Heads returns the heads.
func (s *Sequencer) Heads() Heads {
	s.heads.mu.Lock()
	defer s.heads.mu.Unlock()
	return s.heads.Heads
}

// Header returns the header of a sealed block: one of the newest few hundred, or
// ErrNotFound.
func (s *Sequencer) Header(number uint64) (*chain.Header, error) {
	return s.ancestors.header(number)
}

// New opens the log in cfg.Dir and recovers what it holds, up to the last
// acknowledged transaction: a block that was open is open again. It starts
// nothing; Run does.
func New(ctx context.Context, cfg Config) (*Sequencer, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sequencer{
		cfg:       c,
		history:   c.History,
		ancestors: newAncestors(),
		waiting:   semaphore.NewWeighted(int64(c.GroupTxs)),
		journal:   make(chan entry, 1024),
		sealing:   make(chan *block, 1),
		journaled: make(chan struct{}),
		settled:   make(chan struct{}),
		draining:  make(chan struct{}),
		drained:   make(chan struct{}),

		snapshotDue: make(chan *block, 1),
	}
	if s.history == nil {
		s.history = noHistory{}
	}
	s.collector = newCollector(c)
	s.kept = kept{fs: c.FS, dir: filepath.Join(c.Dir, "objects")}
	if len(c.Provers) > 0 {
		s.kept.max = max(0, c.UnprovenBytes)
	}
	s.refusals = refusals{log: c.Logger, now: c.Now, kinds: make(map[refusal]*refused)}
	if err := s.recover(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("sequencer: recovery: %w", err)
	}
	if err := s.kept.open(s.heads.Proven.Number); err != nil {
		s.Close()
		return nil, fmt.Errorf("sequencer: recovery: %w", err)
	}
	return s, nil
}

// Run works until ctx ends, and returns nil then: what was acknowledged is in the
// log, what was not is answered with ErrClosed. Another error means that it could
// not go on. Run is called once.
func (s *Sequencer) Run(ctx context.Context) error {
	defer close(s.settled)
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"builder", s.build},
		{"journal", s.keepJournal},
		{"committer", s.commit},
		{"publisher", s.publish},
		{"snapshots", s.keepSnapshots},
		{"collector", s.collect},
	} {
		g.Go(func() error {
			err := part.run(ctx)
			// A deadline of somebody else's, such as a publisher's own, is a failure:
			// the other parts must not go on without this one.
			if err == nil || errors.Is(err, errNoJournal) || ctx.Err() != nil && isEnd(err) {
				return nil
			}
			return fmt.Errorf("sequencer: %s: %w", part.name, err)
		})
	}
	err := g.Wait()
	s.pool.expire(fmt.Errorf("sequencer stopped: %w", chain.ErrClosed))
	return err
}

// Close releases the log and the directory. Run must have ended or never begun.
func (s *Sequencer) Close() error {
	var errs []error
	if s.current != nil && s.current.open != nil {
		s.current.open.Discard()
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

func isEnd(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func isBlockFull(err error) bool { return errors.Is(err, chain.ErrBlockFull) }

// Submit admits a raw transaction, waits until it is acknowledged, and returns its
// receipt: from then on the transaction cannot be lost. Errors match ErrInvalidTx
// (Ethereum's wording says why), ErrBusy, ErrTooLarge or ErrClosed. When ctx ends
// first the transaction may still be executed. raw is not kept.
func (s *Sequencer) Submit(ctx context.Context, raw []byte) (*chain.Receipt, error) {
	tx, err := s.admit(raw)
	if err != nil {
		s.stats.refused.Add(1)
		return nil, err
	}
	sched.Rest(ctx)
	select {
	case o := <-tx.executed:
		if o.err != nil {
			s.stats.refused.Add(1)
		}
		return o.receipt, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.settled:
		// The pool has answered all that it held; what was executing is lost to
		// the caller, unless its answer came first.
		select {
		case o := <-tx.executed:
			return o.receipt, o.err
		default:
			return nil, fmt.Errorf("sequencer stopped: %w", chain.ErrClosed)
		}
	}
}

// Send admits a raw transaction and does not wait: eth_sendRawTransaction.
func (s *Sequencer) Send(raw []byte) (common.Hash, error) {
	tx, err := s.admit(raw)
	if err != nil {
		s.stats.refused.Add(1)
		return common.Hash{}, err
	}
	return tx.tx.Hash(), nil
}

// admit is step 1: everything that can be known before execution.
func (s *Sequencer) admit(raw []byte) (*pending, error) {
	select {
	case <-s.settled:
		return nil, fmt.Errorf("sequencer stopped: %w", chain.ErrClosed)
	case <-s.draining:
		return nil, fmt.Errorf("sequencer stops: %w", chain.ErrClosed)
	default:
	}
	if len(raw) > s.cfg.TxBytes {
		return nil, fmt.Errorf("%w: oversized data: transaction size %d, limit %d", chain.ErrTooLarge, len(raw), s.cfg.TxBytes)
	}
	if err := s.lagging(); err != nil {
		return nil, err
	}
	var (
		tx  = chain.NewTx(append([]byte(nil), raw...))
		env = s.env.Load()
	)
	if err := s.cfg.Executor.CheckTx(tx, env); err != nil {
		return nil, err
	}
	sender, err := s.cfg.Executor.Sender(tx, env)
	if err != nil {
		return nil, err
	}
	p, err := newPending(tx, sender, env.BaseFee)
	if err != nil {
		return nil, err
	}
	p.expires = s.cfg.Now().Add(s.cfg.PoolLifetime)
	return p, s.pool.add(p)
}

// lagging refuses while something behind the head is too far behind.
func (s *Sequencer) lagging() error {
	if n := s.window.len(); n >= s.cfg.UnpublishedBlocks {
		return fmt.Errorf("%w: %d blocks wait for the data-availability layer", chain.ErrBusy, n)
	}
	if s.unprovenTooMany() {
		return fmt.Errorf("%w: %d blocks wait for provers", chain.ErrBusy, s.cfg.UnprovenBlocks)
	}
	most := int64(s.cfg.TimestampAhead / time.Second)
	if ahead := int64(s.env.Load().Timestamp) - s.cfg.Now().Unix(); most > 0 && ahead > most {
		return fmt.Errorf("%w: blocks are full, and %d s ahead of the clock", chain.ErrBusy, ahead)
	}
	return nil
}

func (s *Sequencer) unprovenTooMany() bool {
	n, _ := s.collector.counts()
	return n >= s.cfg.UnprovenBlocks
}

// unsettledBlocks is how many blocks can follow the one that filled the window of the
// publisher: closed, in the committer, open.
const unsettledBlocks = 4

func newPending(tx *chain.Tx, sender common.Address, baseFee *uint256.Int) (*pending, error) {
	bid, err := execution.BidOf(tx)
	if err != nil {
		return nil, err
	}
	return &pending{
		tx: tx, sender: sender, nonce: bid.Nonce, gas: bid.Gas,
		cost: bid.Cost, tip: tipAt(&bid, baseFee),
		executed: make(chan outcome, 1),
	}, nil
}

// Stats is what the sequencer counted since New, and how full its queues are. Each
// queue comes with its bound.
type Stats struct {
	Transactions, Refused           uint64
	MiniBlocks, Blocks              uint64
	DiffBytes, WitnessBytes         uint64 // encoded; the diffs are those of mini-blocks
	WitnessTxs                      uint64 // transactions of the blocks that WitnessBytes counts
	Pool, PoolMax                   int
	Journal, JournalMax             int
	Unrooted, UnrootedMax           int
	Unpublished, UnpublishedMax     int
	Unproven, UnprovenMax           int
	UnprovenBytes, UnprovenBytesMax int           // payloads of blocks that are not proven, kept on disk
	OldestUnproven                  time.Duration // since the block after the proven head could be proven, with no other before it; 0 if none can
	Evidence                        int           // attestations that contradict our blocks, kept or not
	Publishing                      int           // blocks of Unpublished of which something is being put
	OldestUnpublished               time.Duration // since the oldest of Unpublished was sealed; 0 if there is none
	PutErrors                       PutErrors
	Lost                            uint64 // objects that the layer took and did not give back; they were put again
	Missing                         string // the oldest block's that is lost and not there yet, and why; empty if none is
	Untold                          uint64 // messages that Config.Publisher was too busy to take
	Groups                          uint64
	SyncTime                        time.Duration // spent in fsync
	RootTime, WitnessTime           time.Duration
}

type counters struct {
	txs, refused, minis, blocks, diffBytes, witnessBytes, witnessTxs, groups, untold atomic.Uint64
	syncTime, rootTime, witnessTime                                                  atomic.Int64
}

// Stats returns the counters.
func (s *Sequencer) Stats() Stats {
	c := &s.stats
	unproven, evidence := s.collector.counts()
	out := Stats{
		Transactions: c.txs.Load(), Refused: c.refused.Load(),
		MiniBlocks: c.minis.Load(), Blocks: c.blocks.Load(),
		DiffBytes: c.diffBytes.Load(), WitnessBytes: c.witnessBytes.Load(), WitnessTxs: c.witnessTxs.Load(),
		Pool: s.pool.len(), PoolMax: s.cfg.PoolTxs,
		Journal: len(s.journal), JournalMax: cap(s.journal),
		Unrooted: int(s.unrooted.Load()), UnrootedMax: cap(s.sealing) + 1,
		UnpublishedMax: s.cfg.UnpublishedBlocks, Untold: c.untold.Load(),
		Unproven: unproven, UnprovenMax: s.cfg.UnprovenBlocks, Evidence: evidence,
		OldestUnproven: s.collector.waits(),
		Groups:         c.groups.Load(),
		SyncTime:       time.Duration(c.syncTime.Load()),
		RootTime:       time.Duration(c.rootTime.Load()), WitnessTime: time.Duration(c.witnessTime.Load()),
	}
	s.window.report(s.cfg.Now(), &out)
	s.kept.report(&out)
	return out
}
