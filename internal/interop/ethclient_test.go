package interop

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethclient/gethclient"
	"github.com/ethereum/go-ethereum/params"
	ethrpc "github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// TestEthclient is what the scripts do, by go-ethereum's own client.
func TestEthclient(t *testing.T) {
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil), GasLimit: gasLimit})
	require.NoError(t, err)
	ours := startNetwork(t, spec)
	geth := startGeth(t)[0]
	for i, at := range []endpoints{geth, ours.sequencer.endpoints, ours.fullnode.endpoints} {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			u := newGopher(t, at, i)
			u.deploy()
			u.readsAndWrites()
			u.reverts()
			u.estimates()
			u.proves()
			u.batches()
		})
	}
}

// A gopher is a user of ethclient.
type gopher struct {
	*testing.T
	http, ws *ethclient.Client
	key      common.Hash
	address  common.Address
	probe    *probe
	contract common.Address
}

func newGopher(t *testing.T, at endpoints, account int) *gopher {
	dial := func(url string) *ethclient.Client {
		client, err := ethclient.Dial(url)
		require.NoError(t, err)
		t.Cleanup(client.Close)
		return client
	}
	who := genesis.DevAccounts()[account]
	return &gopher{T: t, http: dial(at.http), ws: dial(at.ws), key: who.Key, address: who.Address, probe: readProbe(t)}
}

// sign signs a transaction with the fees and the gas that the node suggests.
func (u *gopher) sign(to *common.Address, value int64, data []byte) *types.Transaction {
	ctx := u.Context()
	nonce, err := u.http.PendingNonceAt(ctx, u.address)
	require.NoError(u, err)
	tip, err := u.http.SuggestGasTipCap(ctx)
	require.NoError(u, err)
	head, err := u.http.HeaderByNumber(ctx, nil)
	require.NoError(u, err)
	gas, err := u.http.EstimateGas(ctx, ethereum.CallMsg{From: u.address, To: to, Value: big.NewInt(value), Data: data})
	require.NoError(u, err)
	key, err := crypto.ToECDSA(u.key[:])
	require.NoError(u, err)
	fee := new(big.Int).Add(tip, new(big.Int).Lsh(head.BaseFee, 1))
	tx, err := types.SignNewTx(key, signer, &types.DynamicFeeTx{
		ChainID: signer.ChainID(), Nonce: nonce, To: to, Value: big.NewInt(value), Data: data, Gas: gas, GasTipCap: tip, GasFeeCap: fee,
	})
	require.NoError(u, err)
	return tx
}

// mined waits for the receipt of a sealed block.
func (u *gopher) mined(hash common.Hash) *types.Receipt {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		receipt, err := u.http.TransactionReceipt(u.Context(), hash)
		if err == nil {
			return receipt
		}
		require.ErrorIs(u, err, ethereum.NotFound)
		require.True(u, time.Now().Before(deadline), "no receipt of %s", hash)
	}
}

func (u *gopher) deploy() {
	tx := u.sign(nil, 1000, u.probe.creation(u.T, "gopher", big.NewInt(7)))
	require.NoError(u, u.http.SendTransaction(u.Context(), tx))
	receipt := u.mined(tx.Hash())
	require.EqualValues(u, types.ReceiptStatusSuccessful, receipt.Status)
	require.Equal(u, crypto.CreateAddress(u.address, tx.Nonce()), receipt.ContractAddress)
	u.contract = receipt.ContractAddress
	block, err := u.http.BlockByHash(u.Context(), receipt.BlockHash) // checks the roots of its lists
	require.NoError(u, err)
	require.Equal(u, tx.Hash(), block.Transactions()[receipt.TransactionIndex].Hash())
	require.Equal(u, receipt.BlockHash, block.Hash(), "the header's hash, computed here")
}

func (u *gopher) call(method string, args ...any) []any {
	out, err := u.http.CallContract(u.Context(), u.message(method, args...), nil)
	require.NoError(u, err)
	values, err := u.probe.ABI.Unpack(method, out)
	require.NoError(u, err)
	return values
}

func (u *gopher) message(method string, args ...any) ethereum.CallMsg {
	return ethereum.CallMsg{From: u.address, To: &u.contract, Data: u.probe.call(u.T, method, args...)}
}

func (u *gopher) readsAndWrites() {
	ctx := u.Context()
	require.Equal(u, []any{"gopher"}, u.call("name"))
	heads, logs := make(chan *types.Header, 100), make(chan types.Log, 100)
	headSub, err := u.ws.SubscribeNewHead(ctx, heads)
	require.NoError(u, err)
	defer headSub.Unsubscribe()
	query := ethereum.FilterQuery{Addresses: []common.Address{u.contract}}
	logSub, err := u.ws.SubscribeFilterLogs(ctx, query, logs)
	require.NoError(u, err)
	defer logSub.Unsubscribe()

	tx := u.sign(&u.contract, 0, u.probe.call(u.T, "store", big.NewInt(8), "hello"))
	receipt, err := u.http.SendTransactionSync(ctx, tx, nil)
	require.NoError(u, err)
	require.Equal(u, tx.Hash(), receipt.TxHash)
	require.Equal(u, []any{big.NewInt(8)}, u.call("value"))
	require.Equal(u, tx.Hash(), (<-logs).TxHash)
	sealed := u.mined(tx.Hash())
	require.Equal(u, sealed.GasUsed, receipt.GasUsed)
	require.Equal(u, sealed.BlockNumber, receipt.BlockNumber)
	for head := range heads {
		if head.Number.Cmp(sealed.BlockNumber) >= 0 {
			break
		}
	}
	query.FromBlock = sealed.BlockNumber
	found, err := u.http.FilterLogs(ctx, query)
	require.NoError(u, err)
	require.Len(u, found, 1)
	require.Equal(u, sealed.BlockHash, found[0].BlockHash)
	receipts, err := u.http.BlockReceipts(ctx, ethrpc.BlockNumberOrHashWithHash(sealed.BlockHash, false))
	require.NoError(u, err)
	require.Equal(u, sealed, receipts[sealed.TransactionIndex])
	again, pending, err := u.http.TransactionByHash(ctx, tx.Hash())
	require.NoError(u, err)
	require.False(u, pending)
	require.Equal(u, tx.Hash(), again.Hash())
}

func (u *gopher) reverts() {
	for given, want := range map[int64]string{
		0: "execution reverted: zero is not allowed", 101: "execution reverted: division or modulo by zero", 5: "execution reverted",
	} {
		_, err := u.http.CallContract(u.Context(), u.message("fail", big.NewInt(given)), nil)
		require.EqualError(u, err, want)
		var data ethrpc.DataError
		require.ErrorAs(u, err, &data)
		require.Equal(u, 3, data.(ethrpc.Error).ErrorCode())
		if given == 0 {
			reason, err := abi.UnpackRevert(hexutil.MustDecode(data.ErrorData().(string)))
			require.NoError(u, err)
			require.Equal(u, "zero is not allowed", reason)
		}
	}
}

func (u *gopher) estimates() {
	ctx := u.Context()
	history, err := u.http.FeeHistory(ctx, 2, nil, []float64{50})
	require.NoError(u, err)
	require.Len(u, history.Reward, len(history.GasUsedRatio))
	price, err := u.http.SuggestGasPrice(ctx)
	require.NoError(u, err)
	require.Positive(u, price.Sign())
	list, gas, failed, err := gethclient.New(u.http.Client()).CreateAccessList(ctx, u.message("store", big.NewInt(9), ""))
	require.NoError(u, err)
	require.Empty(u, failed)
	require.Greater(u, gas, params.TxGas)
	require.Equal(u, types.AccessList{{Address: u.contract, StorageKeys: []common.Hash{{31: 1}}}}, *list)
}

func (u *gopher) proves() {
	proof, err := gethclient.New(u.http.Client()).GetProof(u.Context(), u.contract, []string{"0x1"}, nil)
	require.NoError(u, err)
	code, err := u.http.CodeAt(u.Context(), u.contract, nil)
	require.NoError(u, err)
	require.Equal(u, crypto.Keccak256Hash(code), proof.CodeHash)
	require.EqualValues(u, 8, proof.StorageProof[0].Value.Int64())
}

func (u *gopher) batches() {
	batch := make([]ethrpc.BatchElem, 100)
	for i := range batch {
		batch[i] = ethrpc.BatchElem{Method: "eth_getBalance", Args: []any{u.contract, "latest"}, Result: new(hexutil.Big)}
	}
	batch[50].Method = "eth_noSuchMethod"
	require.NoError(u, u.ws.Client().BatchCallContext(u.Context(), batch))
	for i, elem := range batch {
		if i == 50 {
			var coded ethrpc.Error
			require.ErrorAs(u, elem.Error, &coded)
			require.Equal(u, -32601, coded.ErrorCode())
			continue
		}
		require.NoError(u, elem.Error)
		require.EqualValues(u, 1000, elem.Result.(*hexutil.Big).ToInt().Int64())
	}
}
