package genesis_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// The keys are those of the addresses, and the accounts are in the genesis state.
func TestDevAccounts(t *testing.T) {
	spec, err := genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)})
	require.NoError(t, err)
	accounts := genesis.DevAccounts()
	require.Len(t, accounts, 10)
	for _, a := range accounts {
		key, err := crypto.ToECDSA(a.Key[:])
		require.NoError(t, err)
		require.Equal(t, a.Address, crypto.PubkeyToAddress(key.PublicKey))
		funded := spec.Genesis.State.Account(a.Address)
		require.NotNil(t, funded)
		require.Equal(t, "10000000000000000000000", funded.After.Balance.Dec())
	}
}
