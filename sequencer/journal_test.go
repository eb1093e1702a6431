package sequencer

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/prover/attest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A disk stalls until more is to be logged than the journal takes, and then fails. Run
// ends, and says why, though a prover's word was being handed in.
func TestLogFailsWhileJournalIsFull(t *testing.T) {
	defer goleak.VerifyNone(t)
	const words = 6
	var (
		broken           = errors.New("the disk is broken")
		fs, key          = vfs.NewCrash(1), keyOf(t, 1)
		bus              = link.NewBus(1 << 20)
		stalled, release = make(chan struct{}), make(chan struct{})
	)
	s := newWordy(t, fs, bus, key, words)
	defer s.Close()
	first := true
	fs.Inject(func(op vfs.Op) error {
		if op.Kind != vfs.OpSync {
			return nil
		}
		if first {
			first = false
			close(stalled)
			<-release
		}
		return broken
	})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	<-stalled
	require.Eventually(t, func() bool { return len(s.journal) == cap(s.journal) }, 10*time.Second, time.Millisecond)
	close(release)
	select {
	case err := <-ended:
		require.ErrorIs(t, err, broken)
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end")
	}
}

// newWordy makes a sequencer whose journal takes little, and which is about to hear words
// of a prover, each about another block.
func newWordy(t *testing.T, fs vfs.FS, bus *Bus, key *attest.Key, words uint64) *Sequencer {
	spec, err := genesis.Dev(genesis.DevOptions{})
	require.NoError(t, err)
	s, err := New(t.Context(), Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, FS: fs, Dir: "d", DA: inprocess.New(),
		Publisher: bus, Subscriber: bus, Provers: []common.Address{key.Address()}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	s.journal = make(chan entry, 1)
	for n := uint64(1); n <= words; n++ {
		a := truth(n)
		a.ChainID = spec.Genesis.ChainID
		s.collector.expect(&claim{want: a, words: make(map[common.Address]word)})
		require.NoError(t, attest.Sign(&a, key))
		msg, err := a.AppendBinary(nil)
		require.NoError(t, err)
		_, err = bus.Publish(t.Context(), link.TopicAttestations, msg)
		require.NoError(t, err)
	}
	return s
}
