package role

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/p2p"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// meet opens and runs a node of the network, which knows others.
func meet(t *testing.T, spec *genesis.Spec, signer gossip.Signer, known common.Address, boot []string) (node *gossip.Node, stop func()) {
	o := p2p.Options{Address: "127.0.0.1", Peers: 8}
	node, err := o.Open(gossip.Config{
		ChainID: spec.Genesis.ChainID, Genesis: spec.Genesis.Header.Hash(), Signers: map[common.Address]gossip.Grant{known: {}},
		Signer: signer, Term: 1, WithoutBodies: true,
	}, t.TempDir(), boot)
	require.NoError(t, err)
	return node, running(t, node.Run)
}

// A layer answers 503 to everything, and the chain is older than what there is of the feed
// from genesis. A node joins from the sequencer's snapshot, and another one, without the
// sequencer, from that one.
func TestJoinFromPeers(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	spec, err := (&cli.Chain{}).Spec()
	require.NoError(t, err)
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	key, err := gossip.NewKey(append(make([]byte, 31), 1))
	require.NoError(t, err)
	own, err := p2p.OpenLayer(t.TempDir(), "127.0.0.1", 0)
	require.NoError(t, err)
	defer own.Close()
	home, leave := meet(t, spec, key, key.Address(), nil)
	s, err := sequencer.New(t.Context(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, Dir: t.TempDir(), Durability: state.DurabilityNone,
		DA: p2p.Behind(own.Client(), home), Publisher: home, BlockInterval: 20 * time.Millisecond, SnapshotBlocks: 4, Term: 1, Logger: log,
	})
	require.NoError(t, err)
	sequencing := running(t, s.Run)
	require.Eventually(t, func() bool {
		_, _, err := home.Latest(t.Context(), link.TopicSnapshots)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	sequencing()
	require.NoError(t, s.Close())
	_, msg, err := home.Latest(t.Context(), link.TopicSnapshots)
	require.NoError(t, err)
	offer := new(chain.SnapshotOffer)
	require.NoError(t, offer.UnmarshalBinary(msg))

	var asked atomic.Int64
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "away", http.StatusServiceUnavailable)
	}))
	defer away.Close()
	layer, err := p2p.Layer("altda=" + away.URL)
	require.NoError(t, err)
	o := fullnodeOptions{snapshot: true, mode: modeState, kept: cli.Kept{States: 128}}
	follow := func(boot []string) (*gossip.Node, func()) {
		node, stop := meet(t, spec, nil, key.Address(), boot)
		require.NoError(t, node.Await(t.Context()))
		cfg := o.config(spec.Genesis, engine)
		cfg.Subscriber, cfg.DA, cfg.Logger = node, p2p.Behind(layer, node), log
		before := asked.Load()
		f, err := join(t.Context(), cfg)
		require.NoError(t, err)
		require.Equal(t, offer.Block, f.Heads().RootChecked, "it began at the snapshot")
		require.Greater(t, asked.Load(), before, "the layer is asked first")
		return node, func() {
			stop()
			require.NoError(t, f.Close())
		}
	}
	first, end := follow(home.Addrs())
	leave()
	_, over := follow(first.Addrs())
	over()
	end()
}
