package state

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/internal/vfs"
)

func TestStore(t *testing.T) {
	for name, cfg := range map[string]Config{
		"memory":  {},
		"retain8": {Retain: chaintest.StateStoreRetain},
		"log":     {Dir: "state", Retain: chaintest.StateStoreRetain, SegmentSize: 8 << 10, CheckpointSize: 8 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			chaintest.TestStateStore(t, func(t testing.TB) chain.StateStore {
				if cfg.Dir != "" {
					cfg.FS = vfs.NewCrash(1)
				}
				s, err := Open(cfg)
				require.NoError(t, err)
				t.Cleanup(func() { // the store was closed: its rules must hold to the end
					require.NoError(t, s.check())
				})
				return s
			})
		})
	}
}

func BenchmarkStore(b *testing.B) {
	chaintest.BenchmarkStateStore(b, func(b testing.TB) chain.StateStore {
		s, err := Open(Config{})
		require.NoError(b, err)
		return s
	})
}

// BenchmarkStoreDurable commits blocks through the log of a real directory.
func BenchmarkStoreDurable(b *testing.B) {
	for _, durability := range []Durability{DurabilityFsync, DurabilityNone} {
		b.Run("durability="+durability.String()+"/accounts=8", func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir(), Durability: durability})
			require.NoError(b, err)
			defer s.Close()
			scenario := chaintest.NewScenario(rand.NewPCG(1, 1), 1000, 10)
			b.ReportAllocs()
			for n := uint64(1); b.Loop(); n++ {
				b.StopTimer()
				c := scenario.Next(8)
				b.StartTimer()
				commitChanges(b, s, chain.BlockID{Number: n}, c)
			}
		})
	}
}

// Account numbers are given in the order of creation, and again after a revert
// took the account back; an account that is destroyed keeps its own.
func TestStoreAccountNumbers(t *testing.T) {
	s, err := Open(Config{})
	require.NoError(t, err)
	plain := chain.Account{Nonce: 1, CodeHash: chain.EmptyCodeHash}
	block := func(n uint64, accounts ...chain.AccountChange) {
		c := &chain.Changes{Accounts: accounts}
		c.Normalize()
		commitChanges(t, s, chain.BlockID{Number: n}, c)
		require.NoError(t, s.check())
	}
	add := func(i byte) chain.AccountChange {
		return chain.AccountChange{Address: common.Address{i}, After: plain, Exists: true}
	}
	remove := func(i byte) chain.AccountChange {
		return chain.AccountChange{Address: common.Address{i}, Before: plain, Existed: true}
	}
	numbers := func() (out []uint64) {
		for _, i := range []byte{5, 3, 9, 1} {
			if a := s.accounts[common.Address{i}]; a != nil {
				out = append(out, a.number)
			}
		}
		return out
	}
	block(1, add(5))
	block(2, add(3))
	block(3, remove(5), add(9))
	require.Equal(t, []uint64{0, 1, 2}, numbers())
	require.NoError(t, s.Revert(t.Context(), chain.BlockID{Number: 2}))
	require.NoError(t, s.check())
	block(4, add(1))
	require.Equal(t, []uint64{0, 1, 2}, numbers())
	block(5, remove(5))
	block(6, add(5))
	require.Equal(t, []uint64{0, 1, 2}, numbers())
	require.Equal(t, uint32(1), s.accounts[common.Address{5}].incarnation)
}

// Storage that was cleared is kept as long as a view or a revert may ask for it,
// and not longer.
func TestStoreFormerStorageIsCollected(t *testing.T) {
	const retain = 3
	s, err := Open(Config{Retain: retain})
	require.NoError(t, err)
	plain := chain.Account{Nonce: 1, CodeHash: chain.EmptyCodeHash}
	change := chain.AccountChange{After: plain, Exists: true,
		Slots: []chain.SlotChange{{After: *uint256.NewInt(7)}}}
	for n := range uint64(20) {
		commitChanges(t, s, chain.BlockID{Number: n + 1}, &chain.Changes{Accounts: []chain.AccountChange{change}})
		change.Before, change.Existed, change.Cleared = plain, true, true // again and again
		require.NoError(t, s.check())
		require.Len(t, s.former, min(int(n), retain))
	}
}

func TestStoreCommitRefusesIDs(t *testing.T) {
	s, err := Open(Config{})
	require.NoError(t, err)
	for _, id := range []chain.BlockID{{}, {Number: 1}, {Number: 1}} {
		staged, err := s.Stage(t.Context(), new(chain.Changes))
		require.NoError(t, err)
		err = staged.Commit(t.Context(), id)
		if id == (chain.BlockID{Number: 1}) && s.sequence == 1 && err == nil {
			continue
		}
		require.ErrorIs(t, err, chain.ErrOutOfStep)
	}
	require.Equal(t, chain.BlockID{Number: 1}, s.Head())
}

func TestStoreRefusesChangesThatAreNotCanonical(t *testing.T) {
	s, err := Open(Config{})
	require.NoError(t, err)
	_, err = s.Stage(t.Context(), &chain.Changes{Accounts: []chain.AccountChange{{Exists: true}}})
	require.ErrorIs(t, err, chain.ErrCorrupt)
}

// What the log refuses is not committed; the stage can be used again.
func TestStoreLogRefuses(t *testing.T) {
	fsys := vfs.NewCrash(1)
	s, err := Open(Config{FS: fsys, Dir: "state", RecordMax: 400})
	require.NoError(t, err)
	var big chain.Changes
	for i := range byte(10) {
		big.Accounts = append(big.Accounts, chain.AccountChange{Address: common.Address{i}, Exists: true,
			After: chain.Account{CodeHash: chain.EmptyCodeHash}})
	}
	staged, err := s.Stage(t.Context(), &big)
	require.NoError(t, err)
	require.ErrorIs(t, staged.Commit(t.Context(), chain.BlockID{Number: 1}), chain.ErrTooLarge)
	require.Equal(t, chain.BlockID{}, s.Head())
	small := chain.Changes{Accounts: big.Accounts[:2]}
	commitChanges(t, s, chain.BlockID{Number: 1}, &small)

	fault := errors.New("input/output error")
	fsys.Inject(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			return fault
		}
		return nil
	})
	for range 2 { // sticks
		staged, err = s.Stage(t.Context(), new(chain.Changes))
		require.NoError(t, err)
		require.ErrorIs(t, staged.Commit(t.Context(), chain.BlockID{Number: 2}), fault)
		require.ErrorIs(t, s.Revert(t.Context(), chain.BlockID{}), fault)
		require.Equal(t, chain.BlockID{Number: 1}, s.Head())
		fsys.Inject(nil)
	}
}

// A codec of the caller's gets the state before the changes, at commit and at
// open.
func TestStoreCodec(t *testing.T) {
	fsys := vfs.NewCrash(1)
	type call struct {
		changes common.Hash
		nonce   uint64 // of an account, before
	}
	var encoded, decoded []call
	see := func(c *chain.Changes, prior chain.StateView) call {
		a, _, err := prior.Account(common.Address{1})
		require.NoError(t, err)
		return call{c.Digest(), a.Nonce}
	}
	cfg := Config{FS: fsys, Dir: "state",
		Encode: func(dst []byte, c *chain.Changes, prior chain.StateView) ([]byte, error) {
			encoded = append(encoded, see(c, prior))
			dst, err := c.AppendBinary(append(dst, 'x'))
			return dst, err
		},
		Decode: func(c *chain.Changes, src []byte, prior chain.StateView) error {
			if !bytes.HasPrefix(src, []byte{'x'}) {
				return chain.ErrCorrupt
			}
			err := c.UnmarshalBinary(src[1:])
			decoded = append(decoded, see(c, prior))
			return err
		}}
	s, err := Open(cfg)
	require.NoError(t, err)
	before := chain.AccountChange{Address: common.Address{1}}
	for n := range uint64(5) {
		c := before
		c.After, c.Exists = chain.Account{Nonce: n + 1, CodeHash: chain.EmptyCodeHash}, true
		commitChanges(t, s, chain.BlockID{Number: n + 1}, &chain.Changes{Accounts: []chain.AccountChange{c}})
		before.Before, before.Existed = c.After, true
	}
	require.NoError(t, s.Close())
	_, err = Open(cfg)
	require.NoError(t, err)
	require.Len(t, encoded, 5)
	require.Equal(t, encoded, decoded)
}

// Checkpoints happen by themselves, beside commits, and keep the log short.
func TestStoreCheckpointsItself(t *testing.T) {
	var (
		mu     sync.Mutex
		points []chain.BlockID
		fsys   = vfs.NewCrash(1)
		cfg    = Config{FS: fsys, Dir: "state", Retain: 3, SegmentSize: 2 << 10, CheckpointSize: 4 << 10,
			OnCheckpoint: func(id chain.BlockID, err error) {
				mu.Lock()
				defer mu.Unlock()
				if !errors.Is(err, chain.ErrClosed) {
					require.NoError(t, err)
					points = append(points, id)
				}
			}}
		scenario = chaintest.NewScenario(rand.NewPCG(1, 1), 20, 5)
	)
	s, err := Open(cfg)
	require.NoError(t, err)
	for n := range uint64(200) {
		commitChanges(t, s, chain.BlockID{Number: n + 1}, scenario.Next(8))
		if n%20 == 0 {
			s.background.Wait() // or commits would outrun it on a slow machine
		}
	}
	want := exported(t, s, s.Head())
	require.NoError(t, s.Close())
	require.Greater(t, len(points), 5)
	require.Less(t, s.log.Size(), int64(60<<10))
	s, err = Open(cfg)
	require.NoError(t, err)
	require.Equal(t, chain.BlockID{Number: 200}, s.Head())
	require.Equal(t, want, exported(t, s, s.Head()))
}

// A failed checkpoint is told and does no harm.
func TestStoreCheckpointFails(t *testing.T) {
	fault := errors.New("no space left on device")
	fsys := vfs.NewCrash(1)
	cfg := Config{FS: fsys, Dir: "state", Retain: 1, CheckpointSize: -1}
	s, err := Open(cfg)
	require.NoError(t, err)
	scenario := chaintest.NewScenario(rand.NewPCG(1, 1), 20, 5)
	for n := range uint64(10) {
		commitChanges(t, s, chain.BlockID{Number: n + 1}, scenario.Next(8))
	}
	for _, kind := range []vfs.OpKind{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir} {
		fsys.Inject(func(op vfs.Op) error {
			if op.Kind == kind {
				return fault
			}
			return nil
		})
		require.ErrorIs(t, s.Checkpoint(t.Context()), fault, kind)
		fsys.Inject(nil)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Checkpoint(canceled), context.Canceled)
	want := exported(t, s, s.Head())
	require.NoError(t, s.Checkpoint(t.Context()))
	require.NoError(t, s.Checkpoint(t.Context()), "nothing is left to do")
	commitChanges(t, s, chain.BlockID{Number: 11}, new(chain.Changes))
	s, err = Open(Config{FS: fsys.Crash(vfs.LoseUnsynced), Dir: "state"})
	require.NoError(t, err)
	require.Equal(t, chain.BlockID{Number: 11}, s.Head())
	require.Equal(t, want, exported(t, s, s.Head()))
}

// A log and a snapshot that do not belong together are corrupt, not half loaded.
func TestStoreMissingParts(t *testing.T) {
	build := func() (*vfs.CrashFS, Config, *Store) {
		fsys := vfs.NewCrash(1)
		cfg := Config{FS: fsys, Dir: "state", Retain: 1, SegmentSize: 1 << 10, CheckpointSize: -1}
		s, err := Open(cfg)
		require.NoError(t, err)
		scenario := chaintest.NewScenario(rand.NewPCG(1, 1), 20, 5)
		for n := range uint64(20) {
			commitChanges(t, s, chain.BlockID{Number: n + 1}, scenario.Next(8))
		}
		require.NoError(t, s.Checkpoint(t.Context()))
		require.NoError(t, s.Close())
		return fsys, cfg, s
	}
	fsys, cfg, s := build()
	require.NoError(t, fsys.Remove(s.snapshotPath(s.snapshot)))
	_, err := Open(cfg)
	require.ErrorIs(t, err, chain.ErrCorrupt)

	fsys, cfg, s = build()
	require.NoError(t, fsys.Rename(s.snapshotPath(s.snapshot), s.snapshotPath(s.snapshot-1)))
	_, err = Open(cfg)
	require.ErrorIs(t, err, chain.ErrCorrupt)

	fsys, cfg, s = build()
	for _, segment := range s.log.segments {
		require.NoError(t, fsys.Remove(s.log.path(segment.first)))
	}
	_, err = Open(cfg)
	require.ErrorIs(t, err, chain.ErrCorrupt)
}

// A store that reaches blocks back does so after it was opened again, from a
// snapshot and the log.
func TestStoreReachesBackAfterOpen(t *testing.T) {
	const retain = 5
	var (
		fsys     = vfs.NewCrash(1)
		scenario = chaintest.NewScenario(rand.NewPCG(1, 1), 20, 5)
		cfg      = Config{FS: fsys, Dir: "state", Retain: retain, SegmentSize: 1 << 10, CheckpointSize: -1}
		want     = make(map[chain.BlockID][]*chain.Changes)
		ids      []chain.BlockID
	)
	s, err := Open(cfg)
	require.NoError(t, err)
	for n := range uint64(30) {
		id := chain.BlockID{Number: n + 1, Hash: common.Hash{byte(n)}}
		commitChanges(t, s, id, scenario.Next(8))
		want[id] = exported(t, s, id)
		ids = append(ids, id)
		if n == 20 {
			require.NoError(t, s.Checkpoint(t.Context()))
			require.Greater(t, s.log.First(), LSN(1), "nothing was pruned")
		}
	}
	for range 3 {
		require.NoError(t, s.Close())
		s, err = Open(cfg)
		require.NoError(t, err)
		for _, id := range ids[len(ids)-1-retain:] {
			require.Equal(t, want[id], exported(t, s, id))
		}
		_, err = s.View(ids[len(ids)-2-retain])
		require.ErrorIs(t, err, chain.ErrNotFound)
		require.NoError(t, s.Checkpoint(t.Context()))
	}
	require.NoError(t, s.Revert(t.Context(), ids[len(ids)-1-retain]))
	require.Equal(t, want[s.Head()], exported(t, s, s.Head()))
}

func commitChanges(t testing.TB, s *Store, id chain.BlockID, c *chain.Changes) {
	t.Helper()
	staged, err := s.Stage(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, staged.Commit(t.Context(), id))
}

func exported(t testing.TB, s *Store, id chain.BlockID) (out []*chain.Changes) {
	t.Helper()
	require.NoError(t, s.Export(t.Context(), id, func(c *chain.Changes) error {
		require.NoError(t, c.Validate())
		out = append(out, c)
		return nil
	}))
	return out
}
