package execution_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// What data costs, by fork: computed by hand from the EIPs' prices.
func TestDataGas(t *testing.T) {
	data := append(bytes.Repeat([]byte{1}, 100), make([]byte, 50)...) // 150 bytes, 5 words
	initCode := append([]byte{0}, data...)                            // STOP first: creates an empty contract
	for _, fork := range forks {
		t.Run(fork, func(t *testing.T) {
			nonZero, creation := uint64(68), uint64(21000)
			if since(fork, "Istanbul") {
				nonZero = 16 // EIP-2028
			}
			if since(fork, "Homestead") {
				creation = 53000 // EIP-2
			}
			wantCall := 21000 + 100*nonZero + 50*4
			wantCreation := creation + 100*nonZero + 51*4
			if since(fork, "Shanghai") {
				wantCreation += 5 * 2 // EIP-3860
			}
			if since(fork, "Prague") {
				wantCall = 21000 + 10*(100*4+50) // EIP-7623: the floor is above
			}
			r, _ := transact(t, fork, envAt(fork), rich(), call(t, 0, bob, 1, 100_000, data...))
			require.Equal(t, wantCall, r.Receipt.GasUsed)

			tx := sign(t, &types.LegacyTx{Gas: 100_000, GasPrice: big.NewInt(10), Data: initCode})
			r, _ = transact(t, fork, envAt(fork), rich(), tx)
			require.Equal(t, wantCreation, r.Receipt.GasUsed)
		})
	}
}

// An access list costs 2400 and 1900 (EIP-2930), and makes reads warm (EIP-2929).
func TestAccessList(t *testing.T) {
	var (
		reader = common.Address{0xaa}
		code   = []byte{0x60, 1, 0x54, 0x00} // PUSH1 1, SLOAD, STOP
		state  = rich()
		used   = func(list types.AccessList) (uint64, *chain.AccessSet) {
			tx := sign(t, &types.AccessListTx{ChainID: big.NewInt(1), To: &reader, Gas: 100_000, GasPrice: big.NewInt(10), AccessList: list})
			r, access := transact(t, "Berlin", envAt("Berlin"), state, tx)
			return r.Receipt.GasUsed, access
		}
	)
	state[reader] = account{nonce: 1, code: code}
	cold, access := used(nil)
	require.EqualValues(t, 21000+3+2100, cold)
	warm, warmAccess := used(types.AccessList{{Address: reader, StorageKeys: []common.Hash{{31: 1}}}})
	require.EqualValues(t, 21000+2400+1900+3+100, warm)
	require.Empty(t, access.Diff(warmAccess), "warmth is no access")

	listed, warmAccess := used(types.AccessList{{Address: bob, StorageKeys: []common.Hash{{1}, {2}}}})
	require.EqualValues(t, cold+2400+2*1900, listed)
	require.Empty(t, access.Diff(warmAccess), "what is listed but not used is no access")
}

// Clearing 10 slots earns 150,000 gas, of which at most a half counts; from London
// on 48,000 and a fifth (EIP-3529).
func TestRefund(t *testing.T) {
	var (
		clearer = common.Address{0xaa}
		a       = account{nonce: 1, slots: map[common.Hash]uint64{}}
	)
	for i := range byte(10) {
		a.code = append(a.code, 0x60, 0, 0x60, i, 0x55) // SSTORE(i, 0)
		a.slots[common.Hash{31: i}] = 1
	}
	state := rich()
	state[clearer] = a
	for fork, want := range map[string]uint64{
		"Frontier": (21000 + 10*5006) / 2,
		"Berlin":   (21000 + 10*5006) / 2,
		"London":   21000 + 10*5006 - (21000+10*5006)/5,
	} {
		r, _ := transact(t, fork, envAt(fork), state, call(t, 0, clearer, 0, 200_000))
		require.Equal(t, want, r.Receipt.GasUsed, fork)
		require.Len(t, r.Changes.Account(clearer).Slots, 10)
	}
}

// Who pays what: the sender all gas at the effective price, the coinbase gets all
// before London and the tip from it on (EIP-1559).
func TestFees(t *testing.T) {
	for _, test := range []struct {
		fork         string
		tx           types.TxData
		price, miner uint64
	}{
		{"Berlin", &types.LegacyTx{Gas: 21000, GasPrice: big.NewInt(10), To: &bob}, 10, 10},
		{"London", &types.LegacyTx{Gas: 21000, GasPrice: big.NewInt(10), To: &bob}, 10, 3},
		{"London", &types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(100), GasTipCap: big.NewInt(5), To: &bob}, 12, 5},
		{"London", &types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(9), GasTipCap: big.NewInt(5), To: &bob}, 9, 2},
		{"London", &types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(7), To: &bob}, 7, 0},
	} {
		r, access := transact(t, test.fork, envAt(test.fork), rich(), sign(t, test.tx))
		require.Equal(t, *uint256.NewInt(test.price), r.Receipt.EffectiveGasPrice)
		require.Equal(t, *uint256.NewInt(10*ether - 21000*test.price), r.Changes.Account(alice).After.Balance)
		var got uint256.Int
		if a := r.Changes.Account(miner); a != nil {
			got = a.After.Balance
		}
		require.Equal(t, *uint256.NewInt(21000 * test.miner), got)
		require.Contains(t, access.Accounts, chain.AccountAccess{Address: miner}, "a fee of nothing is an access too")
	}
}

// Before EIP-161 a call makes an account that is empty; with it, a touch deletes
// one that is.
func TestEmptyAccounts(t *testing.T) {
	env := envAt("TangerineWhistle")
	r, _ := transact(t, "TangerineWhistle", env, rich(), call(t, 0, bob, 0, 21000))
	made := r.Changes.Account(bob)
	require.NotNil(t, made)
	require.Equal(t, chain.Account{CodeHash: chain.EmptyCodeHash}, made.After)

	r, _ = transact(t, "SpuriousDragon", env, rich(), call(t, 0, bob, 0, 21000))
	require.Nil(t, r.Changes.Account(bob))

	state := rich()
	state[bob] = account{}
	r, _ = transact(t, "SpuriousDragon", env, state, call(t, 0, bob, 0, 21000))
	require.Equal(t, &chain.AccountChange{Address: bob, Existed: true, Cleared: true, Before: chain.Account{CodeHash: chain.EmptyCodeHash}}, r.Changes.Account(bob))
}

// A touch that is reverted does not delete, but for the one of address 0x3, which
// history made an exception.
func TestTouchOfRipemd(t *testing.T) {
	// CALL(gas 200, address, value 0, no data) and then an invalid instruction.
	touch := func(addr byte) []byte {
		return []byte{0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, addr, 0x60, 200, 0xf1, 0xfe}
	}
	var (
		two, three = common.Address{19: 2}, common.Address{19: 3}
		state      = rich()
		gone       = func(victim byte) *chain.Changes {
			state[common.Address{0xaa}] = account{nonce: 1, code: touch(victim)}
			r, _ := transact(t, "SpuriousDragon", envAt("SpuriousDragon"), state, call(t, 0, common.Address{0xaa}, 0, 100_000))
			require.Zero(t, r.Receipt.Status)
			return r.Changes
		}
	)
	state[two], state[three] = account{}, account{}
	require.Nil(t, gone(2).Account(two))
	require.NotNil(t, gone(3).Account(three))
}

// The price of blob gas: the examples of EIP-4844's reference tests.
func TestBlobFee(t *testing.T) {
	for excess, want := range map[uint64]uint64{0: 1, 2314057: 1, 2314058: 2, 10 * 1024 * 1024: 23} {
		env := envAt("Cancun")
		env.ExcessBlobGas = &excess
		tx := blobTx(t, 1, 1000)
		r, _ := transact(t, "Cancun", env, rich(), tx)
		require.Equal(t, uint256.NewInt(want), r.Receipt.BlobGasPrice, "excess %d", excess)
		require.EqualValues(t, 131072, r.Receipt.BlobGasUsed)
		require.Equal(t, *uint256.NewInt(10*ether - 21000*8 - 131072*want), r.Changes.Account(alice).After.Balance)
	}
	// A price that no number holds is one that nobody pays, at once.
	excess := uint64(1<<64 - 1)
	env := envAt("Cancun")
	env.ExcessBlobGas = &excess
	require.ErrorIs(t, engineAt(t, "Cancun").CheckTx(blobTx(t, 1, 1000), env), execution.ErrBlobFeeCapTooLow)
}

func blobTx(t testing.TB, blobs int, feeCap uint64) *chain.Tx {
	hashes := make([]common.Hash, blobs)
	for i := range hashes {
		hashes[i] = common.Hash{1, byte(i)}
	}
	return sign(t, &types.BlobTx{
		ChainID: uint256.NewInt(1), To: bob, Gas: 21000, GasFeeCap: uint256.NewInt(8), GasTipCap: uint256.NewInt(1),
		BlobFeeCap: uint256.NewInt(feeCap), BlobHashes: hashes,
	})
}

// How many blobs fit, by the schedule in force (EIP-7691, EIP-7892).
func TestBlobSchedule(t *testing.T) {
	config := at("Osaka")
	prague, osaka, bpo1, bpo2 := uint64(100), uint64(200), uint64(300), uint64(400)
	config.PragueTime, config.OsakaTime, config.BPO1Time, config.BPO2Time = &prague, &osaka, &bpo1, &bpo2
	schedule := *params.MainnetChainConfig.BlobScheduleConfig
	config.BlobScheduleConfig = &schedule
	e := engine(t, execution.Config{Chain: config})
	for _, test := range []struct {
		time      uint64
		transfers int // of one transaction
	}{{99, 6}, {100, 9}, {200, 6}, {300, 6}} {
		env := envAt("Cancun")
		env.Timestamp = test.time
		require.NoError(t, e.CheckTx(blobTx(t, test.transfers, 1), env), "time %d", test.time)
		require.ErrorIs(t, e.CheckTx(blobTx(t, test.transfers+1, 1), env), execution.ErrTooManyBlobs, "time %d", test.time)
	}
	for time, most := range map[uint64]int{200: 9, 300: 15, 400: 21} { // of a block
		env := envAt("Cancun")
		env.Timestamp = time
		state := rich()
		fillSystem(state)
		b, err := e.Open(context.Background(), env, nil, state)
		require.NoError(t, err)
		blobs := 0
		for nonce := uint64(0); ; nonce++ {
			tx := sign(t, &types.BlobTx{
				ChainID: uint256.NewInt(1), Nonce: nonce, To: bob, Gas: 21000, GasFeeCap: uint256.NewInt(8),
				BlobFeeCap: uint256.NewInt(1), BlobHashes: []common.Hash{{1}, {1}, {1}},
			})
			results, err := b.Push(context.Background(), []*chain.Tx{tx})
			require.NoError(t, err)
			if results[0].Err != nil {
				require.ErrorIs(t, results[0].Err, chain.ErrBlockFull)
				break
			}
			blobs += 3
		}
		require.Equal(t, most, blobs, "time %d", time)
		b.Discard()
	}
	config.BlobScheduleConfig = nil
	env := envAt("Cancun")
	require.ErrorIs(t, e.CheckTx(blobTx(t, 1, 1), env), chain.ErrInvalidBlock)
}

// fillSystem deploys the contracts that requests come from, as ones that have none.
func fillSystem(state accounts) {
	for _, addr := range []common.Address{params.WithdrawalQueueAddress, params.ConsolidationQueueAddress} {
		state[addr] = account{nonce: 1, code: []byte{0}}
	}
}

// Environments that lack what their fork wants, and forks that are not ours.
func TestInvalidEnv(t *testing.T) {
	tx := call(t, 0, bob, 1, 21000)
	for name, change := range map[string]func(*chain.Env){
		"base fee":        func(e *chain.Env) { e.BaseFee = nil },
		"excess blob gas": func(e *chain.Env) { e.ExcessBlobGas = nil },
		"beacon root":     func(e *chain.Env) { e.ParentBeaconBlockRoot = nil },
		"genesis":         func(e *chain.Env) { e.Number = 0 },
		"ommers":          func(e *chain.Env) { e.Ommers = []*chain.Header{{}} },
	} {
		env := envAt("Osaka")
		change(env)
		_, err := engineAt(t, "Osaka").Execute(context.Background(), block(env, tx), nil, rich())
		require.ErrorIs(t, err, chain.ErrInvalidBlock, name)
	}
	env := envAt("Paris")
	env.Withdrawals = []chain.Withdrawal{{}}
	_, err := engineAt(t, "Paris").Execute(context.Background(), block(env, tx), nil, rich())
	require.ErrorIs(t, err, chain.ErrInvalidBlock)

	config := at("Osaka")
	config.AmsterdamTime = new(uint64)
	require.ErrorIs(t, engine(t, execution.Config{Chain: config}).CheckTx(tx, envAt("Osaka")), chain.ErrInvalidBlock)
}

func TestConfig(t *testing.T) {
	for _, config := range []execution.Config{{}, {Chain: &params.ChainConfig{}}, {Chain: &params.ChainConfig{ChainID: new(big.Int)}}} {
		_, err := execution.New(config)
		require.Error(t, err)
	}
	require.False(t, errors.Is(execution.ErrTxRootRequired, chain.ErrInvalidTx))
}
