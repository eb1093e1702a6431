package sequencer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// words names the attestations on a bus, each once, by block and signer.
func words(t *testing.T, bus *link.Bus) map[string]bool {
	said := make(map[string]bool)
	last, _, err := bus.Latest(context.Background(), link.TopicAttestations)
	if errors.Is(err, chain.ErrNotFound) {
		return said
	}
	require.NoError(t, err)
	next, err := bus.Subscribe(context.Background(), link.TopicAttestations, 0)
	require.NoError(t, err)
	for seq := uint64(0); seq <= last; seq++ {
		_, msg, err := next(context.Background())
		require.NoError(t, err)
		a := new(chain.Attestation)
		require.NoError(t, a.UnmarshalBinary(msg))
		signer, err := attest.Recover(a)
		require.NoError(t, err)
		name := fmt.Sprintf("%d %s", a.Block.Number, signer)
		require.False(t, said[name], "%s is told twice", name)
		said[name] = true
	}
	return said
}

// Attestations that came by call are told, once, and after a restart, also after the
// snapshots that cut the log, a transport without a memory has them again: those of
// blocks that are proven, for full nodes, and those of blocks that are not, which no
// prover has to say again.
func TestWordsOutliveTheProcess(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	second, err := crypto.GenerateKey()
	require.NoError(t, err)
	at := newShelf()
	w.bus = at.Bus
	config := func(c *sequencer.Config) {
		c.SnapshotBlocks, c.BlockInterval, c.LogFileBytes = 2, 20*time.Millisecond, 4<<10
		c.Provers, c.ProverThreshold = append(c.Provers, crypto.PubkeyToAddress(second.PublicKey)), 2
		c.Publisher, c.Subscriber, c.Backfill = at, link.NewBus(1), at.backfill
	}
	s := w.open(config)
	stop := running(s.Run)
	ctx := context.Background()
	said := w.attestations(6)
	bySecond := make([]*chain.Attestation, len(said))
	want := make(map[string]bool)
	for i, a := range said {
		other := *a
		require.NoError(t, attest.Sign(&other, signerOf(t, second)))
		bySecond[i] = &other
		require.NoError(t, s.Attest(ctx, a))
		want[fmt.Sprintf("%d %s", i+1, crypto.PubkeyToAddress(w.key.PublicKey))] = true
		if i < 4 {
			require.NoError(t, s.Attest(ctx, &other))
			want[fmt.Sprintf("%d %s", i+1, crypto.PubkeyToAddress(second.PublicKey))] = true
		}
	}
	again := *said[0]
	again.Program = common.Hash{1}
	require.NoError(t, attest.Sign(&again, signerOf(t, w.key)))
	require.NoError(t, s.Attest(ctx, &again))
	require.ErrorIs(t, s.Attest(ctx, w.lie(said[5])), chain.ErrMismatch)
	w.eventually("four are proven", func() bool { return s.Heads().Proven.Number == 4 })
	w.eventually("all are told", func() bool { return len(words(t, at.Bus)) == len(want) })
	require.Equal(t, want, words(t, at.Bus))

	for range 2 {
		sealed := s.Heads().RootChecked.Number
		w.eventually("snapshots cut the log", func() bool { return s.Heads().Published.Number > sealed+6 && w.offered() > sealed+2 })
		require.NoError(t, stop())
		require.NoError(t, s.Close())
		at = newShelf()
		w.bus = at.Bus
		s = w.open(config)
		require.Equal(t, want, words(t, at.Bus))
		require.Equal(t, len(want), at.filled[link.TopicAttestations])
		require.Equal(t, uint64(4), s.Heads().Proven.Number)
		require.Len(t, s.Unproven(2)[0].Signers, 1)
		stop = running(s.Run)
	}
	require.NoError(t, s.Attest(ctx, bySecond[4]))
	require.NoError(t, s.Attest(ctx, bySecond[5]))
	w.eventually("the others are proven, by what was said before the restarts", func() bool { return s.Heads().Proven.Number == 6 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// The end comes after the word that proves a block is logged, and before it is told. The
// head moved; so the word must be there for full nodes after the restart.
func TestWordIsLoggedBeforeItIsTold(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	errDown := errors.New("line is down")
	s := w.open(func(c *sequencer.Config) {
		c.Publisher, c.Subscriber = &failingPublisher{w.bus, link.TopicAttestations, errDown}, link.NewBus(1)
	})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	require.NoError(t, s.Attest(context.Background(), w.attestations(1)[0]))
	require.ErrorIs(t, <-ended, errDown)
	require.NoError(t, s.Close())
	require.Empty(t, words(t, w.bus))

	after := newShelf()
	s = w.open(func(c *sequencer.Config) { c.Publisher, c.Backfill = after, after.backfill })
	require.Equal(t, uint64(1), s.Heads().Proven.Number)
	require.Len(t, words(t, after.Bus), 1)
	require.NoError(t, s.Close())
}

// Words of one block come at once, from several callers. Whatever moment the log ends at,
// it has the words by which the head moved.
func TestWordsStandBeforeTheHead(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	second, err := crypto.GenerateKey()
	require.NoError(t, err)
	config := func(c *sequencer.Config) {
		c.Provers, c.ProverThreshold = append(c.Provers, crypto.PubkeyToAddress(second.PublicKey)), 2
		c.Subscriber = link.NewBus(1)
	}
	s := w.open(config)
	stop := running(s.Run)
	for _, a := range w.attestations(20) {
		other := *a
		require.NoError(t, attest.Sign(&other, signerOf(t, second)))
		done := make(chan error, 2)
		for _, word := range []*chain.Attestation{a, &other} {
			go func() { done <- s.Attest(context.Background(), word) }()
		}
		require.NoError(t, errors.Join(<-done, <-done))
	}
	w.eventually("all is proven", func() bool { return s.Heads().Proven.Number == 20 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())

	heard := make(map[uint64]int)
	moved := 0
	for _, r := range w.logged() {
		switch r.kind {
		case 11: // a word
			var a chain.Attestation
			require.NoError(t, a.UnmarshalBinary(r.payload))
			heard[a.Block.Number]++
		case 7: // the proven head
			moved++
			require.Equal(t, 2, heard[uint64(moved)], "block %d is proven in the log by words after it", moved)
		}
	}
	require.Equal(t, 20, moved)
}

// A logRecord is one of the world's log.
type logRecord struct {
	kind    byte
	payload []byte
}

// logged is the log of a sequencer that has ended.
func (w *world) logged() (records []logRecord) {
	log, err := state.OpenLog(state.LogConfig{FS: w.fs, Dir: filepath.Join(w.dir, "log"), RecordMax: 256 << 20})
	require.NoError(w.t, err)
	defer log.Close()
	require.NoError(w.t, log.Replay(0, func(_ state.LSN, kind byte, payload []byte) error {
		records = append(records, logRecord{kind, bytes.Clone(payload)})
		return nil
	}))
	return records
}
