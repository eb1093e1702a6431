package call_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

var chainID = big.NewInt(7)

func london() *chain.Env { return &chain.Env{Number: 1, BaseFee: uint256.NewInt(9)} }

func parseArgs(t testing.TB, text string) *call.Args {
	t.Helper()
	a := new(call.Args)
	require.NoError(t, json.Unmarshal([]byte(text), a), text)
	return a
}

// Who says nothing pays nothing, and gets all the gas that there is.
func TestMessageDefaults(t *testing.T) {
	m, err := parseArgs(t, `{}`).Message(london(), chainID, 1000)
	require.NoError(t, err)
	require.Equal(t, &execution.Call{Type: types.DynamicFeeTxType, Gas: 1000}, m)

	m, err = parseArgs(t, `{}`).Message(london(), chainID, 0)
	require.NoError(t, err)
	require.Equal(t, uint64(math.MaxUint64/2), m.Gas)

	m, err = parseArgs(t, `{"gas":"0x7d0"}`).Message(london(), chainID, 1000)
	require.NoError(t, err)
	require.Equal(t, uint64(1000), m.Gas, "gas is cut at the cap")

	m, err = parseArgs(t, `{"gas":"0x7d0"}`).Message(&chain.Env{}, chainID, 0)
	require.NoError(t, err)
	require.Equal(t, &execution.Call{Gas: 2000}, m, "before London")
}

func TestMessage(t *testing.T) {
	args := parseArgs(t, `{"from":"0x0b00000000000000000000000000000000000000","to":"0x0a00000000000000000000000000000000000000",
		"gas":"0x1","maxFeePerGas":"0x2","maxPriorityFeePerGas":"0x3","value":"0x4","nonce":"0x5","data":"0x06","input":"0x07",
		"accessList":[],"chainId":"0x7","maxFeePerBlobGas":"0x8","blobVersionedHashes":["0x0100000000000000000000000000000000000000000000000000000000000000"],
		"type":"0x3","unheardOf":1}`)
	m, err := args.Message(london(), chainID, 1000)
	require.NoError(t, err)
	require.Equal(t, &execution.Call{
		Type: types.BlobTxType, From: bob, To: &alice, Nonce: 5, Gas: 1, FeeCap: *uint256.NewInt(2), TipCap: *uint256.NewInt(3),
		Value: *uint256.NewInt(4), Data: []byte{7}, AccessList: types.AccessList{}, BlobFeeCap: *uint256.NewInt(8), BlobHashes: args.BlobVersionedHashes,
	}, m)

	m, err = parseArgs(t, `{"gasPrice":"0x2","data":"0x06"}`).Message(london(), chainID, 1000)
	require.NoError(t, err)
	require.Equal(t, &execution.Call{Gas: 1000, FeeCap: *uint256.NewInt(2), TipCap: *uint256.NewInt(2), Data: []byte{6}}, m)
}

// The arguments are the client's: what is filled in goes to a copy.
func TestMessageLeavesArgs(t *testing.T) {
	args := parseArgs(t, `{"gas":"0x7d0","blobVersionedHashes":[],"to":"0x0a00000000000000000000000000000000000000"}`)
	before := *args
	_, err := args.Message(london(), chainID, 1000)
	require.NoError(t, err)
	require.Equal(t, before, *args)
	require.Equal(t, uint64(2000), uint64(*args.Gas))
}

func TestMessageRefuses(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{`{"gasPrice":"0x1","maxFeePerGas":"0x1"}`, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"},
		{`{"gasPrice":"0x1","maxPriorityFeePerGas":"0x1"}`, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"},
		{`{"chainId":"0x8"}`, "chainId does not match node's (have=8, want=7)"},
		{`{"blobVersionedHashes":[]}`, "blob transaction of type create"},
		{`{"authorizationList":[]}`, "EIP-7702 transaction cannot be used to create contract"},
	} {
		_, err := parseArgs(t, test.args).Message(london(), chainID, 1)
		require.EqualError(t, err, test.want)
	}
	_, err := parseArgs(t, `{"maxFeePerGas":"0x0"}`).Message(&chain.Env{}, chainID, 1)
	require.ErrorIs(t, err, call.ErrFeesTooEarly)
	require.ErrorIs(t, parseArgs(t, `{"maxFeePerBlobGas":"0x1"}`).CheckBlobFee(), call.ErrLoneBlobFee)
	require.NoError(t, parseArgs(t, `{}`).CheckBlobFee())
	require.True(t, parseArgs(t, `{"blobs":[]}`).HasBlobs())
	require.False(t, parseArgs(t, `{"blobs":null}`).HasBlobs())
}

// The transaction has the type that the members imply.
func TestTransaction(t *testing.T) {
	const to = `"to":"0x0a00000000000000000000000000000000000000"`
	for _, test := range []struct {
		args string
		want uint8
	}{
		{`{}`, types.DynamicFeeTxType},
		{`{"gasPrice":"0x1"}`, types.LegacyTxType},
		{`{"gasPrice":"0x1","accessList":[]}`, types.AccessListTxType},
		{`{"accessList":[]}`, types.DynamicFeeTxType},
		{`{"blobVersionedHashes":[],` + to + `}`, types.BlobTxType},
		{`{"authorizationList":[],` + to + `}`, types.SetCodeTxType},
		{`{"authorizationList":[],"gasPrice":"0x1",` + to + `}`, types.LegacyTxType},
	} {
		args := parseArgs(t, test.args)
		require.NoError(t, args.Complete(london(), chainID, 1000))
		require.Equal(t, test.want, args.Transaction().Type(), test.args)
		require.Equal(t, uint64(1000), args.Transaction().Gas())
	}
}

// What can be decoded becomes a message and a transaction that say the same, or is
// refused; nothing else happens.
func FuzzArgs(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var args call.Args
		if json.Unmarshal(text, &args) != nil {
			return
		}
		for _, env := range []*chain.Env{london(), {}} {
			full := args
			if full.Complete(env, chainID, 1_000_000) != nil {
				continue
			}
			m, tx := full.CompleteMessage(), full.Transaction()
			require.Equal(t, tx.Type(), m.Type)
			require.Equal(t, tx.To(), m.To)
			require.Equal(t, tx.Nonce(), m.Nonce)
			require.Equal(t, tx.Gas(), m.Gas)
			require.LessOrEqual(t, m.Gas, uint64(1_000_000))
			require.Equal(t, tx.Value().String(), m.Value.Dec())
			require.Equal(t, tx.GasFeeCap().String(), m.FeeCap.Dec())
			require.Equal(t, tx.GasTipCap().String(), m.TipCap.Dec())
			require.Equal(t, string(tx.Data()), string(m.Data))
			raw, err := tx.MarshalBinary()
			require.NoError(t, err)
			require.NoError(t, new(types.Transaction).UnmarshalBinary(raw))
		}
	})
}
