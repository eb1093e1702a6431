package call_test

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/call"
)

func parseState(t testing.TB, text string) *call.StateOverride {
	t.Helper()
	o := new(call.StateOverride)
	require.NoError(t, json.Unmarshal([]byte(text), o), text)
	return o
}

var (
	key1, key2 = common.Hash{31: 1}, common.Hash{31: 2}
	world      = accounts{
		alice: {nonce: 1, balance: 2, code: "old", slots: map[common.Hash]uint64{key1: 11, key2: 12}},
	}
)

const (
	aliceText = `"0x0a00000000000000000000000000000000000000"`
	bobText   = `"0x0b00000000000000000000000000000000000000"`
	key1Text  = `"0x0000000000000000000000000000000000000000000000000000000000000001"`
	nineText  = `"0x0000000000000000000000000000000000000000000000000000000000000009"`
)

func TestStateOverride(t *testing.T) {
	view, moved, err := parseState(t, `{`+aliceText+`:{"nonce":"0x5","balance":"0x6","code":"0x0708","stateDiff":{`+key1Text+`:`+nineText+`}}}`).Apply(world, nil)
	require.NoError(t, err)
	require.Empty(t, moved)
	account, ok, err := view.Account(alice)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, chain.Account{Nonce: 5, Balance: *uint256.NewInt(6), CodeHash: chain.Keccak256([]byte{7, 8})}, account)
	code, err := view.Code(account.CodeHash)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 8}, code)
	requireSlot(t, view, alice, key1, 9)
	requireSlot(t, view, alice, key2, 12)
	requireSlot(t, world, alice, key1, 11)
}

// State replaces all storage; what is not named stays in every other respect.
func TestStateOverrideReplacesStorage(t *testing.T) {
	view, _, err := parseState(t, `{`+aliceText+`:{"state":{`+key1Text+`:`+nineText+`}}}`).Apply(world, nil)
	require.NoError(t, err)
	requireSlot(t, view, alice, key1, 9)
	requireSlot(t, view, alice, key2, 0)
	account, _, err := view.Account(alice)
	require.NoError(t, err)
	before, _, _ := world.Account(alice)
	require.Equal(t, before, account)
}

// An override makes an account, even an empty one; an empty override makes none.
func TestStateOverrideCreates(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: false, `{"stateDiff":{}}`: false, `{"balance":"0x0"}`: true, `{"nonce":"0x0"}`: true, `{"code":"0x"}`: true, `{"state":{}}`: true,
	} {
		view, _, err := parseState(t, `{`+bobText+`:`+text+`}`).Apply(world, nil)
		require.NoError(t, err)
		account, ok, err := view.Account(bob)
		require.NoError(t, err)
		require.Equal(t, want, ok, text)
		if ok {
			require.Equal(t, chain.Account{CodeHash: chain.EmptyCodeHash}, account)
		}
	}
}

func requireSlot(t *testing.T, view chain.StateView, addr common.Address, key common.Hash, want uint64) {
	t.Helper()
	got, err := view.Slot(addr, key)
	require.NoError(t, err)
	require.Equal(t, *uint256.NewInt(want), got)
}

func TestMovedPrecompiles(t *testing.T) {
	nowhere := common.Address{}
	for _, test := range []struct {
		text string
		want map[common.Address]common.Address
	}{
		{`{"0x0000000000000000000000000000000000000001":{}}`, map[common.Address]common.Address{ecrecover: nowhere}},
		{`{"0x0000000000000000000000000000000000000001":{"movePrecompileToAddress":` + bobText + `}}`,
			map[common.Address]common.Address{ecrecover: nowhere, bob: ecrecover}},
		{`{"0x0000000000000000000000000000000000000001":{"movePrecompileToAddress":"0x0000000000000000000000000000000000000002"}}`,
			map[common.Address]common.Address{ecrecover: nowhere, sha256: ecrecover}},
		{`{` + aliceText + `:{"nonce":"0x1"}}`, map[common.Address]common.Address{}},
	} {
		_, moved, err := parseState(t, test.text).Apply(world, precompile)
		require.NoError(t, err)
		require.Equal(t, test.want, moved, test.text)
	}
}

func TestStateOverrideRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{` + aliceText + `:{"state":{},"stateDiff":{}}}`, "account 0x0a00000000000000000000000000000000000000 has both 'state' and 'stateDiff'"},
		{`{` + aliceText + `:{"movePrecompileToAddress":` + bobText + `}}`, "account 0x0a00000000000000000000000000000000000000 is not a precompile"},
		{`{"0x0000000000000000000000000000000000000001":{"movePrecompileToAddress":` + aliceText + `},` + aliceText + `:{}}`,
			"account 0x0a00000000000000000000000000000000000000 is already overridden"},
		{`{"0x0000000000000000000000000000000000000001":{"movePrecompileToAddress":"0x0000000000000000000000000000000000000001"}}`,
			"account 0x0000000000000000000000000000000000000001 is already overridden"},
	} {
		_, _, err := parseState(t, test.text).Apply(world, precompile)
		require.EqualError(t, err, test.want)
	}
	var none *call.StateOverride
	view, moved, err := none.Apply(world, precompile)
	require.NoError(t, err)
	require.Equal(t, world, view)
	require.Empty(t, moved)
}

func TestBlockOverrides(t *testing.T) {
	o := new(call.BlockOverrides)
	require.NoError(t, json.Unmarshal([]byte(`{"number":"0x1","time":"0x2","gasLimit":"0x3","feeRecipient":`+aliceText+`,
		"prevRandao":`+nineText+`,"baseFeePerGas":"0x4","blobBaseFee":"0x5","difficulty":"0x6"}`), o))
	before := chain.Env{Number: 100, BaseFee: uint256.NewInt(1)}
	env, err := o.Apply(&before)
	require.NoError(t, err)
	require.Equal(t, &chain.Env{
		Number: 1, Timestamp: 2, GasLimit: 3, Coinbase: alice, PrevRandao: common.Hash{31: 9}, BaseFee: uint256.NewInt(4),
	}, env, "after the Merge there is no difficulty")
	require.Equal(t, chain.Env{Number: 100, BaseFee: uint256.NewInt(1)}, before)
	require.Equal(t, uint256.NewInt(5), o.BlobFee())

	env, err = o.Apply(&chain.Env{Difficulty: *uint256.NewInt(1)})
	require.NoError(t, err)
	require.Equal(t, *uint256.NewInt(6), env.Difficulty)

	var none *call.BlockOverrides
	env, err = none.Apply(&before)
	require.NoError(t, err)
	require.Same(t, &before, env)
	require.Nil(t, none.BlobFee())
}

func TestBlockOverridesRefuse(t *testing.T) {
	for text, want := range map[string]string{
		`{"beaconRoot":` + nineText + `}`:     `block override "beaconRoot" is not supported for this RPC method`,
		`{"withdrawals":[]}`:                  `block override "withdrawals" is not supported for this RPC method`,
		`{"number":"0x10000000000000000"}`:    "block number exceeds 64 bits",
		`{"withdrawals":[null],"time":"0x1"}`: `block override "withdrawals" is not supported for this RPC method`,
	} {
		o := new(call.BlockOverrides)
		require.NoError(t, json.Unmarshal([]byte(text), o))
		_, err := o.Apply(london())
		require.EqualError(t, err, want)
	}
	o := new(call.BlockOverrides)
	require.NoError(t, json.Unmarshal([]byte(`{"withdrawals":[null]}`), o))
	_, err := o.WithdrawalList()
	require.EqualError(t, err, "withdrawal 0 is null")
}

// eth_simulateV1 does not overlook what it does not know.
func TestStrict(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{` + aliceText + `:{"nonse":"0x1"}}`, `unknown field "nonse" in state override for 0x0a00000000000000000000000000000000000000`},
		{`{` + aliceText + `:{"nonce":"0x1","NONCE":"0x2"}}`,
			`keys "NONCE" and "nonce" in state override for 0x0a00000000000000000000000000000000000000 name the same field`},
	} {
		_, err := call.StrictStateOverride([]byte(test.text))
		require.EqualError(t, err, test.want)
	}
	_, err := call.StrictBlockOverrides([]byte(`{"coinbase":` + aliceText + `}`))
	require.EqualError(t, err, `unknown field "coinbase" in block override`)

	block, err := call.StrictBlockOverrides([]byte(`{"Number":"0x5","beaconRoot":` + nineText + `}`))
	require.NoError(t, err)
	require.Equal(t, uint64(5), block.Number.ToInt().Uint64())
	state, err := call.StrictStateOverride([]byte(`{` + aliceText + `:{"movePrecompileToAddress":` + bobText + `,"state":{}}}`))
	require.NoError(t, err)
	require.Equal(t, &bob, (*state)[alice].MovePrecompileTo)
	block, err = call.StrictBlockOverrides([]byte("null"))
	require.NoError(t, err)
	require.Nil(t, block)
	state, err = call.StrictStateOverride([]byte("null"))
	require.NoError(t, err)
	require.Nil(t, state)
}

// Overrides that can be decoded are canonical changes of the state, or refused; and
// what the strict decoder takes, the other reads alike.
func FuzzStateOverride(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var o *call.StateOverride
		err := json.Unmarshal(text, &o)
		if strict, strictErr := call.StrictStateOverride(text); strictErr == nil {
			require.NoError(t, err)
			require.Equal(t, o, strict)
		}
		if err != nil {
			return
		}
		changes, moved, err := o.Changes(world, precompile)
		if err != nil {
			return
		}
		require.NoError(t, changes.Validate())
		for to, from := range moved {
			require.NotEqual(t, to, from)
		}
	})
}
