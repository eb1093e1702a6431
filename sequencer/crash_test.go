package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// crashPoints is the number of seeded points at which TestPowerLoss cuts the power.
// VIVACE_CRASH_POINTS changes it.
func crashPoints(t *testing.T) int {
	if v := os.Getenv("VIVACE_CRASH_POINTS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 50
	}
	return 1000
}

// Power is cut at a thousand points of a sequencer's life, and in a third of them
// again while the next one recovers, on a file system that loses every byte and
// every directory entry that was not synced and tears the last sector. Nothing
// acknowledged is lost, and what was announced stays.
func TestPowerLoss(t *testing.T) {
	points := crashPoints(t)
	c := newCrasher(t)
	for seed := range points {
		if err := c.run(uint64(seed)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d lives from %d seeds, of about %d operations; cut in an operation %d, in recovery %d; "+
		"%d transactions in %d groups, %d acknowledged, %d blocks sealed, %d told to be published, nothing lost",
		c.lives, points, c.ops, c.cut, c.cutInRecovery, c.transactions, c.groups, c.acknowledged, c.sealed, c.publications)
	if points < 50 {
		return // what follows does not happen to every seed
	}
	require.NotZero(t, c.acknowledged)
	require.NotZero(t, c.sealed)
	require.NotZero(t, c.publications)
	require.NotZero(t, c.cut)
	require.NotZero(t, c.cutInRecovery)
	require.NotZero(t, c.shared, "lives in which transactions shared a commit group")
}

// The same test must notice when an fsync is missing: all of them or some, because
// the disk lies about them or the sequencer does not ask for them.
//
// There is one fsync that it cannot miss, the one after the records that recovery
// itself writes (headers and claims of blocks whose last frame was the end of the
// log). They follow from what is before them in the log, which is durable, so a
// second recovery makes the same again; and whatever relies on them comes later in
// the log, where its own fsync covers them too.
func TestPowerLossWithoutFsyncIsNoticed(t *testing.T) {
	for name, mutate := range map[string]func(*crasher){
		"disk lies about the log": func(c *crasher) { c.skipSync = func(int64) bool { return true } },
		"disk lies every second":  func(c *crasher) { c.skipSync = func(n int64) bool { return n%2 == 0 } },
		"disk lies after a while": func(c *crasher) { c.skipSync = func(n int64) bool { return n > 20 } },
		"disk keeps nothing":      func(c *crasher) { c.ignoreSync = true },
		"sequencer does not ask":  func(c *crasher) { c.durability = state.DurabilityNone },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrasher(t)
			mutate(c)
			for seed := range 200 {
				if err := c.run(uint64(seed)); err != nil {
					t.Logf("seed %d: %v", seed, err)
					require.ErrorIs(t, err, errLost)
					return
				}
			}
			t.Fatal("200 crashes without fsyncs, and no loss was seen")
		})
	}
}

// errLost is also the error of a recovery that refuses what a crash left.
var errLost = errors.New("an acknowledged transaction or an announced block is lost")

const (
	crashLanes   = 6 // submit at the same time, so that commit groups have several transactions
	crashLaneTxs = 16
)

// A crasher runs sequencers on file systems that crash. Each seed has a directory
// and links of its own.
type crasher struct {
	*world
	lanes [][]datagen.Tx
	ops   int // of a life that nothing disturbs
	said  *wire

	logFileBytes int64

	// Mutations.
	ignoreSync bool
	skipSync   func(n int64) bool
	durability state.Durability

	// What happened.
	lives, shared, cut, cutInRecovery          int
	transactions, groups, acknowledged, sealed int
	publications                               int
}

func newCrasher(t *testing.T) *crasher {
	c := &crasher{world: newWorld(t, 2*crashLanes)}
	for _, lane := range c.load.Lanes(crashLanes) {
		c.lanes = append(c.lanes, lane.Batch(crashLaneTxs))
	}
	for range 3 { // the first is slow, and times decide how many blocks there are
		fs := vfs.NewCrash(0)
		c.bus = link.NewBus(1 << 30)
		require.NoError(t, c.live(fs, newTold()))
		if c.ops == 0 || fs.Ops() < c.ops {
			c.ops = fs.Ops()
		}
	}
	return &crasher{world: c.world, lanes: c.lanes, ops: c.ops}
}

// run lets a sequencer live until its power is cut; for a third of the seeds the
// next one too, whose power is cut while it recovers; and compares what the last
// one finds with what the world was told.
func (c *crasher) run(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	c.bus, c.said = link.NewBus(1<<30), new(wire)
	c.logFileBytes = int64(seed%3) * 4 << 10 // so small that snapshots cut the log; or the default
	if seed%8 == 0 {                         // else nothing is ever proven
		defer running(c.prover().Run)()
	}
	told := newTold()
	fs := vfs.NewCrash(seed)
	if c.ignoreSync {
		fs.IgnoreSync()
	}
	at := 1 + rng.IntN(c.ops)
	fs.CrashAt(at)
	if err := c.live(fs, told); err != nil {
		return err
	}
	if fs.Ops() == at {
		c.cut++
	}
	loss := []vfs.Loss{vfs.LoseUnsynced, vfs.LoseSome}[seed%2]
	if rng.IntN(3) == 0 {
		// What only the end of the process spared is not durable yet: recovery must
		// not tell of it before it is.
		first := []vfs.Loss{vfs.LoseUnsynced, vfs.LoseSome, vfs.LoseNothing}[rng.IntN(3)]
		var err error
		if fs, err = c.recoverAndCrash(fs.Crash(first), rng, told); err != nil {
			return err
		}
	}
	if err := c.compare(fs.Crash(loss), told); err != nil {
		return err
	}
	if err := c.said.hear(c.bus); err != nil {
		return err
	}
	c.publications += len(c.said.said)
	for _, n := range told.acknowledged {
		c.acknowledged += n
	}
	c.sealed += len(told.headers)
	return nil
}

// recoverAndCrash cuts the power at one of the operations that recovery needs, or
// at the one after, and returns what is left.
func (c *crasher) recoverAndCrash(fs *vfs.CrashFS, rng *rand.Rand, told *told) (*vfs.CrashFS, error) {
	// A twin of the disk tells how many they are. Nobody hears of what it does.
	twin, bus := fs.Crash(vfs.LoseNothing), c.bus
	c.bus = link.NewBus(1 << 30)
	s, err := c.open(twin)
	c.bus = bus
	if err != nil {
		return nil, err
	}
	needed := twin.Ops()
	twin.Crash(vfs.LoseNothing)
	s.Close() // fails, as the disk is gone

	fs = fs.Crash(vfs.LoseNothing)
	if c.ignoreSync {
		fs.IgnoreSync()
	}
	at := 1 + rng.IntN(needed+1)
	fs.CrashAt(at)
	if err := c.live(fs, told); err != nil {
		return nil, err
	}
	if at <= needed {
		c.cutInRecovery++
	}
	return fs, nil
}

// open starts a sequencer, which recovers what is on fs. Its error is errLost,
// unless fs crashes meanwhile.
func (c *crasher) open(fs *vfs.CrashFS) (*sequencer.Sequencer, error) {
	cfg := c.config()
	cfg.FS, cfg.Dir, cfg.Durability = fs, "/data", c.durability
	if c.skipSync != nil {
		cfg.FS = &lyingFS{FS: fs, skip: c.skipSync}
	}
	cfg.MiniBlockInterval, cfg.BlockInterval = 200*time.Microsecond, 2*time.Millisecond
	cfg.SnapshotBlocks, cfg.LogFileBytes = 2, c.logFileBytes
	// Nobody's predecessor is ever missing, unless it was lost.
	cfg.PoolLifetime = 20 * time.Millisecond
	s, err := sequencer.New(context.Background(), cfg)
	if err != nil && !errors.Is(err, vfs.ErrCrashed) {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	return s, err
}

// live runs a sequencer until its file system crashes, or all is acknowledged and
// the power is cut then.
func (c *crasher) live(fs *vfs.CrashFS, told *told) error {
	c.lives++
	s, err := c.open(fs)
	if errors.Is(err, vfs.ErrCrashed) {
		return told.hear(c.bus)
	}
	if err != nil {
		return err
	}
	defer s.Close() // fails, as the disk is gone
	stop := running(s.Run)
	lost := c.submit(s, told, crashLaneTxs)
	fs.Crash(vfs.LoseNothing) // before stop, which would sync
	if err := stop(); err != nil && !errors.Is(err, vfs.ErrCrashed) {
		return err
	}
	stats := s.Stats()
	c.transactions, c.groups = c.transactions+int(stats.Transactions), c.groups+int(stats.Groups)
	if stats.Transactions > stats.Groups {
		c.shared++
	}
	told.see(s.Heads())
	return errors.Join(lost, told.hear(c.bus))
}

// submit sends at most n more transactions of each lane, all lanes at once, until
// the sequencer stops.
func (c *crasher) submit(s *sequencer.Sequencer, told *told, n int) error {
	var lanes errgroup.Group
	for i, txs := range c.lanes {
		acknowledged, submitted := &told.acknowledged[i], &told.submitted[i]
		lanes.Go(func() error {
			for range min(n, len(txs)-*acknowledged) {
				again := *acknowledged < *submitted
				*submitted = *acknowledged + 1
				_, err := s.Submit(context.Background(), txs[*acknowledged].Raw)
				switch {
				case errors.Is(err, chain.ErrClosed):
					return nil
				case err != nil && !(again && isKnown(err)): // logged, although nobody was told
					return fmt.Errorf("%w: the chain does not go on after %d of lane %d: %w", errLost, *acknowledged, i, err)
				}
				*acknowledged++
			}
			return nil
		})
	}
	return lanes.Wait()
}

func isKnown(err error) bool {
	return errors.Is(err, chain.ErrInvalidTx) && strings.Contains(err.Error(), "nonce too low")
}

// compare starts the last sequencer and checks that everything that was told is
// there, and that the chain goes on.
func (c *crasher) compare(fs *vfs.CrashFS, told *told) error {
	c.lives++
	s, err := c.open(fs)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := told.compareBlocks(s); err != nil {
		return err
	}
	if err := told.compareFeed(s, c.bus); err != nil {
		return err
	}
	stop := running(s.Run)
	defer stop()
	if err := c.compareNonces(s, told); err != nil {
		return err
	}
	return c.submit(s, told, 1)
}

// compareNonces checks that the sequencer has executed what was acknowledged, and
// shows it.
func (c *crasher) compareNonces(s *sequencer.Sequencer, told *told) error {
	last := make(map[common.Address]datagen.Tx)
	for i, txs := range c.lanes {
		for _, tx := range txs[:told.acknowledged[i]] {
			last[tx.From] = tx
		}
	}
	deadline := time.Now().Add(30 * time.Second) // on a busy machine, with the race detector
	for addr, tx := range last {
		if _, err := s.Submit(context.Background(), tx.Raw); err == nil || !isKnown(err) {
			return fmt.Errorf("%w: nonce %d of %s was acknowledged, and is not known: %v", errLost, tx.Nonce, addr, err)
		}
		for c.nonce(s, addr) <= tx.Nonce {
			// What is in the open mini-block is shown when that is logged.
			if time.Now().After(deadline) {
				return fmt.Errorf("%w: nonce of %s is %d, %d were acknowledged", errLost, addr, c.nonce(s, addr), tx.Nonce+1)
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	return nil
}

// told is what the world knows from the sequencers of one seed.
type told struct {
	acknowledged []int // by lane
	submitted    []int // at most one more
	headers      map[uint64]chain.BlockID
	frames       map[sequencer.MiniID]common.Hash
	heads        sequencer.Heads
	next         uint64 // message in the feed
}

func newTold() *told {
	return &told{
		acknowledged: make([]int, crashLanes), submitted: make([]int, crashLanes),
		headers: make(map[uint64]chain.BlockID), frames: make(map[sequencer.MiniID]common.Hash),
	}
}

// see takes the heads of a sequencer that came to its end. They never fall.
func (t *told) see(h sequencer.Heads) {
	t.heads = h
	for _, id := range []chain.BlockID{h.RootChecked, h.Published, h.Proven} {
		t.headers[id.Number] = id
	}
}

// hear takes what is new in the feed. What was there before may come again, but not
// otherwise.
func (t *told) hear(bus *link.Bus) error {
	ctx := context.Background()
	last, _, err := bus.Latest(ctx, link.TopicFeed)
	if errors.Is(err, chain.ErrNotFound) {
		return nil
	}
	next, err := bus.Subscribe(ctx, link.TopicFeed, t.next)
	if err != nil {
		return err
	}
	for t.next <= last {
		seq, msg, err := next(ctx)
		if err != nil {
			return err
		}
		if err := t.message(msg); err != nil {
			return fmt.Errorf("message %d of the feed: %w", seq, err)
		}
		t.next = seq + 1
	}
	return nil
}

func (t *told) message(msg []byte) error {
	kind, body, err := link.ParseFeed(msg)
	if err != nil {
		return err
	}
	if kind == link.FeedHeader {
		var sealed chain.Sealed
		if err := sealed.UnmarshalBinary(body); err != nil {
			return err
		}
		return remember(t.headers, sealed.Header.Number, sealed.Header.ID())
	}
	f := new(chain.Frame)
	if err := f.UnmarshalBinary(body); err != nil {
		return err
	}
	return remember(t.frames, sequencer.MiniID{Number: f.Number, Index: f.Index}, chain.Keccak256(body))
}

func remember[K, V comparable](known map[K]V, key K, value V) error {
	if before, ok := known[key]; ok && before != value {
		return fmt.Errorf("%w: %v was %v and is %v", errLost, key, before, value)
	}
	known[key] = value
	return nil
}

// compareBlocks checks that a sequencer that has recovered has every block that
// was told, and is as sure of it.
func (t *told) compareBlocks(s *sequencer.Sequencer) error {
	for number, id := range t.headers {
		h, err := s.Header(number)
		if err != nil {
			return fmt.Errorf("%w: block %d: %w", errLost, number, err)
		}
		if h.ID() != id {
			return fmt.Errorf("%w: block %d was %s and is %s", errLost, number, id, h.ID())
		}
	}
	h := s.Heads()
	if h.RootChecked.Number < t.heads.RootChecked.Number ||
		h.Published.Number < t.heads.Published.Number || h.Proven.Number < t.heads.Proven.Number {
		return fmt.Errorf("%w: heads were %+v and are %+v", errLost, t.heads, h)
	}
	return nil
}

// compareFeed checks that a sequencer that has recovered has repeated the frames of
// the blocks that are not published.
func (t *told) compareFeed(s *sequencer.Sequencer, bus *link.Bus) error {
	again := newTold()
	again.next = t.next
	if err := again.hear(bus); err != nil {
		return err
	}
	for id, frame := range t.frames {
		if id.Number > s.Heads().Published.Number && again.frames[id] != frame {
			return fmt.Errorf("%w: frame %v was %s and is %s", errLost, id, frame, again.frames[id])
		}
	}
	return nil
}

// A lyingFS is a file system that skips some calls of Sync for the files of the log,
// numbered from 1. It keeps snapshots safe: a lost one would be noticed for itself.
type lyingFS struct {
	vfs.FS
	skip  func(n int64) bool
	syncs atomic.Int64
}

func (l *lyingFS) Create(name string) (vfs.File, error) {
	f, err := l.FS.Create(name)
	return l.file(name, f, err)
}

func (l *lyingFS) OpenReadWrite(name string) (vfs.File, error) {
	f, err := l.FS.OpenReadWrite(name)
	return l.file(name, f, err)
}

func (l *lyingFS) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || filepath.Base(filepath.Dir(name)) != "log" {
		return f, err
	}
	return &lyingFile{f, l}, nil
}

type lyingFile struct {
	vfs.File
	fs *lyingFS
}

func (f *lyingFile) Sync() error {
	if f.fs.skip(f.fs.syncs.Add(1)) {
		_, err := f.Size() // without power nobody can lie
		return err
	}
	return f.File.Sync()
}
