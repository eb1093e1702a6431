package state_test

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/state"
)

func Example() {
	ctx := context.Background()
	store, err := state.Open(state.Config{}) // set Dir to keep it on disk
	if err != nil {
		panic(err)
	}
	defer store.Close()

	alice := common.HexToAddress("0xa11ce")
	staged, err := store.Stage(ctx, &chain.Changes{Accounts: []chain.AccountChange{{
		Address: alice, Exists: true,
		After: chain.Account{Balance: *uint256.NewInt(100), CodeHash: chain.EmptyCodeHash},
	}}})
	if err != nil {
		panic(err)
	}
	genesis := chain.BlockID{Hash: common.HexToHash("0x01")}
	if err := staged.Commit(ctx, genesis); err != nil {
		panic(err)
	}

	view, _ := store.View(genesis)
	account, exists, _ := view.Account(alice)
	fmt.Println(exists, account.Balance.Dec())
	// Output: true 100
}

func ExampleLog() {
	log, err := state.OpenLog(state.LogConfig{Dir: tempDir()})
	if err != nil {
		panic(err)
	}
	defer log.Close()

	const hello = 1 // a kind of record; the log does not care
	log.Append(hello, []byte("hello, "), []byte("world"))
	if err := log.Sync(); err != nil { // now it survives a loss of power
		panic(err)
	}
	log.Replay(0, func(lsn state.LSN, kind byte, payload []byte) error {
		fmt.Println(lsn, kind, string(payload))
		return nil
	})
	// Output: 1 1 hello, world
}
