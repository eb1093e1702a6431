package sequencer_test

import (
	"context"
	"crypto/ecdsa"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer"
)

// attestations runs the world's prover beside the sequencer until it has attested to
// blocks up to number, and returns what it said. The sequencer does not hear it.
func (w *world) attestations(number uint64) []*chain.Attestation {
	aside := link.NewBus(1 << 20)
	p := w.proverTo(aside)
	defer running(p.Run)()
	next, err := aside.Subscribe(context.Background(), link.TopicAttestations, link.Oldest)
	require.NoError(w.t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	said := make([]*chain.Attestation, number)
	for have := uint64(0); have < number; {
		_, msg, err := next(ctx)
		require.NoError(w.t, err)
		a := new(chain.Attestation)
		require.NoError(w.t, a.UnmarshalBinary(msg))
		if i := a.Block.Number - 1; i < number && said[i] == nil {
			said[i] = a
			have++
		}
	}
	return said
}

func signerOf(t testing.TB, key *ecdsa.PrivateKey) attest.Signer {
	signer, err := attest.NewKey(crypto.FromECDSA(key))
	require.NoError(t, err)
	return signer
}

// lie is a wrong word of the world's prover.
func (w *world) lie(a *chain.Attestation) *chain.Attestation {
	wrong := *a
	wrong.PostRoot[5] ^= 1
	require.NoError(w.t, attest.Sign(&wrong, signerOf(w.t, w.key)))
	return &wrong
}

// Words are handed in by call, the last first; wrong ones are kept as evidence, whose
// records survive restarts and the snapshots that cut the log.
func TestAttest(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	config := func(c *sequencer.Config) {
		c.SnapshotBlocks, c.BlockInterval, c.LogFileBytes = 2, 20*time.Millisecond, 4<<10
	}
	s := w.open(config)
	stop := running(s.Run)
	said := w.attestations(6)
	ctx := context.Background()
	for i := len(said) - 1; i >= 0; i-- {
		require.Zero(t, s.Heads().Proven.Number)
		require.NoError(t, s.Attest(ctx, said[i]))
	}
	w.eventually("all is proven", func() bool { return s.Heads().Proven.Number == 6 })
	require.ErrorIs(t, s.Attest(ctx, w.lie(said[1])), chain.ErrMismatch)
	stranger, err := crypto.GenerateKey()
	require.NoError(t, err)
	strange := *said[2]
	require.NoError(t, attest.Sign(&strange, signerOf(t, stranger)))
	require.ErrorIs(t, s.Attest(ctx, &strange), sequencer.ErrNotAllowed)
	require.Len(t, s.Evidence(), 1)
	require.Equal(t, crypto.PubkeyToAddress(w.key.PublicKey), s.Evidence()[0].Signer)
	require.Equal(t, *said[1], *s.Evidence()[0].Other)
	kept := s.Evidence()
	sealed := s.Heads().RootChecked.Number
	w.eventually("snapshots cut the log", func() bool {
		seq, _, err := w.bus.Latest(ctx, link.TopicSnapshots)
		return err == nil && seq > 4 && s.Heads().Published.Number > sealed+6
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Attest(ctx, w.lie(said[3])), chain.ErrClosed, "it is too late to be kept")

	for range 2 {
		s = w.open(config)
		require.Equal(t, kept, s.Evidence())
		require.Equal(t, 1, s.Stats().Evidence)
		require.Equal(t, uint64(6), s.Heads().Proven.Number)
		stop = running(s.Run)
		from := s.Heads().Published.Number
		w.eventually("snapshots cut the log again", func() bool { return s.Heads().Published.Number > from+6 })
		require.NoError(t, stop())
		require.NoError(t, s.Close())
	}
	s = w.open(config)
	require.ErrorIs(t, s.Attest(ctx, w.lie(said[4])), chain.ErrMismatch, "a late word is compared after restarts too")
	require.Len(t, s.Evidence(), 2)
	require.NoError(t, s.Close())
}

// Provers are far behind when the sequencer restarts: snapshots have cut the log
// meanwhile, several times. What they lack is told again, to a transport that remembers
// nothing, and they prove all of it.
func TestUnprovenBlocksAreToldAgain(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := newWorld(t, 2)
	config := func(c *sequencer.Config) {
		c.SnapshotBlocks, c.BlockInterval, c.LogFileBytes = 2, 10*time.Millisecond, 4<<10
	}
	var published uint64
	for range 2 {
		s := w.open(config)
		stop := running(s.Run)
		w.eventually("blocks are published", func() bool { return s.Heads().Published.Number > published+10 })
		require.NoError(t, stop())
		published = s.Heads().Published.Number
		require.NoError(t, s.Close())
	}
	w.bus = link.NewBus(1 << 30)
	s := w.open(config)
	require.Len(t, s.Unproven(1000), int(s.Heads().Published.Number))
	stop := running(s.Run)
	stopProver := running(w.prover().Run)
	w.eventually("all is proven", func() bool { return s.Heads().Proven.Number > published })
	require.NoError(t, stopProver())
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, new(wire).hear(w.bus))
}
