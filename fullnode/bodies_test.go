package fullnode_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// A diary is a History that remembers what it was told, as comparable bytes: of each
// block its transactions, receipts, mini-blocks and header.
type diary struct {
	mu     sync.Mutex
	blocks map[uint64][]common.Hash
	sealed uint64
	drops  int
}

func newDiary() *diary { return &diary{blocks: make(map[uint64][]common.Hash)} }

func (d *diary) note(number uint64, parts ...[]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocks[number] = append(d.blocks[number], chain.Keccak256(parts...))
	return nil
}

func (d *diary) Rewind(uint64) error { return nil }

func (d *diary) Check(*chain.Header) error { return nil }

func (d *diary) OpenBlock(env *chain.Env) error {
	b, _ := env.AppendBinary(nil)
	return d.note(env.Number, b)
}

// Acknowledge notes each transaction: a full node gets them in other portions.
func (d *diary) Acknowledge(number uint64, txs []*chain.Tx, receipts []*chain.Receipt) error {
	for i, r := range receipts {
		place := []byte{byte(r.TransactionIndex), byte(r.FirstLogIndex), r.Type}
		if err := d.note(number, txs[i].Raw(), r.AppendConsensus(nil), r.TxHash[:], place); err != nil {
			return err
		}
	}
	return nil
}

func (d *diary) SealMini(frame *chain.Frame, digest common.Hash, changes *chain.Changes) error {
	b, _ := changes.AppendBinary(nil)
	return d.note(frame.Number, digest[:], b)
}

func (d *diary) Seal(h *chain.Header) error {
	hash := h.Hash()
	if err := d.note(h.Number, hash[:]); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = h.Number
	return nil
}

func (d *diary) Drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for number := range d.blocks {
		if number > d.sealed {
			delete(d.blocks, number)
		}
	}
	d.drops++
}

func (d *diary) Head() chain.BlockID {
	return chain.BlockID{Number: d.head()}
}

func (d *diary) Persist(context.Context, uint64) error { return nil }

// upTo is what the diary has of blocks 1 to number.
func (d *diary) upTo(number uint64) (out [][]common.Hash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := uint64(1); n <= number; n++ {
		out = append(out, d.blocks[n])
	}
	return out
}

func (d *diary) head() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sealed
}

// recordBodies runs a sequencer for some blocks, and returns what went over the bus
// and what the sequencer's own history was told.
func recordBodies(t testing.TB) (*genesis.Spec, *link.Bus, *diary) {
	load, err := datagen.New(datagen.Config{Seed: 4, Accounts: 10, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	require.NoError(t, err)
	bus, told := link.NewBus(1<<30), newDiary()
	s, err := sequencer.New(context.Background(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), Durability: state.DurabilityNone,
		DA: inprocess.New(), Publisher: bus, Subscriber: bus, BaseFee: uint256.NewInt(genesis.DevBaseFee),
		MiniBlockInterval: time.Millisecond, BlockInterval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		History: told,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for _, tx := range load.Lanes(1)[0].Batch(150) {
		_, err := s.Submit(ctx, tx.Raw)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return s.Heads().RootChecked.Number >= 4 }, 10*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, s.Close())
	return spec, bus, told
}

// keepUp runs a full node with a history over what the subscriber has, until it has
// come to block number or Run has ended.
func keepUp(t *testing.T, spec *genesis.Spec, sub fullnode.Subscriber, number uint64) (*diary, error) {
	told := newDiary()
	f, err := fullnode.New(context.Background(), fullnode.Config{Genesis: spec.Genesis, Subscriber: sub, History: told})
	require.NoError(t, err)
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	for {
		select {
		case err := <-done:
			return told, err
		case <-time.After(time.Millisecond):
			if told.head() >= number {
				cancel()
				return told, <-done
			}
		}
	}
}

// What a full node's history is told is what the sequencer's was.
func TestHistoryEqualsSequencers(t *testing.T) {
	spec, bus, want := recordBodies(t)
	number := want.head()
	require.GreaterOrEqual(t, number, uint64(4))
	got, err := keepUp(t, spec, bus, number)
	require.NoError(t, err)
	require.Equal(t, want.upTo(number), got.upTo(number))
}

// spoiled alters the first body that has transactions.
type spoiled struct {
	*link.Bus
	spoil func(*chain.MiniBody)
	block uint64 // of which that body is
}

func (s *spoiled) Subscribe(ctx context.Context, topic string, from uint64) (func(context.Context) (uint64, []byte, error), error) {
	next, err := s.Bus.Subscribe(ctx, topic, from)
	if err != nil || topic != link.TopicBodies {
		return next, err
	}
	done := false
	return func(ctx context.Context) (uint64, []byte, error) {
		seq, msg, err := next(ctx)
		if err != nil || done {
			return seq, msg, err
		}
		var body chain.MiniBody
		if err := body.UnmarshalBinary(msg); err != nil || len(body.Txs) == 0 {
			return seq, msg, err
		}
		done, s.block = true, body.Number
		s.spoil(&body)
		msg, err = body.AppendBinary(nil)
		return seq, msg, err
	}, nil
}
