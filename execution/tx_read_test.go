package execution

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"
)

// Every field of a transaction is read as go-ethereum reads it.
func TestReadMessage(t *testing.T) {
	var (
		n    = big.NewInt
		u    = uint256.NewInt
		to   = common.Address{1, 2}
		list = types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}, {2}}}, {Address: common.Address{3}, StorageKeys: []common.Hash{}}}
		auth = types.SetCodeAuthorization{ChainID: *u(40), Address: to, Nonce: 41, V: 255, R: *u(42), S: *u(43)}
	)
	for _, data := range []types.TxData{
		&types.LegacyTx{Nonce: 2, GasPrice: n(3), Gas: 4, To: &to, Value: n(5), Data: []byte{6}, V: n(7), R: n(8), S: n(9)},
		&types.LegacyTx{V: n(27), R: n(8), S: n(9)}, // a creation
		&types.AccessListTx{ChainID: n(1), Nonce: 2, GasPrice: n(3), Gas: 4, To: &to, Value: n(5), Data: []byte{6}, AccessList: list, V: n(7), R: n(8), S: n(9)},
		&types.DynamicFeeTx{ChainID: n(1), Nonce: 2, GasTipCap: n(3), GasFeeCap: n(4), Gas: 5, Value: n(6), Data: []byte{7}, AccessList: list, V: n(8), R: n(9), S: n(10)},
		&types.BlobTx{ChainID: u(1), Nonce: 2, GasTipCap: u(3), GasFeeCap: u(4), Gas: 5, To: to, Value: u(6), Data: []byte{7}, AccessList: list,
			BlobFeeCap: u(11), BlobHashes: []common.Hash{{12}, {13}}, V: u(8), R: u(9), S: u(10)},
		&types.SetCodeTx{ChainID: u(1), Nonce: 2, GasTipCap: u(3), GasFeeCap: u(4), Gas: 5, To: to, Value: u(6), Data: []byte{7}, AccessList: list,
			AuthList: []types.SetCodeAuthorization{auth, {Nonce: 44}}, V: u(8), R: u(9), S: u(10)},
	} {
		tx := types.NewTx(data)
		raw, err := tx.MarshalBinary()
		require.NoError(t, err)
		m, err := readMessage(raw)
		require.NoError(t, err)
		require.Equal(t, tx.Type(), m.kind)
		require.Equal(t, []uint64{tx.Nonce(), tx.Gas()}, []uint64{m.nonce, m.gas})
		require.Equal(t, tx.To(), m.to)
		require.Equal(t, tx.Data(), append([]byte(nil), m.data...))
		require.Equal(t, tx.AccessList(), m.accessList)
		require.Equal(t, tx.BlobHashes(), m.blobHashes)
		require.Equal(t, tx.SetCodeAuthorizations(), m.authorizations)
		v, r, s := tx.RawSignatureValues()
		blobFeeCap := tx.BlobGasFeeCap()
		if blobFeeCap == nil {
			blobFeeCap = new(big.Int)
		}
		want := []*big.Int{tx.Value(), tx.GasFeeCap(), tx.GasTipCap(), blobFeeCap, v, r, s}
		for i, got := range []*uint256.Int{&m.value, &m.feeCap, &m.tipCap, &m.blobFeeCap, &m.signed.v, &m.signed.r, &m.signed.s} {
			require.Zero(t, want[i].Cmp(got.ToBig()), "type %d, amount %d", tx.Type(), i)
		}
		if m.kind != types.LegacyTxType {
			require.EqualValues(t, 1, m.signed.chainID.Uint64())
		}
	}
}

// unsigned makes of a value one that package rlp takes.
func unsigned(value any) any {
	switch v := value.(type) {
	case int:
		return uint(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = unsigned(v[i])
		}
		return out
	}
	return value
}

// What is not exactly a transaction is none, wherever it deviates; go-ethereum says so too.
func TestReadMessageRefuses(t *testing.T) {
	type list = []any
	encode := func(kind byte, fields list) []byte {
		raw, err := rlp.EncodeToBytes(unsigned(fields))
		require.NoError(t, err)
		return append([]byte{kind}, raw...)
	}
	var (
		to, hash = make([]byte, 20), make([]byte, 32)
		legacy   = list{1, 2, 3, to, 4, hash, 27, 5, 6}
		access   = list{1, 2, 3, 4, to, 5, hash, list{list{to, list{hash}}}, 1, 7, 8}
		blob     = list{1, 2, 3, 4, 5, to, 6, hash, list{}, 7, list{hash}, 1, 8, 9}
		auth     = list{1, to, 2, 255, 3, 4}
		setCode  = list{1, 2, 3, 4, 5, to, 6, hash, list{}, list{auth}, 1, 8, 9}
		with     = func(fields list, i int, value any) list {
			changed := append(list(nil), fields...)
			changed[i] = value
			return changed
		}
		legacyOf = func(fields list) []byte { return encode(0, fields)[1:] }
	)
	for _, c := range []struct {
		raw []byte
		ok  bool
	}{
		{legacyOf(legacy), true}, {encode(1, access), true}, {encode(3, blob), true}, {encode(4, setCode), true},
		{legacyOf(with(legacy, 3, "")), true},
		{encode(1, with(access, 4, "")), true},
		{nil, false}, {[]byte{1}, false}, {[]byte{0x7f}, false},
		{encode(0, legacy), false}, {encode(5, setCode), false},
		{append(legacyOf(legacy), 0), false},
		{legacyOf(append(legacy, 1)), false}, {legacyOf(legacy[:8]), false},
		{encode(1, append(access, 1)), false},
		{legacyOf(with(legacy, 0, []byte{0, 1})), false},
		{legacyOf(with(legacy, 3, to[1:])), false},
		{encode(3, with(blob, 5, "")), false}, {encode(4, with(setCode, 5, "")), false},
		{encode(3, with(blob, 10, list{hash[1:]})), false},
		{encode(1, with(access, 7, list{list{to, list{}, 1}})), false},
		{encode(1, with(access, 7, list{list{to[1:], list{}}})), false},
		{encode(4, with(setCode, 9, list{with(auth, 3, 256)})), false},
		{encode(4, with(setCode, 9, list{append(auth, 1)})), false},
		{encode(4, with(setCode, 9, list{with(auth, 1, "")})), false},
	} {
		_, err := readMessage(c.raw)
		require.Equal(t, c.ok, err == nil, "%x: %v", c.raw, err)
		require.Equal(t, c.ok, new(types.Transaction).UnmarshalBinary(c.raw) == nil, "%x", c.raw)
	}
}
