package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/invariants"
	"github.com/vivace-chain/vivace/internal/vfs"
)

// crashRuns is the number of seeded points at which each test of this file
// crashes; fewer where each is slow.
func crashRuns() uint64 {
	if invariants.Enabled {
		return 200
	}
	return 1000
}

// A crashRun is one life of a log or store on a file system that crashes.
type crashRun struct {
	seed uint64
	loss vfs.Loss
	// Mutations: a file system that does not sync files, or names.
	lies, dirLies bool
}

func (r crashRun) fs() *vfs.CrashFS {
	fsys := vfs.NewCrash(r.seed)
	if r.lies {
		fsys.IgnoreSync()
	}
	return fsys
}

// through is the file system as the program sees it.
func (r crashRun) through(fsys vfs.FS) vfs.FS {
	if r.dirLies {
		return noSyncDir{fsys}
	}
	return fsys
}

type noSyncDir struct{ vfs.FS }

func (noSyncDir) SyncDir(string) error { return nil }

// survives runs f at all seeds. It is the property: nothing that was promised is
// lost.
func survives(t *testing.T, f func(crashRun) error) {
	for name, loss := range map[string]vfs.Loss{"unsynced": vfs.LoseUnsynced, "some": vfs.LoseSome, "nothing": vfs.LoseNothing} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range crashRuns() {
				if err := f(crashRun{seed: seed, loss: loss}); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// notices asserts that the property fails when the file system does not keep its
// promises: a test of durability that passes without fsync tests nothing.
func notices(t *testing.T, f func(crashRun) error) {
	const runs = 100
	for name, run := range map[string]crashRun{"fsync": {lies: true}, "directory fsync": {dirLies: true}} {
		t.Run("without "+name, func(t *testing.T) {
			t.Parallel()
			lost := 0
			for seed := range uint64(runs) {
				run.seed, run.loss = seed, vfs.LoseUnsynced
				if f(run) != nil {
					lost++
				}
			}
			require.Greater(t, lost, runs/3, "runs in which the loss was noticed")
		})
	}
}

func TestLogCrash(t *testing.T)        { survives(t, crashLog) }
func TestLogCrashNoticed(t *testing.T) { notices(t, crashLog) }

// crashLog appends, syncs, truncates and prunes until the file system crashes, and
// compares what is left with what was promised.
func crashLog(run crashRun) error {
	var (
		rng  = rand.New(rand.NewPCG(run.seed, 1))
		fsys = run.fs()
		m    logModel
	)
	fsys.CrashAt(1 + rng.IntN(250))
	for !m.crashed {
		l, err := tryOpenLog(run.through(fsys))
		if err != nil {
			if !errors.Is(err, vfs.ErrCrashed) {
				return err
			}
			break
		}
		if err := m.compare(l); err != nil {
			return err
		}
		m.run(l, rng)
		l.Close()
	}
	fsys = fsys.Crash(run.loss)
	for i := range 3 { // what was recovered once stays, whatever happens next
		l, err := tryOpenLog(fsys)
		if err != nil {
			return err
		}
		if err := m.compare(l); err != nil {
			return err
		}
		m.settle(l)
		if i == 0 {
			fsys = fsys.Crash(vfs.LoseUnsynced)
			continue
		}
		if _, err := l.Append(3, []byte("after")); err != nil {
			return err
		}
		m.records = append(m.records, record{l.Last(), 3, "after"})
		if err := l.Sync(); err != nil {
			return err
		}
		m.durable = l.Last()
		fsys = fsys.Crash(vfs.LoseUnsynced)
	}
	return nil
}

// A logModel is what a log may and must hold.
type logModel struct {
	records  []record // appended
	durable  LSN      // at least up to here
	shortest LSN      // while a TruncateAfter is under way: it may have reached this
	pruned   LSN      // records before it may be gone
	crashed  bool
}

func (m *logModel) run(l *Log, rng *rand.Rand) {
	steps := rng.IntN(60)
	for range steps {
		var err error
		switch dice := rng.IntN(20); {
		case dice < 14:
			payload := bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(600))
			// The record may be there even when Append failed.
			m.records = append(m.records, record{l.Last() + 1, byte(1 + rng.IntN(9)), string(payload)})
			_, err = l.Append(m.records[len(m.records)-1].kind, payload)
		case dice < 18:
			last := l.Last()
			if err = l.Sync(); err == nil {
				m.durable = max(m.durable, last)
			}
		case dice == 18 && l.Last() > l.First():
			to := l.Last() - LSN(rng.IntN(min(8, int(l.Last()-l.First()))))
			m.shortest = to
			m.durable = min(m.durable, to)
			if err = l.TruncateAfter(to); err == nil {
				m.durable = to
				m.settle(l)
			}
		case dice == 19:
			before := min(m.durable, l.First()+LSN(rng.IntN(10)))
			m.pruned = max(m.pruned, before)
			err = l.Prune(before)
		}
		if err != nil {
			m.crashed = true
			return
		}
	}
}

// settle makes what the log holds what it must hold: it was opened, or cut.
func (m *logModel) settle(l *Log) {
	for len(m.records) > 0 && m.records[len(m.records)-1].lsn > l.Last() {
		m.records = m.records[:len(m.records)-1]
	}
	m.durable, m.shortest = l.Last(), 0
}

func (m *logModel) compare(l *Log) error {
	var got []record
	if err := l.Replay(0, func(lsn LSN, kind byte, payload []byte) error {
		got = append(got, record{lsn, kind, string(payload)})
		return nil
	}); err != nil {
		return err
	}
	if l.Last() < m.durable {
		return fmt.Errorf("the log ends at record %d, but %d was synced", l.Last(), m.durable)
	}
	if m.pruned > 0 && l.First() > m.pruned || m.pruned == 0 && l.First() > 1 {
		return fmt.Errorf("the log begins with record %d, but only those before %d may be gone", l.First(), m.pruned)
	}
	want := m.records
	for len(want) > 0 && want[0].lsn < l.First() {
		want = want[1:]
	}
	for len(want) > 0 && want[len(want)-1].lsn > l.Last() {
		want = want[:len(want)-1]
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("record %d differs", want[i].lsn)
		}
	}
	return nil
}

func TestStoreCrash(t *testing.T)        { survives(t, crashStore) }
func TestStoreCrashNoticed(t *testing.T) { notices(t, crashStore) }

// crashStore commits, reverts and checkpoints until the file system crashes, and
// compares what is left with what was promised: every block whose Commit returned,
// whole, and none half.
func crashStore(run crashRun) error {
	var (
		rng  = rand.New(rand.NewPCG(run.seed, 2))
		fsys = run.fs()
		life = newStoreLife(rng)
	)
	fsys.CrashAt(1 + rng.IntN(200))
	for !life.crashed {
		s, err := life.open(run.through(fsys))
		if err != nil {
			if !errors.Is(err, vfs.ErrCrashed) {
				return err
			}
			break
		}
		if err := life.compare(s); err != nil {
			return err
		}
		life.run(s, 1+rng.IntN(30))
		s.Close()
	}
	fsys = fsys.Crash(run.loss)
	for i := range 3 {
		s, err := life.open(fsys)
		if err != nil {
			return err
		}
		if err := life.compare(s); err != nil {
			return err
		}
		life.run(s, 3*i)
		if life.crashed {
			return errors.New("the recovered store fails")
		}
		fsys = fsys.Crash(vfs.LoseUnsynced)
	}
	return nil
}

// A storeLife drives a store, and knows what it must hold after a crash.
type storeLife struct {
	rng     *rand.Rand
	blocks  []lifeBlock // that were promised, oldest first; the first is the empty state
	next    []lifeBlock // the same after the commit or revert that is under way; nil for none
	commits uint64
	crashed bool
}

type lifeBlock struct {
	id    chain.BlockID
	state map[common.Address]*lifeAccount
}

// A lifeAccount has a balance and slots from 0 on.
type lifeAccount struct {
	chain.Account
	slots [4]uint64
}

func newStoreLife(rng *rand.Rand) *storeLife {
	return &storeLife{rng: rng, blocks: []lifeBlock{{}}}
}

const lifeRetain = 4

func (l *storeLife) open(fsys vfs.FS) (*Store, error) {
	l.crashed = false
	return Open(Config{FS: fsys, Dir: "data/state", Retain: lifeRetain, SegmentSize: 2 << 10, CheckpointSize: -1})
}

func (l *storeLife) head() lifeBlock { return l.blocks[len(l.blocks)-1] }

// run does random things. It stops when one fails, and remembers what that one
// wanted.
func (l *storeLife) run(s *Store, steps int) {
	ctx := context.Background()
	for range steps {
		var err error
		switch dice := l.rng.IntN(10); {
		case dice < 7:
			err = l.commit(ctx, s)
		case dice < 8 && len(l.blocks) > lifeRetain+2:
			l.next = l.blocks[:len(l.blocks)-1]
			err = s.Revert(ctx, l.next[len(l.next)-1].id)
		case dice < 9:
			l.next = l.blocks
			err = s.Checkpoint(ctx)
		}
		if err != nil {
			l.crashed = true
			return
		}
		if l.next != nil {
			l.blocks, l.next = l.next, nil
		}
	}
}

func (l *storeLife) commit(ctx context.Context, s *Store) error {
	var (
		to     = chain.BlockID{Number: l.head().id.Number + 1}
		state  = l.head().state
		staged chain.Staged
		stage  = s.Stage
	)
	l.commits++
	to.Hash = uint256.NewInt(l.commits).Bytes32()
	for range 1 + l.rng.IntN(3) {
		var (
			c   *chain.Changes
			err error
		)
		c, state = l.changes(state)
		if staged, err = stage(ctx, c); err != nil {
			return err
		}
		stage = staged.Stage
	}
	l.next = append(l.blocks[:len(l.blocks):len(l.blocks)], lifeBlock{to, state})
	return staged.Commit(ctx, to)
}

// changes makes changes of a few accounts, and the state after them.
func (l *storeLife) changes(before map[common.Address]*lifeAccount) (*chain.Changes, map[common.Address]*lifeAccount) {
	var (
		c     = new(chain.Changes)
		after = make(map[common.Address]*lifeAccount)
	)
	for addr, a := range before {
		after[addr] = a
	}
	for i := range byte(6) {
		if l.rng.IntN(2) == 0 {
			continue
		}
		addr := common.Address{i}
		a := chain.AccountChange{Address: addr}
		next := &lifeAccount{Account: chain.Account{CodeHash: chain.EmptyCodeHash}}
		if old := before[addr]; old != nil {
			a.Before, a.Existed = old.Account, true
			if a.Cleared = l.rng.IntN(6) == 0; !a.Cleared {
				*next = *old
			}
		}
		if a.Exists = l.rng.IntN(6) > 0; a.Exists {
			next.Nonce += 1 + l.rng.Uint64N(3)
			a.After = next.Account
			for j := range next.slots {
				value := l.rng.Uint64N(3)
				a.Slots = append(a.Slots, chain.SlotChange{Key: common.Hash{byte(j)},
					Before: *uint256.NewInt(next.slots[j]), After: *uint256.NewInt(value)})
				next.slots[j] = value
			}
			after[addr] = next
		} else {
			delete(after, addr)
		}
		c.Accounts = append(c.Accounts, a)
	}
	c.Normalize()
	return c, after
}

// compare accepts what was promised, or what was under way when the crash came,
// and nothing between.
func (l *storeLife) compare(s *Store) error {
	if l.next != nil && s.Head() == l.next[len(l.next)-1].id {
		l.blocks = l.next
	}
	l.next = nil
	if s.Head() != l.head().id {
		return fmt.Errorf("the store is at block %s, promised was %s", s.Head(), l.head().id)
	}
	if err := s.check(); err != nil {
		return err
	}
	for i, b := range l.blocks {
		v, err := s.View(b.id)
		if err != nil {
			if i+lifeRetain/2 >= len(l.blocks) { // reverts may have used up the rest
				return err
			}
			continue
		}
		if err := b.compare(v); err != nil {
			return err
		}
	}
	return nil
}

func (b lifeBlock) compare(v chain.StateView) error {
	for i := range byte(6) {
		addr := common.Address{i}
		want := b.state[addr]
		got, ok, err := v.Account(addr)
		if err != nil {
			return err
		}
		if ok != (want != nil) || ok && got != want.Account {
			return fmt.Errorf("block %s: account %s is %v, %t, want %v", b.id, addr, got, ok, want)
		}
		for j := range byte(4) {
			var value uint64
			if want != nil {
				value = want.slots[j]
			}
			got, err := v.Slot(addr, common.Hash{j})
			if err != nil || got != *uint256.NewInt(value) {
				return fmt.Errorf("block %s: slot %d of %s is %s, %v, want %d", b.id, j, addr, got.Hex(), err, value)
			}
		}
	}
	return nil
}
