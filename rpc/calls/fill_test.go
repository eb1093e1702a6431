package calls_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func suggest(wei int64) func(context.Context) (*hexutil.Big, error) {
	return func(context.Context) (*hexutil.Big, error) { return (*hexutil.Big)(big.NewInt(wei)), nil }
}

// paid are args of a message that account 0 pays for.
func paid(addr common.Address, more string) string {
	return to(addr, fmt.Sprintf(`,"from":"%s"%s`, rpctest.AccountAt(0).Address, more))
}

// A filled transaction wants a signature only, and is then executed.
func TestFillTransaction(t *testing.T) {
	d := newDoor(t, calls.Options{TipCap: suggest(3)}, rpctest.Options{})
	from := rpctest.AccountAt(0)
	d.node.Seal(d.node.Transfer(0, keeper, 0)) // nonce 0
	baseFee := d.node.Head().BaseFee.ToBig()

	var filled struct {
		Raw hexutil.Bytes
		Tx  types.Transaction
	}
	answer := d.result(t, "eth_fillTransaction", paid(keeper, `,"data":"`+word+`7"`))
	require.NoError(t, json.Unmarshal([]byte(answer), &filled))
	tx := new(types.Transaction)
	require.NoError(t, tx.UnmarshalBinary(filled.Raw))
	require.Equal(t, tx.Hash(), filled.Tx.Hash())
	require.Equal(t, uint8(types.DynamicFeeTxType), tx.Type())
	require.Equal(t, uint64(1), tx.Nonce())
	require.Equal(t, int64(3), tx.GasTipCap().Int64())
	require.Equal(t, new(big.Int).Add(big.NewInt(3), new(big.Int).Lsh(baseFee, 1)), tx.GasFeeCap())
	require.Equal(t, d.node.ChainConfig().ChainID, tx.ChainId())

	signed, err := types.SignTx(tx, types.LatestSigner(d.node.ChainConfig()), from.Key)
	require.NoError(t, err)
	raw, err := signed.MarshalBinary()
	require.NoError(t, err)
	_, err = d.node.Send(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, `"`+word+`7"`, d.result(t, "eth_call", to(keeper, "")))
}

// viem gives the answer's members a meaning each; these are the ones it reads.
func TestFillTransactionForm(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	var answer struct{ Tx map[string]any }
	require.NoError(t, json.Unmarshal([]byte(d.result(t, "eth_fillTransaction", paid(keeper, ""))), &answer))
	for _, key := range []string{"type", "chainId", "nonce", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "to", "value", "input", "accessList"} {
		require.NotNil(t, answer.Tx[key], key)
	}
	require.Nil(t, answer.Tx["gasPrice"])
	require.NoError(t, json.Unmarshal([]byte(d.result(t, "eth_fillTransaction", paid(keeper, `,"gasPrice":"0x77359400"`))), &answer))
	require.Equal(t, "0x77359400", answer.Tx["gasPrice"])
	require.Equal(t, "0x0", answer.Tx["type"])
}

func TestFillTransactionBlobs(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	var answer struct{ Tx map[string]any }
	hashes := `,"blobVersionedHashes":["0x0100000000000000000000000000000000000000000000000000000000000000"]`
	require.NoError(t, json.Unmarshal([]byte(d.result(t, "eth_fillTransaction", paid(keeper, hashes))), &answer))
	require.Equal(t, "0x2", answer.Tx["maxFeePerBlobGas"], "twice the least price")
	require.Equal(t, "0x3", answer.Tx["type"])
}

func TestFillTransactionRefuses(t *testing.T) {
	d := newDoor(t, calls.Options{TipCap: suggest(params.GWei)}, rpctest.Options{})
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{paid(scolder, ""), 3, "execution reverted: oh!"},
		{`{}`, -32000, "contract creation without any data provided"},
		{to(keeper, `,"data":"0x01","input":"0x02"`), -32000, `both "data" and "input" are set and not equal. Please use "input" to pass transaction call data`},
		{to(keeper, `,"blobs":[]`), -32000, `"blobs" is not supported for this RPC method`},
		{to(keeper, `,"blobVersionedHashes":[]`), -32000, "need at least 1 blob for a blob transaction"},
		{to(keeper, `,"blobVersionedHashes":[`+strings.Repeat(`"`+word+`0",`, 6)+`"`+word+`0"]`), -32000, "too many blobs in transaction (have=7, max=6)"},
		{`{"blobVersionedHashes":["` + word + `0"]}`, -32000, `missing "to" in blob transaction`},
		{`{"authorizationList":[],"data":"0x00"}`, -32000, `authorizationList provided for contract creation, but "to" field is missing`},
		{to(keeper, `,"gasPrice":"0x0"`), -32000, "gasPrice must be non-zero after london fork"},
		{to(keeper, `,"gasPrice":"0x1","maxFeePerGas":"0x1"`), -32000, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"},
		{to(keeper, `,"gasPrice":"0x1","authorizationList":[]`), -32000, "both gasPrice and authorizationList specified"},
		{to(keeper, `,"maxFeePerGas":"0x0","maxPriorityFeePerGas":"0x0"`), -32000, "maxFeePerGas must be non-zero"},
		{to(keeper, `,"maxFeePerGas":"0x1"`), -32000, "maxFeePerGas (0x1) < maxPriorityFeePerGas (0x3b9aca00)"},
		{to(keeper, `,"maxFeePerBlobGas":"0x0"`), -32000, "maxFeePerBlobGas, if specified, must be non-zero"},
		{to(keeper, `,"chainId":"0x1","gas":"0x5208"`), -32000, "chainId does not match node's (have=1, want=31337)"},
	} {
		d.refuse(t, "eth_fillTransaction", test.args, test.code, test.want)
	}
	failing := newDoor(t, calls.Options{TipCap: func(context.Context) (*hexutil.Big, error) { return nil, errors.New("no fees today") }}, rpctest.Options{})
	failing.refuse(t, "eth_fillTransaction", to(keeper, ""), -32000, "no fees today")
}

func TestOptions(t *testing.T) {
	_, err := calls.New(calls.Options{})
	require.EqualError(t, err, "calls: Options.Backend is required")
	node := rpctest.Dev(t, rpctest.Options{})
	_, err = calls.New(calls.Options{Backend: node})
	require.EqualError(t, err, "calls: Options.Engine is required")
}
