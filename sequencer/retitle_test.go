package sequencer_test

import (
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// node runs a member of the world's network; what it signs is of a term, 0 for none.
func (w *world) node(term uint64, boot ...string) (*gossip.Node, func() error) {
	key, err := envelope.NewKey(common.LeftPadBytes([]byte{7}, 32))
	require.NoError(w.t, err)
	cfg := gossip.Config{
		ChainID: w.spec.Genesis.ChainID, Genesis: w.spec.Genesis.Header.Hash(),
		Signers: map[common.Address]gossip.Grant{key.Address(): {}},
		Listen:  []string{"/ip4/127.0.0.1/tcp/0"}, Boot: boot,
	}
	if term > 0 {
		cfg.Signer, cfg.Term = key, term
	}
	n, err := gossip.New(cfg)
	require.NoError(w.t, err)
	stop := running(n.Run)
	w.t.Cleanup(func() { require.NoError(w.t, stop()) })
	return n, stop
}

// The log loses its end, which a full node has preconfirmed. In a newer term the sequencer
// goes on, with all that is in its log, and the full node with it; nothing is said twice
// about one place. So it does when it starts again, before and after the block is
// published.
func TestLogLosesItsEnd(t *testing.T) {
	w := newWorld(t, 6)
	lanes := w.load.Lanes(3)
	peer, _ := w.node(0)
	connected := func(n *gossip.Node) {
		w.eventually("connected", func() bool { return n.Stats().Peers > 0 })
	}
	follower, err := fullnode.New(t.Context(), fullnode.Config{
		Genesis: w.spec.Genesis, Subscriber: peer, DA: w.da, FromDA: true, RejoinDelay: 10 * time.Millisecond,
	})
	require.NoError(t, err)
	stopFollower := running(follower.Run)
	start := func(n *gossip.Node, term uint64, interval time.Duration) (*sequencer.Sequencer, func() error) {
		s := w.open(func(c *sequencer.Config) {
			c.Publisher, c.Backfill, c.Term, c.BlockInterval = n, n.Backfill, term, interval
		})
		return s, running(s.Run)
	}
	caughtUp := func(s *sequencer.Sequencer) {
		w.eventually("the follower is there", func() bool { return sequencer.MiniID(follower.Heads().Preconfirmed) == s.Heads().Preconfirmed })
	}

	n, stopNode := w.node(1, peer.Addrs()...)
	connected(n)
	s, stop := start(n, 1, time.Second)
	w.submit(s, lanes[0].Batch(5))
	w.eventually("a block is published", func() bool { return s.Heads().Published.Number > 0 })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	s, stop = start(n, 1, time.Hour)
	kept := lanes[1].Batch(5)
	told := func(txs []datagen.Tx) { // each in a mini-block of its own
		for i := range txs {
			before := s.Heads().Preconfirmed
			w.submit(s, txs[i:i+1])
			w.eventually("it is told", func() bool { return s.Heads().Preconfirmed != before })
		}
	}
	told(kept)
	open := s.Heads().Preconfirmed.Number
	caughtUp(s)
	cut := t.TempDir()
	require.NoError(t, os.CopyFS(cut, os.DirFS(w.dir)))
	told(lanes[2].Batch(5))
	caughtUp(s)
	require.Equal(t, open, s.Heads().Preconfirmed.Number)
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, stopNode())

	w.dir = cut
	n, stopNode = w.node(2, peer.Addrs()...)
	connected(n)
	for range 2 {
		s, err := sequencer.New(t.Context(), func() sequencer.Config {
			c := w.config()
			c.Publisher, c.Backfill, c.Term = n, n.Backfill, 2
			return c
		}())
		require.NoError(t, err)
		require.Equal(t, open, s.Heads().Preconfirmed.Number)
		require.NoError(t, s.Close())
	}
	s, stop = start(n, 2, 300*time.Millisecond)
	for _, tx := range kept {
		require.Greater(t, w.nonce(s, tx.From), tx.Nonce, "nothing that is in the log is lost")
	}
	w.submit(s, lanes[0].Batch(5))
	w.eventually("the next block is published", func() bool { return s.Heads().Published.Number > open })
	w.eventually("the follower is in it", func() bool { return follower.Heads().RootChecked.Number > open })
	h, err := s.Header(open)
	require.NoError(t, err)
	require.EqualValues(t, 2, h.Term())
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, stopNode())

	// What was published of it is read again from frames of both terms.
	n, _ = w.node(2, peer.Addrs()...)
	connected(n)
	s, stop = start(n, 2, 300*time.Millisecond)
	head := s.Heads().RootChecked.Number
	w.submit(s, lanes[0].Batch(5))
	w.eventually("the follower goes on", func() bool { return follower.Heads().RootChecked.Number > head })
	same, err := s.Header(open)
	require.NoError(t, err)
	require.Equal(t, h.Hash(), same.Hash())
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, stopFollower())
	require.NoError(t, follower.Close())
	require.Empty(t, peer.Evidence())
}
