package oracle_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Block 0 of the public networks, from the genesis.json that go-ethereum writes.
func TestGenesisOfPublicNetworks(t *testing.T) {
	for _, test := range []struct {
		name string
		spec *core.Genesis
		hash common.Hash
	}{
		{"mainnet", core.DefaultGenesisBlock(), params.MainnetGenesisHash},
		{"sepolia", core.DefaultSepoliaGenesisBlock(), params.SepoliaGenesisHash},
		{"hoodi", core.DefaultHoodiGenesisBlock(), params.HoodiGenesisHash},
	} {
		t.Run(test.name, func(t *testing.T) {
			src, err := json.Marshal(test.spec)
			require.NoError(t, err)
			spec, err := genesis.Read(bytes.NewReader(src))
			require.NoError(t, err)
			require.Equal(t, test.hash, spec.Genesis.Header.Hash())
			requireSameHeader(t, test.spec.ToBlock().Header(), spec.Genesis.Header)
			require.Equal(t, test.spec.Config, spec.Config)
			requireGethReads(t, spec)
		})
	}
}

// The development chain with accounts, contracts and storage.
func TestGenesisOfDevnet(t *testing.T) {
	load, err := datagen.New(datagen.Config{Seed: 1, Accounts: 100, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	spec, err := genesis.Dev(genesis.DevOptions{State: load.State()})
	require.NoError(t, err)
	h := spec.Genesis.Header
	block := (&core.Genesis{
		Config:     spec.Config,
		GasLimit:   h.GasLimit,
		Difficulty: common.Big0,
		BaseFee:    h.BaseFee.ToBig(),
		Alloc:      allocOf(spec.Genesis.State),
	}).ToBlock()
	requireSameHeader(t, block.Header(), h)
	requireGethReads(t, spec)
}

// requireGethReads checks that go-ethereum makes the same of what is written of a Spec.
func requireGethReads(t *testing.T, spec *genesis.Spec) {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, spec.Write(&file))
	read := new(core.Genesis)
	require.NoError(t, json.Unmarshal(file.Bytes(), read))
	requireSameHeader(t, read.ToBlock().Header(), spec.Genesis.Header)
	require.Equal(t, spec.Config, read.Config)
}

func requireSameHeader(t *testing.T, want *types.Header, got *chain.Header) {
	t.Helper()
	require.Equal(t, want.Root, got.StateRoot, "state root")
	require.Equal(t, want.Hash(), got.Hash(), "block hash")
}

// allocOf is a state as go-ethereum's genesis.json has it.
func allocOf(state *chain.Changes) types.GenesisAlloc {
	alloc := make(types.GenesisAlloc, len(state.Accounts))
	for _, a := range state.Accounts {
		account := types.Account{
			Nonce:   a.After.Nonce,
			Balance: a.After.Balance.ToBig(),
			Code:    state.Code(a.After.CodeHash),
		}
		if len(a.Slots) > 0 {
			account.Storage = make(map[common.Hash]common.Hash, len(a.Slots))
		}
		for _, s := range a.Slots {
			account.Storage[s.Key] = s.After.Bytes32()
		}
		alloc[a.Address] = account
	}
	return alloc
}
