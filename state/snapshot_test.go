package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/internal/vfs"
)

func bytesSection(name string, b []byte) Section {
	return Section{name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}}
}

func readTo(dst *[]byte) func(io.Reader) error {
	return func(r io.Reader) (err error) {
		*dst, err = io.ReadAll(r)
		return err
	}
}

func TestSnapshot(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789"), frameSize/4) // some frames
	var buf bytes.Buffer
	wrote, err := WriteSnapshot(&buf, bytesSection("big", big), bytesSection("empty", nil), bytesSection("skipped", big[:10]), bytesSection("small", []byte("x")))
	require.NoError(t, err)
	require.Equal(t, int64(len(big)), wrote[0].Size)
	whole := bytes.Clone(buf.Bytes())
	buf.WriteString("behind")

	var gotBig, gotEmpty, gotSmall []byte
	read, err := ReadSnapshot(&buf, int64(len(big)+11),
		SectionReader{"small", readTo(&gotSmall)}, SectionReader{"big", readTo(&gotBig)}, SectionReader{"empty", readTo(&gotEmpty)})
	require.NoError(t, err)
	require.Equal(t, wrote, read)
	require.Equal(t, big, gotBig)
	require.Empty(t, gotEmpty)
	require.Equal(t, "x", string(gotSmall))
	require.Equal(t, "behind", buf.String(), "nothing behind the snapshot is read")

	_, err = ReadSnapshot(bytes.NewReader(whole), int64(len(big)+10))
	require.ErrorIs(t, err, chain.ErrTooLarge)
	_, err = ReadSnapshot(bytes.NewReader(whole), 1<<30, SectionReader{"absent", readTo(&gotBig)})
	require.ErrorIs(t, err, chain.ErrNotFound)
	fault := errors.New("the reader's own")
	_, err = ReadSnapshot(bytes.NewReader(whole), 1<<30, SectionReader{"big", func(io.Reader) error { return fault }})
	require.ErrorIs(t, err, fault)
	_, err = WriteSnapshot(io.Discard, Section{"faulty", func(io.Writer) error { return fault }})
	require.ErrorIs(t, err, fault)
	for _, names := range [][]string{{""}, {"a", "a"}, {string(make([]byte, 256))}} {
		var sections []Section
		for _, name := range names {
			sections = append(sections, bytesSection(name, nil))
		}
		_, err = WriteSnapshot(io.Discard, sections...)
		require.Error(t, err)
	}
	_, err = WriteSnapshot(io.Discard, make([]Section, sectionsMax+1)...)
	require.ErrorIs(t, err, chain.ErrTooLarge)
}

// Every byte of a snapshot is covered: none can be flipped or cut off.
func TestSnapshotDamage(t *testing.T) {
	var buf bytes.Buffer
	_, err := WriteSnapshot(&buf, bytesSection("one", []byte("some data")), bytesSection("two", bytes.Repeat([]byte{7}, 300)))
	require.NoError(t, err)
	whole := buf.Bytes()
	for i := range whole {
		var got []byte
		_, err := ReadSnapshot(bytes.NewReader(whole[:i]), 1<<20, SectionReader{"one", readTo(&got)})
		require.ErrorIs(t, err, chain.ErrCorrupt, "cut at byte %d", i)
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << bit
			_, err := ReadSnapshot(bytes.NewReader(flipped), 1<<20, SectionReader{"one", readTo(&got)})
			require.True(t, errors.Is(err, chain.ErrCorrupt) || errors.Is(err, chain.ErrTooLarge), "bit %d of byte %d flipped: %v", bit, i, err)
		}
	}
}

// scenarioStore is a store in memory with some blocks.
func scenarioStore(t testing.TB, blocks int) *Store {
	t.Helper()
	s, err := Open(Config{})
	require.NoError(t, err)
	scenario := chaintest.NewScenario(rand.NewPCG(3, 3), 60, 10)
	for n := range uint64(blocks) {
		commitChanges(t, s, chain.BlockID{Number: n + 1, Hash: common.Hash{byte(n)}}, scenario.Next(20))
	}
	return s
}

func stateSection(t testing.TB, s *Store, id chain.BlockID) []byte {
	t.Helper()
	section, err := s.SnapshotSection(t.Context(), id)
	require.NoError(t, err)
	var buf bytes.Buffer
	require.NoError(t, section.Write(&buf))
	return buf.Bytes()
}

// An export is the state: merged, it is one change of the empty state, and a
// store that loads it exports the same.
func TestStoreExportAndLoad(t *testing.T) {
	s := scenarioStore(t, 40)
	for back := range 5 {
		id := s.blocks[len(s.blocks)-1-back].id
		chunks := exported(t, s, id)
		merged, err := chain.Merge(chunks...)
		require.NoError(t, err)
		view, err := s.View(id)
		require.NoError(t, err)
		for _, a := range merged.Accounts {
			got, ok, err := view.Account(a.Address)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, a.After, got)
		}
		for name, cfg := range map[string]Config{"memory": {}, "log": {FS: vfs.NewCrash(1), Dir: "state"}} {
			into, err := Open(cfg)
			require.NoError(t, err)
			var yielded []*chain.Changes
			loaded, err := into.Load(t.Context(), bytes.NewReader(stateSection(t, s, id)), func(c *chain.Changes) error {
				yielded = append(yielded, c)
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, chunks, yielded)
			require.Equal(t, id, loaded.ID())
			require.Equal(t, chain.BlockID{}, into.Head(), "Load alone changes nothing")
			require.NoError(t, loaded.Commit(t.Context()))
			require.NoError(t, into.check())
			require.Equal(t, id, into.Head())
			require.Equal(t, chunks, exported(t, into, id))
			_, err = into.View(chain.BlockID{})
			require.ErrorIs(t, err, chain.ErrNotFound)
			require.ErrorIs(t, loaded.Commit(t.Context()), chain.ErrOutOfStep)
			commitChanges(t, into, chain.BlockID{Number: 99}, new(chain.Changes))
			require.NoError(t, into.Revert(t.Context(), id))
			if name == "log" {
				require.NoError(t, into.Close())
				into, err = Open(cfg)
				require.NoError(t, err)
				require.Equal(t, chunks, exported(t, into, id))
			}
		}
	}
}

// An account's storage may be larger than a chunk.
func TestStoreExportManySlots(t *testing.T) {
	const slots = 50_000
	s, err := Open(Config{})
	require.NoError(t, err)
	code := bytes.Repeat([]byte{1}, 1000)
	change := chain.AccountChange{Address: common.Address{2}, Exists: true, After: chain.Account{CodeHash: chain.Keccak256(code)}}
	for i := range uint64(slots) {
		change.Slots = append(change.Slots, chain.SlotChange{Key: uint256.NewInt(i).Bytes32(), After: *uint256.NewInt(i + 1)})
	}
	c := &chain.Changes{Codes: []chain.Code{{Hash: change.After.CodeHash, Bytes: code}}}
	for i := range byte(5) {
		change.Address[0] = i
		if c.Accounts = append(c.Accounts, change); i != 2 {
			c.Accounts[i].Slots = change.Slots[:100]
		}
	}
	commitChanges(t, s, chain.BlockID{Number: 1}, c)
	chunks := exported(t, s, s.Head())
	require.Greater(t, len(chunks), 3)
	for _, chunk := range chunks {
		b, err := chunk.AppendBinary(nil)
		require.NoError(t, err)
		require.Less(t, len(b), chunkSize+len(code)+accountSize)
	}
	merged, err := chain.Merge(chunks...)
	require.NoError(t, err)
	require.Equal(t, c, merged)
	loaded, err := s.Load(t.Context(), bytes.NewReader(stateSection(t, s, s.Head())), nil)
	require.NoError(t, err)
	require.Len(t, loaded.tables.accounts[common.Address{2}].storage, slots)
}

func TestStoreLoadRefuses(t *testing.T) {
	s := scenarioStore(t, 10)
	section := stateSection(t, s, s.Head())
	fault := errors.New("the trie's own")
	_, err := s.Load(t.Context(), bytes.NewReader(section), func(*chain.Changes) error { return fault })
	require.Equal(t, fault, err)

	loaded, err := s.Load(t.Context(), bytes.NewReader(section), nil)
	require.NoError(t, err)
	require.ErrorIs(t, loaded.Commit(t.Context()), chain.ErrOutOfStep, "the store is not empty")

	for i := range len(section) {
		_, err := s.Load(t.Context(), bytes.NewReader(section[:i]), nil)
		require.ErrorIs(t, err, chain.ErrCorrupt)
	}
	head, chunk, end := section[:blockIDSize], section[blockIDSize:len(section)-4], section[len(section)-4:]
	twice := bytes.Join([][]byte{head, chunk, chunk, end}, nil)
	_, err = s.Load(t.Context(), bytes.NewReader(twice), nil)
	require.ErrorIs(t, err, chain.ErrCorrupt)
	huge := append(bytes.Clone(head), 0xff, 0xff, 0xff, 0xff)
	_, err = s.Load(t.Context(), bytes.NewReader(huge), nil)
	require.ErrorIs(t, err, chain.ErrTooLarge)
}

// An export goes on while blocks are committed, and is of its own block.
func TestStoreExportBesideCommits(t *testing.T) {
	s := scenarioStore(t, 20)
	id := s.Head()
	want := exported(t, s, id)
	done := make(chan error)
	go func() {
		for range 20 {
			var got []*chain.Changes
			if err := s.Export(t.Context(), id, func(c *chain.Changes) error { got = append(got, c); return nil }); err != nil {
				done <- err
				return
			}
			if len(got) != len(want) || got[0].Digest() != want[0].Digest() {
				done <- fmt.Errorf("export of block %s has changed", id)
				return
			}
		}
		done <- nil
	}()
	scenario := chaintest.NewScenario(rand.NewPCG(3, 3), 60, 10)
	for range 20 {
		scenario.Next(20) // up to the store's state
	}
	for n := range uint64(60) {
		commitChanges(t, s, chain.BlockID{Number: 100 + n}, scenario.Next(20))
	}
	require.NoError(t, <-done)
	require.Equal(t, want, exported(t, s, id))
}
