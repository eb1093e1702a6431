package interop

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	ethrpc "github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Who hears of a head may ask for everything about it at once: the block, its receipts,
// its state and proofs of that. So may who asks for the newest number.
func TestHeadsAreComplete(t *testing.T) {
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)})
	require.NoError(t, err)
	n := startNetwork(t, spec)
	for _, d := range []*door{n.sequencer, n.fullnode} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			ws, err := ethrpc.Dial(d.ws)
			require.NoError(t, err)
			defer ws.Close()
			heads := make(chan struct{ Number, Hash string }, 100)
			sub, err := ws.EthSubscribe(t.Context(), heads, "newHeads")
			require.NoError(t, err)
			defer sub.Unsubscribe()
			for range 15 {
				select {
				case head := <-heads:
					requireComplete(t, d, head.Number)
					requireComplete(t, d, map[string]any{"blockHash": head.Hash})
				case err := <-sub.Err():
					require.NoError(t, err)
				}
				var number string
				require.NoError(t, d.client.CallContext(t.Context(), &number, "eth_blockNumber"))
				requireComplete(t, d, number)
			}
		})
	}
}

func requireComplete(t *testing.T, d *door, at any) {
	t.Helper()
	account := genesis.DevAccounts()[0].Address
	for _, r := range []request{
		{"eth_getBlockReceipts", []any{at}},
		{"eth_getBalance", []any{account, at}},
		{"eth_call", []any{map[string]any{"to": account}, at}},
		{"eth_getProof", []any{account, []common.Hash{}, at}},
	} {
		var answer json.RawMessage
		require.NoError(t, d.client.CallContext(t.Context(), &answer, r.method, r.params...), r.String())
		require.NotEqual(t, "null", string(answer), r.String())
	}
}
