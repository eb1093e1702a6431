package sequencer_test

import (
	"context"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Transactions read the history contract of EIP-2935 and send it wei, so that the
// account changes in the very blocks whose deferred write goes to its storage. The
// blocks are sealed, followed, proven, and recovered all the same.
func TestHistoryContract(t *testing.T) {
	w := newWorld(t, 2)
	follower := w.follower(false)
	stopFollower, stopProver := running(follower.Run), running(w.prover().Run)
	signer := types.LatestSigner(w.spec.Config)
	nonce := uint64(0)
	call := func(block uint64) []byte {
		number := common.BigToHash(new(big.Int).SetUint64(block))
		tx, err := types.SignNewTx(w.load.Key(0), signer, &types.DynamicFeeTx{
			ChainID: w.spec.Config.ChainID, Nonce: nonce, To: &chain.HistoryStorageAddress, Gas: 100_000,
			GasFeeCap: big.NewInt(2 * genesis.DevBaseFee), GasTipCap: big.NewInt(1), Value: big.NewInt(1), Data: number[:],
		})
		require.NoError(t, err)
		raw, err := tx.MarshalBinary()
		require.NoError(t, err)
		nonce++
		return raw
	}
	for round := range 3 {
		s := w.open()
		stop := running(s.Run)
		for range 6 {
			// The parent of the open block, most of the time: its hash is a future.
			number := s.Heads().Preconfirmed.Number
			receipt, err := s.Submit(context.Background(), call(max(number, 1)-1))
			require.NoError(t, err)
			require.Equal(t, uint64(1), receipt.Status, "round %d", round)
			sealed := s.Heads().RootChecked.Number
			w.eventually("the next block is sealed", func() bool { return s.Heads().RootChecked.Number > sealed })
		}
		view, _ := s.View()
		account, _, err := view.Account(chain.HistoryStorageAddress)
		require.NoError(t, err)
		require.Equal(t, nonce, account.Balance.Uint64())
		target := s.Heads().RootChecked.Number
		w.eventually("all is proven", func() bool { return s.Heads().Proven.Number >= target })
		w.eventually("all is followed", func() bool { return follower.Heads().RootChecked.Number >= target })
		require.NoError(t, stop())
		require.NoError(t, s.Close())
	}
	require.NoError(t, stopFollower())
	require.NoError(t, stopProver())
	require.NoError(t, follower.Refused())
	require.NoError(t, follower.Close())
}
