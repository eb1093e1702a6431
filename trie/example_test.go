package trie_test

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// A state is made, changed, and the change is verified by one who has nothing
// but the root before it and the witness.
func Example() {
	var (
		ctx   = context.Background()
		alice = common.HexToAddress("0xa11ce")
		poor  = chain.Account{CodeHash: chain.EmptyCodeHash, Balance: *uint256.NewInt(1)}
		rich  = chain.Account{CodeHash: chain.EmptyCodeHash, Balance: *uint256.NewInt(1_000_000)}
	)
	state := trie.New(trie.Config{})
	genesis, _ := state.Begin(ctx, chain.EmptyRoot)
	genesis.Apply(&chain.Changes{Accounts: []chain.AccountChange{{Address: alice, Exists: true, After: poor}}})
	before, _ := genesis.Root(ctx)
	genesis.Commit(ctx)

	changes := &chain.Changes{Accounts: []chain.AccountChange{{Address: alice, Existed: true, Exists: true, Before: poor, After: rich}}}
	block, _ := state.Begin(ctx, before)
	block.Apply(changes)
	after, _ := block.Root(ctx)
	witness, _ := block.Witness(ctx, &chain.AccessSet{Accounts: []chain.AccountAccess{{Address: alice}}})

	verifier, _ := trie.OpenWitness(before, witness)
	account, _, _ := verifier.Account(alice)
	check, _ := verifier.Begin(ctx, before)
	check.Apply(changes)
	root, err := check.Root(ctx)
	fmt.Println("alice had", &account.Balance)
	fmt.Println("same root:", root == after, err, verifier.Unused())
	// Output:
	// alice had 1
	// same root: true <nil> <nil>
}

// The trie of a famous example.
func ExampleMap() {
	var m trie.Map
	m.Put([]byte("do"), []byte("verb"))
	m.Put([]byte("dog"), []byte("puppy"))
	m.Put([]byte("doge"), []byte("coin"))
	m.Put([]byte("horse"), []byte("stallion"))
	fmt.Println(m.Root())
	// Output: 0x5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84
}
