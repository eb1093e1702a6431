package execution_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// accounts is a state in memory.
type accounts map[common.Address]account

type account struct {
	nonce   uint64
	balance uint64 // wei
	code    []byte
	slots   map[common.Hash]uint64
}

func (s accounts) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := s[addr]
	if !ok {
		return chain.Account{}, false, nil
	}
	return chain.Account{Nonce: a.nonce, Balance: *uint256.NewInt(a.balance), CodeHash: chain.Keccak256(a.code)}, true, nil
}

func (s accounts) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return *uint256.NewInt(s[addr].slots[key]), nil
}

func (s accounts) Code(hash common.Hash) ([]byte, error) {
	for _, a := range s {
		if chain.Keccak256(a.code) == hash {
			return a.code, nil
		}
	}
	return nil, chain.ErrNotFound
}

// forks are the rules of mainnet, by name, ascending; a chain at one of them is
// there from its first block.
var forks = []string{"Frontier", "Homestead", "TangerineWhistle", "SpuriousDragon", "Byzantium", "Constantinople",
	"Istanbul", "Berlin", "London", "Paris", "Shanghai", "Cancun", "Prague", "Osaka"}

// at is a chain of one fork.
func at(fork string) *params.ChainConfig {
	c := &params.ChainConfig{ChainID: big.NewInt(1), BlobScheduleConfig: params.MainnetChainConfig.BlobScheduleConfig}
	zero, zeroTime := new(big.Int), new(uint64)
	for i, set := range []func(){
		func() {},
		func() { c.HomesteadBlock = zero },
		func() { c.EIP150Block = zero },
		func() { c.EIP155Block, c.EIP158Block = zero, zero },
		func() { c.ByzantiumBlock = zero },
		func() { c.ConstantinopleBlock, c.PetersburgBlock = zero, zero },
		func() { c.IstanbulBlock, c.MuirGlacierBlock = zero, zero },
		func() { c.BerlinBlock = zero },
		func() { c.LondonBlock, c.ArrowGlacierBlock, c.GrayGlacierBlock = zero, zero, zero },
		func() { c.TerminalTotalDifficulty, c.MergeNetsplitBlock = zero, zero },
		func() { c.ShanghaiTime = zeroTime },
		func() { c.CancunTime = zeroTime },
		func() { c.PragueTime = zeroTime },
		func() { c.OsakaTime = zeroTime },
	} {
		set()
		if forks[i] == fork {
			return c
		}
	}
	panic("no fork " + fork)
}

// since tells whether fork is other or later.
func since(fork, other string) bool {
	for _, f := range forks {
		switch f {
		case other:
			return true
		case fork:
			return false
		}
	}
	panic("no fork " + other)
}

var miner = common.HexToAddress("0xc01bba5e")

// envAt is a block environment with what the fork wants.
func envAt(fork string) *chain.Env {
	env := &chain.Env{Number: 10, Timestamp: 1000, GasLimit: 30_000_000, Coinbase: miner}
	if since(fork, "London") {
		env.BaseFee = uint256.NewInt(7)
	}
	if since(fork, "Paris") {
		env.PrevRandao = common.Hash{1}
	} else {
		env.Difficulty = *uint256.NewInt(131072)
	}
	if since(fork, "Shanghai") {
		env.Withdrawals = []chain.Withdrawal{}
	}
	if since(fork, "Cancun") {
		env.ExcessBlobGas, env.ParentBeaconBlockRoot = new(uint64), new(common.Hash)
	}
	return env
}

func engine(t testing.TB, config execution.Config) *execution.Sequential {
	t.Helper()
	e, err := execution.New(config)
	require.NoError(t, err)
	return e
}

func engineAt(t testing.TB, fork string) *execution.Sequential {
	return engine(t, execution.Config{Chain: at(fork), TxRoot: noRoot})
}

// Two people who can sign.
var (
	aliceKey, bobKey = keyOf(1), keyOf(2)
	alice, bob       = crypto.PubkeyToAddress(aliceKey.PublicKey), crypto.PubkeyToAddress(bobKey.PublicKey)
)

func keyOf(n int) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "execution %d", n)))
	if err != nil {
		panic(err)
	}
	return key
}

const ether = 1_000_000_000_000_000_000

// rich is a state in which alice can pay.
func rich() accounts { return accounts{alice: {balance: 10 * ether}} }

// sign makes alice's transaction. Without a chain id it is a legacy transaction
// that is good for any chain, as before EIP-155.
func sign(t testing.TB, data types.TxData) *chain.Tx {
	t.Helper()
	var signer types.Signer = types.LatestSignerForChainID(big.NewInt(1))
	if _, legacy := data.(*types.LegacyTx); legacy {
		signer = types.HomesteadSigner{}
	}
	tx, err := types.SignNewTx(aliceKey, signer, data)
	require.NoError(t, err)
	return wrap(t, tx)
}

func wrap(t testing.TB, tx *types.Transaction) *chain.Tx {
	t.Helper()
	raw, err := tx.MarshalBinary()
	require.NoError(t, err)
	return chain.NewTx(raw)
}

// call is alice's legacy transaction to an address, at a gas price of 10 wei.
func call(t testing.TB, nonce uint64, to common.Address, value int64, gas uint64, data ...byte) *chain.Tx {
	t.Helper()
	return sign(t, &types.LegacyTx{Nonce: nonce, To: &to, Value: big.NewInt(value), Gas: gas, GasPrice: big.NewInt(10), Data: data})
}

// block is a closed block of txs in env.
func block(env *chain.Env, txs ...*chain.Tx) *chain.Block {
	h := &chain.Header{
		ParentHash: common.Hash{9}, Number: env.Number, Timestamp: env.Timestamp, GasLimit: env.GasLimit, Coinbase: env.Coinbase,
		Difficulty: env.Difficulty, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee, ExtraData: env.ExtraData,
		ExcessBlobGas: env.ExcessBlobGas, ParentBeaconBlockRoot: env.ParentBeaconBlockRoot,
	}
	return &chain.Block{Header: h, Txs: txs, Ommers: env.Ommers, Withdrawals: env.Withdrawals}
}

// transact runs one transaction, which is to be included.
func transact(t testing.TB, fork string, env *chain.Env, state accounts, tx *chain.Tx) (chain.TxResult, *chain.AccessSet) {
	t.Helper()
	r, access, err := engineAt(t, fork).Transact(context.Background(), env, nil, state, tx)
	require.NoError(t, err)
	require.NoError(t, r.Err)
	require.NoError(t, r.Changes.Validate())
	return r, access
}
