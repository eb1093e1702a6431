package execution_test

import (
	"context"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// A transaction is decoded once, and its sender recovered once.
func TestCaches(t *testing.T) {
	tx := call(t, 0, bob, 1, 21000)
	first, err := execution.Decode(tx)
	require.NoError(t, err)
	again, err := execution.Decode(tx)
	require.NoError(t, err)
	require.Same(t, first, again)

	e, env := engineAt(t, "London"), envAt("London")
	sender, err := e.Sender(tx, env)
	require.NoError(t, err)
	require.Equal(t, alice, sender)
	cached, ok := tx.Sender()
	require.True(t, ok)
	require.Equal(t, alice, cached)

	tx.SetSender(bob)
	sender, err = e.Sender(tx, env)
	require.NoError(t, err)
	require.Equal(t, bob, sender, "a cached sender is trusted")
}

func TestDecodeRefusesSidecar(t *testing.T) {
	var (
		blob       kzg4844.Blob
		commitment kzg4844.Commitment
		proof      kzg4844.Proof
		sidecar    = types.NewBlobTxSidecar(types.BlobSidecarVersion0, []kzg4844.Blob{blob}, []kzg4844.Commitment{commitment}, []kzg4844.Proof{proof})
		hash       = sha256.Sum256(commitment[:])
	)
	hash[0] = 1
	with := types.NewTx(&types.BlobTx{
		ChainID: uint256.NewInt(1), To: bob, BlobHashes: []common.Hash{hash}, Sidecar: sidecar,
	})
	_, err := execution.Decode(wrap(t, with))
	require.ErrorIs(t, err, execution.ErrSidecar)
	require.ErrorIs(t, err, chain.ErrInvalidTx)
	_, err = execution.Decode(wrap(t, with.WithoutBlobTxSidecar()))
	require.NoError(t, err)
}

// Every reason why a transaction is invalid, in Ethereum's words.
func TestInvalidTx(t *testing.T) {
	id := big.NewInt(1)
	max256 := new(uint256.Int).SetAllOne().ToBig()
	dynamic := func(change func(*types.DynamicFeeTx)) *chain.Tx {
		data := &types.DynamicFeeTx{ChainID: id, To: &bob, Gas: 21000, GasFeeCap: big.NewInt(10), GasTipCap: big.NewInt(1), Value: new(big.Int)}
		change(data)
		return sign(t, data)
	}
	unsigned := types.NewTx(&types.DynamicFeeTx{ChainID: id, To: &bob, Gas: 21000, GasFeeCap: big.NewInt(10)})
	protected, err := types.SignNewTx(aliceKey, types.NewEIP155Signer(big.NewInt(5)), &types.LegacyTx{To: &bob, Gas: 21000, GasPrice: big.NewInt(10)})
	require.NoError(t, err)
	oversized := types.NewTx(&types.LegacyTx{Value: new(big.Int).Lsh(big.NewInt(1), 256), V: big.NewInt(27), R: big.NewInt(1), S: big.NewInt(1)})
	for _, test := range []struct {
		name, fork string
		tx         *chain.Tx
		want       error
		stateless  bool // CheckTx sees it
	}{
		{"no bytes", "Osaka", chain.NewTx(nil), execution.ErrUndecodable, true},
		{"trailing byte", "Osaka", chain.NewTx(append(call(t, 0, bob, 1, 21000).Raw(), 0)), execution.ErrUndecodable, true},
		{"value of 2^256", "Osaka", wrap(t, oversized), execution.ErrUndecodable, true},
		{"type too new", "Istanbul", sign(t, &types.AccessListTx{ChainID: id, Gas: 21000}), execution.ErrTxTypeUnsupported, true},
		{"type too new", "Berlin", dynamic(func(*types.DynamicFeeTx) {}), execution.ErrTxTypeUnsupported, true},
		{"type too new", "Shanghai", blobTx(t, 1, 1), execution.ErrTxTypeUnsupported, true},
		{"type too new", "Cancun", sign(t, &types.SetCodeTx{ChainID: uint256.NewInt(1)}), execution.ErrTxTypeUnsupported, true},
		{"unsigned", "Osaka", wrap(t, unsigned), execution.ErrInvalidSender, true},
		{"protected too early", "Homestead", wrap(t, protected), execution.ErrInvalidSender, true},
		{"legacy of other chain", "Osaka", wrap(t, protected), execution.ErrInvalidChainID, true},
		{"of other chain", "Osaka", sign(t, &types.AccessListTx{ChainID: id, Gas: 21000}), execution.ErrFeeCapTooLow, true},
		{"nonce", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Nonce = 2 }), execution.ErrNonceTooLow, false},
		{"nonce", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Nonce = 4 }), execution.ErrNonceTooHigh, false},
		{"nonce", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Nonce = 1<<64 - 1 }), execution.ErrNonceMax, true},
		{"balance", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Nonce = 3; x.Value = big.NewInt(ether) }), execution.ErrInsufficientFunds, false},
		{"balance", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Nonce = 3; x.GasFeeCap = max256 }), execution.ErrInsufficientFunds, true},
		{"gas", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Gas = 20999 }), execution.ErrIntrinsicGas, true},
		{"gas", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Gas = 21000 + 16; x.Data = []byte{1} }), execution.ErrFloorDataGas, true},
		{"gas", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.Gas = 1<<24 + 1 }), execution.ErrGasLimitTooHigh, true},
		{"gas", "Prague", dynamic(func(x *types.DynamicFeeTx) { x.Gas = 30_000_001 }), execution.ErrExceedsGasLimit, true},
		{"tip", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.GasTipCap = big.NewInt(11) }), execution.ErrTipAboveFeeCap, true},
		{"fee cap", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.GasFeeCap = big.NewInt(6) }), execution.ErrFeeCapTooLow, true},
		{"init code", "Osaka", dynamic(func(x *types.DynamicFeeTx) { x.To, x.Data = nil, make([]byte, 49153) }), execution.ErrInitCodeTooLarge, true},
		{"blobs", "Osaka", blobTx(t, 0, 1), execution.ErrMissingBlobHashes, true},
		{"blobs", "Osaka", blobTx(t, 7, 1), execution.ErrTooManyBlobs, true},
		{"blobs", "Osaka", blobTx(t, 1, 0), execution.ErrBlobFeeCapTooLow, true},
		{"blobs", "Osaka", sign(t, &types.BlobTx{ChainID: uint256.NewInt(1), Gas: 21000, GasFeeCap: uint256.NewInt(10), BlobFeeCap: uint256.NewInt(1),
			BlobHashes: []common.Hash{{2}}}), execution.ErrBlobHashVersion, true},
		{"authorizations", "Osaka", sign(t, &types.SetCodeTx{ChainID: uint256.NewInt(1), Gas: 21000, GasFeeCap: uint256.NewInt(10)}), execution.ErrEmptyAuthList, true},
	} {
		t.Run(test.fork+" "+test.name, func(t *testing.T) {
			var (
				e     = engineAt(t, test.fork)
				env   = envAt(test.fork)
				state = accounts{alice: {nonce: 3, balance: 1_000_000_000}}
			)
			err := e.CheckTx(test.tx, env)
			if test.stateless {
				require.ErrorIs(t, err, test.want)
				require.ErrorIs(t, err, chain.ErrInvalidTx)
			} else {
				require.NoError(t, err)
			}
			r, access, err := e.Transact(context.Background(), env, nil, state, test.tx)
			require.NoError(t, err)
			require.ErrorIs(t, r.Err, test.want)
			require.ErrorIs(t, r.Err, chain.ErrInvalidTx)
			require.ErrorContains(t, r.Err, test.want.Error())
			require.Equal(t, chain.TxResult{Err: r.Err}, r)
			require.Empty(t, access.Diff(new(chain.AccessSet)))
		})
	}
}

// A contract sends nothing (EIP-3607), unless its code is a delegation.
func TestSenderWithCode(t *testing.T) {
	var (
		state = accounts{alice: {balance: ether, code: []byte{0}}}
		e     = engineAt(t, "Prague")
		run   = func() error {
			r, _, err := e.Transact(context.Background(), envAt("Prague"), nil, state, call(t, 0, bob, 1, 21000))
			require.NoError(t, err)
			return r.Err
		}
	)
	require.ErrorIs(t, run(), execution.ErrSenderNoEOA)
	state[alice] = account{balance: ether, code: types.AddressToDelegation(bob)}
	require.NoError(t, run())
}

// Whatever the bytes, Decode and CheckTx come to an answer, which is go-ethereum's: they
// take the same transactions, and find the same senders.
func FuzzDecode(f *testing.F) {
	e, env := engineAt(f, "Osaka"), envAt("Osaka")
	f.Fuzz(func(t *testing.T, raw []byte) {
		var (
			tx     = chain.NewTx(raw)
			theirs types.Transaction
		)
		decoded, err := execution.Decode(tx)
		accepted := theirs.UnmarshalBinary(raw) == nil && theirs.BlobTxSidecar() == nil &&
			max(theirs.Value().BitLen(), theirs.GasFeeCap().BitLen(), theirs.GasTipCap().BitLen()) <= 256
		require.Equal(t, accepted, err == nil, "%v", err)
		if err != nil {
			require.ErrorIs(t, err, chain.ErrInvalidTx)
			require.ErrorIs(t, e.CheckTx(tx, env), chain.ErrInvalidTx)
			return
		}
		require.Equal(t, tx.Hash(), decoded.Hash())
		sender, err := e.Sender(tx, env)
		want, theirErr := types.Sender(types.NewPragueSigner(big.NewInt(1)), &theirs)
		require.Equal(t, theirErr == nil, err == nil, "%v, %v", theirErr, err)
		require.Equal(t, want, sender)
		if err := e.CheckTx(tx, env); err != nil {
			require.ErrorIs(t, err, chain.ErrInvalidTx)
		}
	})
}

// At every fork, whoever signed is found, and nobody else where go-ethereum finds nobody.
func TestSenders(t *testing.T) {
	var (
		id     = big.NewInt(1)
		legacy = types.LegacyTx{To: &bob, Gas: 21000, GasPrice: big.NewInt(10), Value: big.NewInt(1), Data: make([]byte, 60)}
		list   = types.AccessList{{Address: bob, StorageKeys: []common.Hash{{1}, {2}}}, {Address: alice}}
		auths  = []types.SetCodeAuthorization{{ChainID: *uint256.NewInt(1), Address: bob, Nonce: 1<<64 - 1, V: 255, R: *uint256.NewInt(1)}}
	)
	sign := func(signer types.Signer, data types.TxData) *types.Transaction {
		tx, err := types.SignNewTx(aliceKey, signer, data)
		require.NoError(t, err)
		return tx
	}
	prague := types.NewPragueSigner(id)
	txs := []*types.Transaction{
		sign(types.HomesteadSigner{}, &legacy),
		sign(prague, &legacy),
		sign(types.NewEIP155Signer(new(big.Int).Lsh(id, 200)), &legacy),
		sign(prague, &types.AccessListTx{ChainID: id, Gas: 1, AccessList: list}),
		sign(prague, &types.DynamicFeeTx{ChainID: id, GasFeeCap: big.NewInt(300), AccessList: list}),
		sign(prague, &types.BlobTx{ChainID: uint256.NewInt(1), BlobHashes: []common.Hash{{1}, {1, 2}}, BlobFeeCap: uint256.NewInt(7)}),
		sign(prague, &types.SetCodeTx{ChainID: uint256.NewInt(1), AuthList: auths, AccessList: list}),
	}
	for _, v := range []*big.Int{new(big.Int).Lsh(id, 64), new(big.Int).Lsh(id, 255)} {
		_, r, s := txs[4].RawSignatureValues()
		txs = append(txs, types.NewTx(&types.DynamicFeeTx{ChainID: id, GasFeeCap: big.NewInt(300), AccessList: list, V: v, R: r, S: s}))
	}
	for _, v := range []int64{0, 1, 2, 26, 27, 28, 29, 34, 35, 36, 37, 38, 39, 255, 256, 283, 284} {
		for _, tx := range txs[:2] { // other signatures, of which some recover to some key
			_, r, s := tx.RawSignatureValues()
			high := new(big.Int).Sub(crypto.S256().Params().N, s)
			for _, s := range []*big.Int{s, high, new(big.Int), crypto.S256().Params().N, new(big.Int).Lsh(id, 255)} {
				for _, r := range []*big.Int{r, new(big.Int), crypto.S256().Params().N} {
					changed := legacy
					changed.V, changed.R, changed.S = big.NewInt(v), r, s
					txs = append(txs, types.NewTx(&changed))
					txs = append(txs, types.NewTx(&types.DynamicFeeTx{ChainID: id, V: changed.V, R: r, S: s}))
				}
			}
		}
	}
	for _, fork := range []string{"Frontier", "Homestead", "Byzantium", "Berlin", "London", "Cancun", "Prague", "Osaka"} {
		var (
			e, env = engineAt(t, fork), envAt(fork)
			signer = types.MakeSigner(at(fork), new(big.Int).SetUint64(env.Number), env.Timestamp)
			found  int
		)
		for i, tx := range txs {
			want, theirs := types.Sender(signer, tx)
			raw := wrap(t, tx)
			got, err := e.Sender(raw, env)
			require.Equal(t, theirs == nil, err == nil, "%s, transaction %d: %v, %v", fork, i, theirs, err)
			require.Equal(t, want, got)
			if err != nil {
				require.ErrorIs(t, err, chain.ErrInvalidTx)
				continue
			}
			found++
		}
		require.Positive(t, found)
	}
}

// A bid is what the transaction says, and its cost has an end.
func TestBidOf(t *testing.T) {
	bid, err := execution.BidOf(blobTx(t, 2, 3))
	require.NoError(t, err)
	decoded, err := execution.Decode(blobTx(t, 2, 3))
	require.NoError(t, err)
	require.Equal(t, decoded.Nonce(), bid.Nonce)
	require.Equal(t, decoded.Cost(), bid.Cost.ToBig())
	require.Equal(t, decoded.GasFeeCap(), bid.FeeCap.ToBig())
	require.Equal(t, decoded.GasTipCap(), bid.TipCap.ToBig())

	max256 := new(uint256.Int).SetAllOne().ToBig()
	for _, tx := range []*chain.Tx{
		sign(t, &types.LegacyTx{Gas: 2, GasPrice: max256}),
		sign(t, &types.LegacyTx{Gas: 1, GasPrice: common.Big1, Value: max256}),
	} {
		_, err := execution.BidOf(tx)
		require.ErrorIs(t, err, execution.ErrInsufficientFunds)
	}
}
