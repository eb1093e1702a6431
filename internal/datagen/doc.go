// Package datagen makes the workload of the devnet and the benchmarks: seeded
// accounts, an ERC-20 pair of tokens and an exchange between them in the genesis
// state, and an endless deterministic stream of signed transactions that use them.
//
//	load, err := datagen.New(datagen.Config{Seed: 1, Accounts: 2000, ChainID: 31337})
//	state := load.State()          // goes into the genesis block
//	lanes := load.Lanes(8)         // eight independent streams
//	tx := lanes[0].Next()          // signed, valid after the lane's earlier ones
//
// Same Config and number of lanes, same bytes, on every machine. The contracts are
// real Solidity (package contracts); nothing is mocked and no transaction fails:
// a failed receipt is a defect of the executor.
package datagen
