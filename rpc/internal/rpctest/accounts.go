package rpctest

import (
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// An Account has ether and can sign.
type Account struct {
	Key     *ecdsa.PrivateKey
	Address common.Address
}

// Accounts is how many funded accounts a development chain has; each has Ether.
const (
	Accounts = 10
	Ether    = 10_000
)

// AccountAt is funded account i, the same in every test.
func AccountAt(i int) Account {
	seed := chain.Keccak256([]byte(fmt.Sprintf("rpctest account %d", i)))
	key, err := crypto.ToECDSA(seed[:])
	if err != nil {
		panic(fmt.Sprintf("rpctest: account %d: %v", i, err)) // a hash that is no key, of 2^128
	}
	return Account{key, crypto.PubkeyToAddress(key.PublicKey)}
}

// DevSpec is a development chain on which the accounts have ether, and more of it
// has what add puts into its state, if that is not nil.
func DevSpec(tb testing.TB, add func(*chain.Changes)) *genesis.Spec {
	tb.Helper()
	state := new(chain.Changes)
	for i := range Accounts {
		balance := new(uint256.Int).Mul(uint256.NewInt(Ether), uint256.NewInt(params.Ether))
		Fund(state, AccountAt(i).Address, balance, nil)
	}
	if add != nil {
		add(state)
	}
	spec, err := genesis.Dev(genesis.DevOptions{State: state, GasLimit: 100_000_000, Timestamp: 1_700_000_000})
	if err != nil {
		tb.Fatalf("rpctest: %v", err)
	}
	return spec
}

// Fund adds an account to a genesis state: with wei, and with code if that is not
// nil.
func Fund(state *chain.Changes, addr common.Address, wei *uint256.Int, code []byte) {
	account := chain.Account{Balance: *wei, CodeHash: chain.EmptyCodeHash}
	if len(code) > 0 {
		account.CodeHash = chain.Keccak256(code)
		state.Codes = append(state.Codes, chain.Code{Hash: account.CodeHash, Bytes: code})
	}
	state.Accounts = append(state.Accounts, chain.AccountChange{Address: addr, Exists: true, After: account})
}

// Dev is New on a development chain.
func Dev(tb testing.TB, opts Options) *Node {
	tb.Helper()
	return New(tb, DevSpec(tb, nil), opts)
}

// Sign signs a transaction of account i.
func (n *Node) Sign(i int, data types.TxData) *chain.Tx {
	n.tb.Helper()
	signer := types.LatestSigner(n.spec.Config)
	tx, err := types.SignNewTx(AccountAt(i).Key, signer, data)
	if err != nil {
		n.tb.Fatalf("rpctest: sign: %v", err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		n.tb.Fatalf("rpctest: sign: %v", err)
	}
	return chain.NewTx(raw)
}

// Nonce takes the next nonce of account i: the first is 0, whoever sends the
// transactions, so a test uses each of them.
func (n *Node) Nonce(i int) uint64 {
	addr := AccountAt(i).Address
	n.mu.Lock()
	defer n.mu.Unlock()
	nonce := n.nonces[addr]
	n.nonces[addr] = nonce + 1
	return nonce
}

// Call signs a message of account i to a contract, with its next nonce, enough gas
// and fees for anything; to is nil for a creation.
func (n *Node) Call(i int, to *common.Address, wei uint64, data []byte) *chain.Tx {
	n.tb.Helper()
	return n.Sign(i, &types.DynamicFeeTx{
		ChainID: n.spec.Config.ChainID, Nonce: n.Nonce(i), To: to, Value: new(big.Int).SetUint64(wei), Data: data,
		Gas: 1_000_000, GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
	})
}

// Transfer signs a payment of account i, with its next nonce.
func (n *Node) Transfer(i int, to common.Address, wei uint64) *chain.Tx {
	n.tb.Helper()
	return n.Sign(i, &types.DynamicFeeTx{
		ChainID: n.spec.Config.ChainID, Nonce: n.Nonce(i), To: &to, Value: new(big.Int).SetUint64(wei),
		Gas: params.TxGas, GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
	})
}

// Deploy signs a creation by account i of a contract with the given code, and returns
// its address too.
func (n *Node) Deploy(i int, code []byte) (*chain.Tx, common.Address) {
	n.tb.Helper()
	// PUSH2 len, DUP1, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 0, RETURN
	creation := append([]byte{0x61, byte(len(code) >> 8), byte(len(code)), 0x80, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3}, code...)
	tx := n.Call(i, nil, 0, creation)
	nonce, err := nonceOf(tx)
	if err != nil {
		n.tb.Fatalf("rpctest: %v", err)
	}
	return tx, crypto.CreateAddress(AccountAt(i).Address, nonce)
}
