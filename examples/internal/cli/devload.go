package cli

import (
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// The load that the development chain's genesis is made for.
const (
	devSeed = 1
	// DevAccounts is how many accounts there are.
	DevAccounts = 2000
)

// DevLoad is the load whose accounts the development chain funds.
func DevLoad() (*datagen.Load, error) {
	return datagen.New(datagen.Config{Seed: devSeed, Accounts: DevAccounts, ChainID: genesis.DevChainID})
}
