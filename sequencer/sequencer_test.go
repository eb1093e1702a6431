package sequencer_test

import (
	"context"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The whole chain: what the sequencer acknowledges, a full node has by diffs, from
// genesis and from a snapshot, and a prover has proven.
func TestChain(t *testing.T) {
	w := newWorld(t, 50)
	s := w.open(func(c *sequencer.Config) { c.SnapshotBlocks = 2 })
	early := w.follower(false)
	stops := []func() error{running(s.Run), running(early.Run), running(w.prover().Run)}

	var wg sync.WaitGroup
	for _, lane := range w.load.Lanes(5) {
		txs := lane.Batch(60)
		wg.Go(func() { w.submit(s, txs) })
	}
	wg.Wait()
	target := s.Heads().Preconfirmed.Number + 1
	w.eventually("blocks are proven", func() bool { return s.Heads().Proven.Number >= target })
	w.eventually("a snapshot is on offer", func() bool { return w.offered() > 0 }) // it is read back before

	late := w.follower(true)
	require.NotZero(t, late.Heads().RootChecked.Number, "it began from a snapshot")
	stops = append(stops, running(late.Run))
	for _, f := range []*fullnode.Follower{early, late} {
		w.eventually("follower is at the head", func() bool { return f.Heads().RootChecked.Number >= target })
		at := f.Heads().RootChecked
		h, err := s.Header(at.Number)
		require.NoError(t, err)
		require.Equal(t, h.ID(), at)
		require.NoError(t, f.Refused())
	}
	require.Equal(t, uint64(300), s.Stats().Transactions)
	require.Equal(t, uint64(300), early.Stats().Transactions)
	require.Zero(t, s.Stats().Evidence)

	for _, stop := range stops {
		require.NoError(t, stop())
	}
	require.NoError(t, s.Close())
	require.NoError(t, early.Close())
	require.NoError(t, late.Close())
	_, err := s.Submit(context.Background(), []byte{1})
	require.ErrorIs(t, err, chain.ErrClosed)
}

// A sequencer that was stopped goes on in the same block, and its followers with
// it; nothing that was announced comes again with another content.
func TestRestart(t *testing.T) {
	w := newWorld(t, 20)
	slow := func(c *sequencer.Config) { c.BlockInterval = 300 * time.Millisecond; c.SnapshotBlocks = 3 }
	follower := w.follower(false)
	stopFollower := running(follower.Run)
	stopProver := running(w.prover().Run)
	lane := w.load.Lanes(1)[0]
	sent := 0
	for round := range 6 {
		s := w.open(slow)
		stop := running(s.Run)
		if round > 0 {
			w.eventually("everything acknowledged is shown", func() bool { return sumNonces(w, s) == uint64(sent) })
		}
		before := s.Heads().Preconfirmed.Number
		sent += len(w.submit(s, lane.Batch(40)))
		if round%2 == 1 { // now and then a block ends
			w.eventually("a block is sealed", func() bool { return s.Heads().RootChecked.Number > before })
		}
		require.NoError(t, stop())
		require.NoError(t, s.Close())
		require.NoError(t, follower.Refused())
	}
	s := w.open(slow)
	stop := running(s.Run)
	target := s.Heads().Preconfirmed.Number + 1
	w.submit(s, lane.Batch(10))
	w.eventually("all is proven", func() bool { return s.Heads().Proven.Number >= target })
	w.eventually("follower is at the head", func() bool { return follower.Heads().RootChecked.Number >= target })
	require.NoError(t, stop())
	require.NoError(t, s.Close())
	require.NoError(t, stopFollower())
	require.NoError(t, stopProver())
	require.NoError(t, follower.Close())
}

func sumNonces(w *world, s *sequencer.Sequencer) (sum uint64) {
	for i := range w.load.Accounts() {
		sum += w.nonce(s, w.load.Address(i))
	}
	return sum
}

func TestDoor(t *testing.T) {
	w := newWorld(t, 10)
	s := w.open(func(c *sequencer.Config) {
		c.TxBytes, c.PoolTxsPerSender, c.PoolLifetime = 1000, 4, 100*time.Millisecond
	})
	stop := running(s.Run)
	ctx := context.Background()
	lane := w.load.Lanes(10)[0] // one account
	txs := lane.Batch(8)

	t.Run("refusals have Ethereum's words", func(t *testing.T) {
		for _, c := range []struct {
			name, text string
			raw        []byte
			is         error
		}{
			{"empty", "typed transaction too short", nil, chain.ErrInvalidTx},
			{"junk", "transaction type not supported", []byte("junk"), chain.ErrInvalidTx},
			{"too large", "oversized data", make([]byte, 1001), chain.ErrTooLarge},
			{"truncated", "rlp", txs[0].Raw[:len(txs[0].Raw)-1], chain.ErrInvalidTx},
			{"poor", "insufficient funds for gas * price + value", sign(w, 0, func(tx *types.DynamicFeeTx) {
				tx.Value = new(big.Int).Lsh(big.NewInt(1), 200)
			}), chain.ErrInvalidTx},
			{"too little gas", "intrinsic gas too low", sign(w, 0, func(tx *types.DynamicFeeTx) { tx.Gas = 20_999 }), chain.ErrInvalidTx},
			{"too much gas", "gas limit", sign(w, 0, func(tx *types.DynamicFeeTx) { tx.Gas = 1 << 40 }), chain.ErrInvalidTx},
			{"low fee cap", "max fee per gas less than block base fee", sign(w, 0, func(tx *types.DynamicFeeTx) {
				tx.GasFeeCap, tx.GasTipCap = big.NewInt(1), big.NewInt(1)
			}), chain.ErrInvalidTx},
			{"tip above cap", "max priority fee per gas higher than max fee per gas", sign(w, 0, func(tx *types.DynamicFeeTx) {
				tx.GasTipCap = new(big.Int).Add(tx.GasFeeCap, big.NewInt(1))
			}), chain.ErrInvalidTx},
			{"another chain", "chain id", sign(w, 0, func(tx *types.DynamicFeeTx) { tx.ChainID = big.NewInt(1) }), chain.ErrInvalidTx},
		} {
			_, err := s.Submit(ctx, c.raw)
			require.ErrorIs(t, err, c.is, c.name)
			require.ErrorContains(t, err, c.text, c.name)
		}
	})
	t.Run("order of arrival does not matter, order of nonces does", func(t *testing.T) {
		var wg sync.WaitGroup
		for _, i := range []int{2, 1, 0} {
			wg.Go(func() {
				_, err := s.Submit(ctx, txs[i].Raw)
				require.NoError(t, err)
			})
			time.Sleep(5 * time.Millisecond)
		}
		wg.Wait()
		_, err := s.Submit(ctx, txs[1].Raw)
		require.ErrorIs(t, err, chain.ErrInvalidTx)
		require.ErrorContains(t, err, "nonce too low")
	})
	t.Run("a gap is answered, and does not stall the others", func(t *testing.T) {
		gap, rests := make(chan error, 1), make(chan struct{}, 1)
		go func() {
			_, err := s.Submit(sched.WithRest(ctx, func() { rests <- struct{}{} }), txs[5].Raw)
			gap <- err
		}()
		select {
		case <-rests: // while it waits
		case err := <-gap:
			require.Fail(t, "it did not rest", err)
		}
		other := w.load.Lanes(10)[1].Batch(3)
		w.submit(s, other)
		require.ErrorContains(t, <-gap, "transaction expired")
		_, err := s.Submit(ctx, txs[7].Raw)
		require.ErrorIs(t, err, chain.ErrInvalidTx, "too far ahead of the account's nonce")
	})
	require.NoError(t, stop())
	require.NoError(t, s.Close())
}

// sign signs a transfer of one wei with the key of an account, changed by change.
func sign(w *world, account int, change func(*types.DynamicFeeTx)) []byte {
	tx := &types.DynamicFeeTx{
		ChainID: w.spec.Config.ChainID, Gas: 21_000, Value: big.NewInt(1), To: &common.Address{1},
		GasFeeCap: big.NewInt(2 * genesis.DevBaseFee), GasTipCap: big.NewInt(1),
	}
	change(tx)
	signed, err := types.SignNewTx(w.load.Key(account), types.LatestSignerForChainID(tx.ChainID), tx)
	require.NoError(w.t, err)
	raw, err := signed.MarshalBinary()
	require.NoError(w.t, err)
	return raw
}

// The data-availability layer is away: admission refuses once the bound is
// reached, and all goes on when it is back.
func TestBackPressure(t *testing.T) {
	w := newWorld(t, 10)
	layer := &switchedDA{DAClient: w.da}
	w.da = layer
	s := w.open(func(c *sequencer.Config) {
		c.BlockInterval, c.UnpublishedBlocks = 20*time.Millisecond, 3
	})
	stop := running(s.Run)
	stopProver := running(w.prover().Run)
	lane := w.load.Lanes(1)[0]
	layer.set(false)
	accepted := 0
	deadline := time.Now().Add(20 * time.Second)
	var refused error
	pending := lane.Next()
	for refused == nil && time.Now().Before(deadline) {
		if _, err := s.Submit(context.Background(), pending.Raw); err != nil {
			refused = err
			break
		}
		accepted++
		pending = lane.Next()
	}
	require.ErrorIs(t, refused, chain.ErrBusy)
	layer.set(true)
	w.eventually("admission opens again", func() bool {
		_, err := s.Submit(context.Background(), pending.Raw)
		return err == nil
	})
	target := s.Heads().Preconfirmed.Number
	w.eventually("everything is proven", func() bool { return s.Heads().Proven.Number >= target })
	require.Equal(t, uint64(accepted+1), s.Stats().Transactions)
	require.NoError(t, stop())
	require.NoError(t, stopProver())
	require.NoError(t, s.Close())
}

type switchedDA struct {
	chain.DAClient
	mu  sync.Mutex
	off bool
}

func (d *switchedDA) set(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = !on
}

func (d *switchedDA) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	d.mu.Lock()
	off := d.off
	d.mu.Unlock()
	if off {
		return nil, chain.ErrBusy
	}
	return d.DAClient.Put(ctx, blob)
}

// A follower refuses what was damaged on the way and stays where it was; the
// sequencer does not notice.
func TestFollowerRefusesDamage(t *testing.T) {
	for name, damage := range map[string]func(n int, msg []byte) []byte{
		"bit of a diff": func(n int, msg []byte) []byte {
			if n == 5 {
				msg[len(msg)-20] ^= 1
			}
			return msg
		},
		"lost frame": func(n int, msg []byte) []byte {
			if n == 5 {
				return []byte{link.FeedFrame}
			}
			return msg
		},
		"wrong root": func(n int, msg []byte) []byte {
			var sealed chain.Sealed
			kind, body, _ := link.ParseFeed(msg)
			if kind == link.FeedHeader && sealed.UnmarshalBinary(body) == nil && sealed.Header.Number == 2 {
				sealed.Header.StateRoot[3] ^= 1
				body, _ = sealed.AppendBinary(nil)
				return link.AppendFeed(nil, link.FeedHeader, body)
			}
			return msg
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 10)
			n := 0
			w.bus.Tap(func(topic string, msg []byte) []byte {
				if topic != link.TopicFeed {
					return msg
				}
				n++
				return damage(n, msg)
			})
			s := w.open()
			f := w.follower(false)
			stop := running(s.Run)
			stopFollower := running(f.Run)
			w.submit(s, w.load.Lanes(1)[0].Batch(200))
			w.eventually("follower refuses", func() bool { return f.Refused() != nil })
			require.Error(t, stopFollower())
			at := f.Heads()
			h, err := s.Header(at.RootChecked.Number)
			require.NoError(t, err)
			require.Equal(t, h.ID(), at.RootChecked, "it stands on a block that was sealed")
			require.NoError(t, stop())
			require.NoError(t, s.Close())
			require.NoError(t, f.Close())
		})
	}
}

// anotherStore is a store that is not package state's, as far as anybody can see.
type anotherStore struct{ sequencer.Store }

func newAnotherStore(t *testing.T) anotherStore {
	store, err := state.Open(state.Config{})
	require.NoError(t, err)
	return anotherStore{store}
}

// The roles work with any store behind the contract, through restarts from
// snapshots too.
func TestAnotherStore(t *testing.T) {
	w := newWorld(t, 10)
	lane := w.load.Lanes(1)[0]
	stopProver := running(w.prover().Run)
	for range 2 {
		s := w.open(func(c *sequencer.Config) { c.Store, c.SnapshotBlocks = newAnotherStore(t), 2 })
		stop := running(s.Run)
		target := s.Heads().Preconfirmed.Number + 3
		w.submit(s, lane.Batch(20))
		w.eventually("blocks are proven", func() bool { return s.Heads().Proven.Number >= target })
		require.NoError(t, stop())
		require.NoError(t, s.Close())
	}
	require.NoError(t, stopProver())
	follower, err := fullnode.New(context.Background(), fullnode.Config{
		Genesis: w.spec.Genesis, Subscriber: w.bus, DA: w.da, FromSnapshot: true, Store: newAnotherStore(t),
	})
	require.NoError(t, err)
	begun := follower.Heads().RootChecked.Number
	require.NotZero(t, begun)
	s := w.open(func(c *sequencer.Config) { c.Store = newAnotherStore(t) })
	stop, stopFollower := running(s.Run), running(follower.Run)
	w.eventually("it follows", func() bool { return follower.Heads().RootChecked.Number > begun })
	require.NoError(t, stop())
	require.NoError(t, stopFollower())
	require.NoError(t, s.Close())
	require.NoError(t, follower.Close())
}
