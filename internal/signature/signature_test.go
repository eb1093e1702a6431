package signature

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func key(t testing.TB, n byte) *Key {
	k, err := NewKey(bytes.Repeat([]byte{n}, 32))
	require.NoError(t, err)
	return k
}

// Who signed is the same whoever recovers, for good signatures and for mangled ones.
func TestRecoverAgreesWithEthereum(t *testing.T) {
	reference := func(hash common.Hash, sig *[65]byte) (common.Address, error) {
		pub, err := crypto.SigToPub(hash[:], sig[:])
		if err != nil {
			return common.Address{}, err
		}
		return crypto.PubkeyToAddress(*pub), nil
	}
	for n := range byte(40) {
		hash := chain.Keccak256([]byte{n})
		sig, err := key(t, n+1).Sign(hash)
		require.NoError(t, err)
		require.NoError(t, CheckForm(&sig))
		got, err := PureRecover(hash, &sig)
		require.NoError(t, err)
		require.Equal(t, key(t, n+1).Address(), got)
		for i := range sig[:64] {
			bad := sig
			bad[i] ^= 1 << (n % 8)
			got, err := PureRecover(hash, &bad)
			want, wantErr := reference(hash, &bad)
			require.Equal(t, wantErr == nil, err == nil, "%v, %v", err, wantErr)
			require.Equal(t, want, got)
		}
	}
	zero := [65]byte{}
	_, err := PureRecover(common.Hash{}, &zero)
	require.Error(t, err)
}

func TestKeys(t *testing.T) {
	order := common.FromHex("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	for _, secret := range [][]byte{nil, make([]byte, 31), make([]byte, 32), make([]byte, 33), order} {
		_, err := NewKey(secret)
		require.Error(t, err, "%x", secret)
	}
}

// A signature has a twin with the other S, and the other V: it recovers to the same
// key, and is refused.
func TestTwinIsRefused(t *testing.T) {
	hash := chain.Keccak256([]byte("signed"))
	sig, err := key(t, 1).Sign(hash)
	require.NoError(t, err)
	who, err := RecoverOnly(nil, hash, &sig)
	require.NoError(t, err)
	require.Equal(t, key(t, 1).Address(), who)

	twin := sig
	new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64])).FillBytes(twin[32:64])
	twin[64] ^= 1
	who, err = PureRecover(hash, &twin)
	require.NoError(t, err)
	require.Equal(t, key(t, 1).Address(), who)
	_, err = RecoverOnly(nil, hash, &twin)
	require.ErrorContains(t, err, "upper half")

	for _, v := range []byte{2, 27, 28, 255} {
		bad := sig
		bad[64] = v
		_, err = RecoverOnly(nil, hash, &bad)
		require.ErrorContains(t, err, "signature has V")
	}
}
