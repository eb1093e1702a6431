package sequencer_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/vfs"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/statediff"
)

// A world is a chain to be run: its genesis, load and links, which outlive any
// one sequencer.
type world struct {
	t    testing.TB
	spec *genesis.Spec
	load *datagen.Load
	bus  *link.Bus
	da   chain.DAClient
	fs   vfs.FS
	dir  string
	key  *ecdsa.PrivateKey // of the prover
}

func newWorld(t testing.TB, accounts int) *world {
	load, err := datagen.New(datagen.Config{Seed: 7, Accounts: accounts, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	require.NoError(t, err)
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	return &world{
		t: t, spec: spec, load: load, key: key,
		bus: link.NewBus(1 << 30), da: inprocess.New(), fs: vfs.OS, dir: t.TempDir(),
	}
}

func (w *world) config() sequencer.Config {
	return sequencer.Config{
		Genesis: w.spec.Genesis, ChainConfig: w.spec.Config, FS: w.fs, Dir: w.dir,
		DA: w.da, Publisher: w.bus, Subscriber: w.bus,
		BaseFee:           uint256.NewInt(genesis.DevBaseFee),
		MiniBlockInterval: 2 * time.Millisecond, BlockInterval: 50 * time.Millisecond,
		Provers: []common.Address{crypto.PubkeyToAddress(w.key.PublicKey)},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

// open makes a sequencer; change may alter its configuration.
func (w *world) open(change ...func(*sequencer.Config)) *sequencer.Sequencer {
	cfg := w.config()
	for _, f := range change {
		f(&cfg)
	}
	s, err := sequencer.New(context.Background(), cfg)
	require.NoError(w.t, err)
	return s
}

func (w *world) follower(snapshot bool) *fullnode.Follower {
	f, err := fullnode.New(context.Background(), fullnode.Config{
		Genesis: w.spec.Genesis, Subscriber: w.bus, DA: w.da, FromSnapshot: snapshot,
	})
	require.NoError(w.t, err)
	return f
}

func (w *world) prover() *prover.Prover { return w.proverTo(w.bus) }

// proverTo makes the world's prover, which says what it found to somebody else.
func (w *world) proverTo(publisher *link.Bus) *prover.Prover {
	return w.proverOf(prover.FromTopic(w.bus, publisher, 0))
}

// proverOf makes the world's prover, whose work is a source's.
func (w *world) proverOf(source prover.Source) *prover.Prover {
	ex, err := execution.New(execution.Config{Chain: w.spec.Config})
	require.NoError(w.t, err)
	p, err := prover.New(prover.Config{
		ChainID: w.spec.Genesis.ChainID, Executor: ex, DA: w.da, Key: w.key, Workers: 2,
		Diff:   func() chain.DiffEncoder { return statediff.New(statediff.Config{Stateless: true}) },
		Source: source, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(w.t, err)
	return p
}

// running runs something until stop is called, which returns its error.
func running(run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	var err error
	return func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
}

// submit sends txs one after the other and fails the test if one is refused. While the
// sequencer is busy, because the layer is behind, it sends again, as clients do.
func (w *world) submit(s *sequencer.Sequencer, txs []datagen.Tx) []*chain.Receipt {
	receipts := make([]*chain.Receipt, len(txs))
	deadline := time.Now().Add(20 * time.Second)
	for i, tx := range txs {
		r, err := s.Submit(context.Background(), tx.Raw)
		for errors.Is(err, chain.ErrBusy) && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
			r, err = s.Submit(context.Background(), tx.Raw)
		}
		require.NoError(w.t, err)
		require.Equal(w.t, uint64(1), r.Status)
		receipts[i] = r
	}
	return receipts
}

func (w *world) eventually(what string, f func() bool) {
	w.t.Helper()
	require.Eventually(w.t, f, 20*time.Second, 5*time.Millisecond, what)
}

// nonce is the sender's nonce in the sequencer's newest logged state.
func (w *world) nonce(s *sequencer.Sequencer, addr common.Address) uint64 {
	view, _ := s.View()
	a, _, err := view.Account(addr)
	require.NoError(w.t, err)
	return a.Nonce
}
