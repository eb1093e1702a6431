package node_test

import (
	"context"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/call"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/state"
)

// A running sequencer, and the door's methods over it.
type running struct {
	*node.Sequencer
	t     *testing.T
	eth   *ethapi.API
	calls *calls.API
	nonce uint64
}

// run starts a sequencer. baseFee fixes what blocks charge; nil: EIP-1559.
func run(t *testing.T, gasLimit uint64, block time.Duration, baseFee *uint256.Int) *running {
	spec := rpctest.DevSpec(t, nil)
	store, err := history.Open(history.Config{Dir: t.TempDir(), Genesis: spec.Genesis.Header})
	require.NoError(t, err)
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	s, err := sequencer.New(t.Context(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: t.TempDir(), Durability: state.DurabilityNone, Executor: engine,
		DA: inprocess.New(), BlockInterval: block, Logger: slog.New(slog.DiscardHandler), History: store,
		TimestampAhead: -1, GasLimit: gasLimit, BaseFee: baseFee,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
		require.NoError(t, store.Close())
	})
	b := node.OfSequencer(s, store)
	r := &running{Sequencer: b, t: t, eth: ethapi.New(b, ethapi.Options{})}
	r.calls, err = calls.New(calls.Options{Backend: b, Engine: engine, TipCap: r.eth.MaxPriorityFeePerGas})
	require.NoError(t, err)
	return r
}

// transfer is the next transaction of account 0, at a price.
func (r *running) transfer(price *big.Int) []byte {
	key := rpctest.AccountAt(0).Key
	tx := types.MustSignNewTx(key, types.LatestSigner(r.ChainConfig()), &types.LegacyTx{Nonce: r.nonce, GasPrice: price, Gas: 21000, To: &common.Address{1}})
	r.nonce++
	raw, err := tx.MarshalBinary()
	require.NoError(r.t, err)
	return raw
}

// pastBlock waits until there is another sealed block.
func (r *running) pastBlock() {
	head := r.History().Head().Number
	require.Eventually(r.t, func() bool { return r.History().Head().Number > head }, 10*time.Second, time.Millisecond)
}

// With the price that was quoted a transaction is taken, also when nothing has executed
// yet in the block that is open, which costs more than the one before.
func TestQuotedPriceIsTaken(t *testing.T) {
	r := run(t, 1_000_000, time.Second, nil)
	var base *hexutil.Big
	for risen := false; !risen; { // the transactions may be in two blocks, neither of them full
		for range 46 {
			_, err := r.Submit(t.Context(), r.transfer(big.NewInt(2e9)))
			require.NoError(t, err)
		}
		r.pastBlock()
		header, err := r.History().Header(r.History().Head().Number)
		require.NoError(t, err)
		base, err = r.eth.BaseFee(t.Context())
		require.NoError(t, err)
		risen = base.ToInt().Cmp(header.BaseFee.ToBig()) > 0
	}
	price, err := r.eth.GasPrice(t.Context())
	require.NoError(t, err)
	_, err = r.Submit(t.Context(), r.transfer(price.ToInt()))
	require.NoError(t, err)
	filled, err := r.calls.FillTransaction(t.Context(), call.Args{To: &common.Address{1}})
	require.NoError(t, err)
	require.GreaterOrEqual(t, filled.Tx.GasFeeCap().Cmp(base.ToInt()), 0)
}

// A chain that fixes its base fee quotes that, also while nothing happens.
func TestFixedBaseFee(t *testing.T) {
	r := run(t, 0, 50*time.Millisecond, uint256.NewInt(1e9))
	for range 3 {
		r.pastBlock()
		fee, err := r.eth.BaseFee(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1e9, fee.ToInt().Uint64())
		for _, last := range []rpc.BlockNumber{1, rpc.LatestBlockNumber} {
			fees, err := r.eth.FeeHistory(t.Context(), 1, last, nil)
			require.NoError(t, err)
			require.EqualValues(t, 1e9, fees.BaseFee[1].ToInt().Uint64(), "after block %s", last)
		}
	}
}

// A transaction that was taken is never unknown, while it goes from the pool to a block.
func TestSentTransactionIsKnown(t *testing.T) {
	r := run(t, 0, 100*time.Millisecond, nil)
	for range 200 {
		hash, err := r.Send(t.Context(), r.transfer(big.NewInt(2e9)))
		require.NoError(t, err)
		for executed := false; !executed; {
			_, _, err := r.History().Tx(hash)
			executed = err == nil
			tx, err := r.eth.GetTransactionByHash(t.Context(), hash)
			require.NoError(t, err)
			require.NotNil(t, tx)
		}
	}
}

// Calls at latest read the parent's hash from the contract of EIP-2935, as a
// transaction in that block does.
func TestCallReadsParentHash(t *testing.T) {
	r := run(t, 0, 100*time.Millisecond, nil)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		_, err := r.Submit(t.Context(), r.transfer(big.NewInt(2e9)))
		require.NoError(t, err)
		_, env := r.Latest()
		for n := max(env.Number, 3) - 3; n < env.Number; n++ {
			header, err := r.History().WaitHeader(t.Context(), n)
			require.NoError(t, err)
			number := uint256.NewInt(n).Bytes32()
			input, to := hexutil.Bytes(number[:]), chain.HistoryStorageAddress
			out, err := r.calls.Call(t.Context(), call.Args{To: &to, Input: &input}, nil, nil, nil)
			require.NoError(t, err)
			require.Equal(t, header.Hash(), common.BytesToHash(out), "block %d at %d", n, env.Number)
			state, err := backend.StateOf(t.Context(), r, backend.OrLatest(nil))
			require.NoError(t, err)
			slot, err := state.View.Slot(to, chain.HistorySlot(n))
			require.NoError(t, err)
			require.Equal(t, header.Hash(), common.Hash(slot.Bytes32()), "block %d at %d", n, env.Number)
		}
	}
}
