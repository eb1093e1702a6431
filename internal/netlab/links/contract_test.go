package links

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// counter deploys a contract that adds one to slot 0 when it is called without data,
// and returns slot 0 when there is some:
//
//	CALLDATASIZE PUSH1 read JUMPI; PUSH1 1 PUSH0 SLOAD ADD PUSH0 SSTORE STOP;
//	read: JUMPDEST PUSH0 SLOAD PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
var counter = common.FromHex("60158060095f395ff3" + "36600c5760015f54015f5500" + "5b5f545f5260205ff3")

// A contract is deployed and used through the full node's door by go-ethereum's client,
// while the full node has everything from the network alone.
func TestContract(t *testing.T) {
	w := newWorld(t, ordinary)
	door := w.nodes[0].door("")
	c := &deployer{world: w, client: ethclient.NewClient(door)}
	defer c.client.Close()
	account := genesis.DevAccounts()[0]
	c.address = account.Address
	var err error
	c.key, err = crypto.ToECDSA(account.Key[:])
	require.NoError(t, err)

	deployed := c.send(nil, counter)
	at := deployed.ContractAddress
	code, err := c.client.CodeAt(t.Context(), at, nil)
	require.NoError(t, err)
	require.Equal(t, counter[9:], code)
	for range 3 {
		c.send(&at, nil)
	}
	got, err := c.client.CallContract(t.Context(), ethereum.CallMsg{To: &at, Data: []byte{1}}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, new(big.Int).SetBytes(got).Uint64())
	w.settle()
}

// A deployer sends transactions of one account by a full node's door.
type deployer struct {
	*world
	client  *ethclient.Client
	address common.Address
	key     *ecdsa.PrivateKey
}

// send waits until the full node has the transaction's receipt, in a sealed block.
func (d *deployer) send(to *common.Address, data []byte) (r *types.Receipt) {
	d.Helper()
	nonce, err := d.client.PendingNonceAt(d.Context(), d.address)
	require.NoError(d, err)
	signer := types.LatestSignerForChainID(big.NewInt(genesis.DevChainID))
	tx, err := types.SignNewTx(d.key, signer, &types.DynamicFeeTx{
		ChainID: big.NewInt(genesis.DevChainID), Nonce: nonce, To: to, Data: data, Gas: 500_000,
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(10 * params.GWei),
	})
	require.NoError(d, err)
	require.NoError(d, d.client.SendTransaction(d.Context(), tx))
	d.nodes[0].await("receipt", func() (err error) {
		r, err = d.client.TransactionReceipt(context.Background(), tx.Hash())
		return err
	})
	require.Equal(d, types.ReceiptStatusSuccessful, r.Status)
	d.nodes[0].reaches("latest", r.BlockNumber.Uint64())
	return r
}
