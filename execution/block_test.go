package execution_test

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// Miners' rewards: 5, 3 and 2 ether, 1/32 more for each ommer; an ommer's own is
// an eighth less for each block of its age.
func TestRewards(t *testing.T) {
	uncle := common.Address{0xbb}
	for _, test := range []struct {
		fork   string
		reward uint64
	}{{"Frontier", 5 * ether}, {"SpuriousDragon", 5 * ether}, {"Byzantium", 3 * ether}, {"Istanbul", 2 * ether}} {
		env := envAt(test.fork)
		env.Ommers = []*chain.Header{{Number: env.Number - 1, Coinbase: uncle}, {Number: env.Number - 6, Coinbase: uncle}}
		r, err := engineAt(t, test.fork).Execute(context.Background(), block(env), nil, accounts{})
		require.NoError(t, err)
		require.Equal(t, *uint256.NewInt(test.reward + 2*test.reward/32), r.Changes.Account(miner).After.Balance, test.fork)
		require.Equal(t, *uint256.NewInt(test.reward/8*7 + test.reward/8*2), r.Changes.Account(uncle).After.Balance, test.fork)
	}
	r, err := engineAt(t, "Paris").Execute(context.Background(), block(envAt("Paris")), nil, accounts{})
	require.NoError(t, err)
	require.Empty(t, r.Changes.Accounts, "the Merge ends rewards")
}

// The DAO fork moves funds as its block opens, before the first transaction, whose
// state root covers that.
func TestDAOFork(t *testing.T) {
	config := at("Homestead")
	config.DAOForkBlock, config.DAOForkSupport = big.NewInt(10), true
	var (
		drained = params.DAODrainList()[:2]
		state   = rich()
		roots   []*chain.Changes
		e       = engine(t, execution.Config{Chain: config, TxRoot: func(c *chain.Changes) (common.Hash, error) {
			roots = append(roots, c)
			return common.Hash{byte(len(roots))}, nil
		}})
	)
	state[drained[0]], state[drained[1]] = account{balance: 5}, account{balance: 6}
	r, err := e.Execute(context.Background(), block(envAt("Homestead"), call(t, 0, bob, 1, 21000), call(t, 1, bob, 1, 21000)), nil, state)
	require.NoError(t, err)
	require.Equal(t, *uint256.NewInt(11), r.Changes.Account(params.DAORefundContract).After.Balance)
	require.Len(t, roots, 2)
	require.NotNil(t, roots[0].Account(params.DAORefundContract))
	require.NotNil(t, roots[0].Account(bob))
	require.Nil(t, roots[1].Account(params.DAORefundContract))
	for i, receipt := range r.Receipts {
		require.True(t, receipt.HasPostState)
		require.Equal(t, common.Hash{byte(i + 1)}, receipt.PostState)
	}

	env := envAt("Homestead")
	env.Number = 11
	r, err = e.Execute(context.Background(), block(env), nil, state)
	require.NoError(t, err)
	require.Nil(t, r.Changes.Account(params.DAORefundContract), "in no other block")
}

func TestTxRoot(t *testing.T) {
	env := envAt("Homestead")
	_, err := engine(t, execution.Config{Chain: at("Homestead")}).Execute(context.Background(), block(env), nil, rich())
	require.ErrorIs(t, err, execution.ErrTxRootRequired)

	broken := errors.New("no root")
	e := engine(t, execution.Config{Chain: at("Homestead"), TxRoot: func(*chain.Changes) (common.Hash, error) { return common.Hash{}, broken }})
	_, err = e.Execute(context.Background(), block(env, call(t, 0, bob, 1, 21000)), nil, rich())
	require.ErrorIs(t, err, broken)
	r, err := e.Execute(context.Background(), block(envAt("Homestead")), nil, rich())
	require.NoError(t, err, "no transaction needs a root")
	require.Empty(t, r.Receipts)
}

// returning is code that returns data.
func returning(data ...byte) []byte {
	n := byte(len(data))
	return append([]byte{0x60, n, 0x60, 12, 0x60, 0, 0x39, 0x60, n, 0x60, 0, 0xf3}, data...)
}

// Requests come ascending by type, without those that are empty.
func TestRequests(t *testing.T) {
	var (
		deposit = common.Address{0xdd}
		config  = at("Prague")
		state   = rich()
		event   []byte // offsets, then length and bytes of each field, padded
		want    = []byte{0}
	)
	config.DepositContractAddress = deposit
	event = make([]byte, 5*32)
	for i, n := range []int{48, 32, 8, 96, 8} {
		event = append(event, common.LeftPadBytes([]byte{byte(n)}, 32)...)
		field := make([]byte, (n+31)/32*32)
		for j := range n {
			field[j] = byte(i + 1)
			want = append(want, byte(i+1))
		}
		event = append(event, field...)
	}
	topic := common.HexToHash("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")
	logger := func(size byte, topic common.Hash) []byte { // LOG1 of its input, topic
		code := append([]byte{0x36, 0x60, 0, 0x60, 0, 0x37, 0x7f}, topic[:]...)
		return append(code, 0x36, 0x60, size, 0xa1, 0x00)
	}
	state[deposit] = account{nonce: 1, code: logger(0, topic)}
	state[params.WithdrawalQueueAddress] = account{nonce: 1, code: returning(0xa, 0xb)}
	state[params.ConsolidationQueueAddress] = account{nonce: 1, code: returning(0xc)}
	e := engine(t, execution.Config{Chain: config})
	run := func(txs ...*chain.Tx) ([][]byte, error) {
		r, err := e.Execute(context.Background(), block(envAt("Prague"), txs...), nil, state)
		if err != nil {
			return nil, err
		}
		require.NoError(t, r.Changes.Validate())
		return r.Requests, nil
	}

	got, err := run(call(t, 0, deposit, 0, 200_000, event...), call(t, 1, deposit, 0, 200_000, event...))
	require.NoError(t, err)
	require.Equal(t, [][]byte{append(want, want[1:]...), {1, 0xa, 0xb}, {2, 0xc}}, got)
	got, err = run()
	require.NoError(t, err)
	require.Equal(t, [][]byte{{1, 0xa, 0xb}, {2, 0xc}}, got)

	_, err = run(call(t, 0, deposit, 0, 200_000, event[1:]...))
	require.ErrorIs(t, err, chain.ErrInvalidBlock, "a deposit event of another size")

	state[params.ConsolidationQueueAddress] = account{nonce: 1, code: []byte{0}}
	state[params.WithdrawalQueueAddress] = account{nonce: 1, code: []byte{0}}
	got, err = run()
	require.NoError(t, err)
	require.Equal(t, [][]byte{}, got, "none, which is not the same as before Prague")

	state[params.ConsolidationQueueAddress] = account{nonce: 1, code: []byte{0xfe}}
	_, err = run()
	require.ErrorIs(t, err, chain.ErrInvalidBlock, "a system contract fails")
	delete(state, params.ConsolidationQueueAddress)
	_, err = run()
	require.ErrorIs(t, err, chain.ErrInvalidBlock, "a system contract is missing")
}

// A Builder stops below the cap on the block's size; Execute holds blocks to it.
func TestBlockSize(t *testing.T) {
	const data = 100_000
	var (
		env    = envAt("Osaka")
		state  = accounts{alice: {balance: 10 * ether}}
		filler = func(nonce uint64, size int) *chain.Tx {
			tx := sign(t, &types.DynamicFeeTx{
				ChainID: big.NewInt(1), Nonce: nonce, To: &bob, Gas: 21000 + 10*uint64(size), GasFeeCap: big.NewInt(10), Data: make([]byte, size),
			})
			tx.SetSender(alice)
			return tx
		}
		txs []*chain.Tx
	)
	env.GasLimit = 1 << 40
	fillSystem(state)
	for nonce := range uint64(84) {
		txs = append(txs, filler(nonce, data))
	}

	fits := func(config execution.Config) (n int) {
		config.Chain = at("Osaka")
		b, err := engine(t, config).Open(context.Background(), env, nil, state)
		require.NoError(t, err)
		defer b.Discard()
		results, err := b.Push(context.Background(), txs)
		require.NoError(t, err)
		for i := range results {
			if results[i].Err == nil {
				n++
				continue
			}
			if n == i {
				require.ErrorIs(t, results[i].Err, chain.ErrBlockFull)
			}
		}
		return n
	}
	require.Equal(t, (8388608-1<<20)/(data+130), fits(execution.Config{}))
	require.Equal(t, 2, fits(execution.Config{BlockSizeMax: 3*data - 1}))
	require.Equal(t, len(txs), fits(execution.Config{BlockSizeMax: 1 << 40}))

	// Blocks of exactly the cap, and of one byte more.
	var (
		e        = engineAt(t, "Osaka")
		full     = block(env, txs[:83]...)
		raw, err = full.AppendBinary(nil)
	)
	require.NoError(t, err)
	last := 8388608 - len(raw) - 117 // what the last transaction has besides data
	for {
		full.Txs = append(txs[:83:83], filler(83, last))
		raw, err = full.AppendBinary(nil)
		require.NoError(t, err)
		if len(raw) == 8388608 {
			break
		}
		last += 8388608 - len(raw)
	}
	_, err = e.Execute(context.Background(), full, nil, state)
	require.NoError(t, err)
	full.Txs[83] = filler(83, last+1)
	_, err = e.Execute(context.Background(), full, nil, state)
	require.ErrorIs(t, err, chain.ErrInvalidBlock)
	require.ErrorIs(t, err, chain.ErrTooLarge)
	lifted := engine(t, execution.Config{Chain: at("Osaka"), BlockSizeMax: 1 << 30})
	_, err = lifted.Execute(context.Background(), full, nil, state)
	require.NoError(t, err)
}

// A transaction that runs for long is stopped when the context ends.
func TestEndlessLoop(t *testing.T) {
	state := rich()
	state[common.Address{0xaa}] = account{nonce: 1, code: []byte{0x5b, 0x60, 0, 0x56}} // JUMPDEST, PUSH1 0, JUMP
	env := envAt("London")
	env.GasLimit = 1 << 60
	config := at("London")
	tx := sign(t, &types.LegacyTx{To: &common.Address{0xaa}, Gas: 1 << 55, GasPrice: big.NewInt(7)})
	state[alice] = account{balance: 1<<64 - 1}
	b, err := engine(t, execution.Config{Chain: config}).Open(context.Background(), env, nil, view{state})
	require.NoError(t, err)
	defer b.Discard()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = b.Push(ctx, []*chain.Tx{tx})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 10*time.Second)
	_, err = b.Push(context.Background(), nil)
	require.Error(t, err)
}

// view is a state in which alice has more than 2^64 wei.
type view struct{ accounts }

func (v view) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok, err := v.accounts.Account(addr)
	if addr == alice {
		a.Balance.Lsh(uint256.NewInt(1), 200)
	}
	return a, ok, err
}

// Hints have what made the slots of nested mappings and of arrays, inner ones
// first, and nothing that made no slot.
func TestHints(t *testing.T) {
	// mapping(mapping): keccak(2 . keccak(1 . 0)), then the third element of the
	// array in slot 5, then a hash that is only stored.
	word := func(v byte) []byte { return common.LeftPadBytes([]byte{v}, 32) }
	var (
		inner  = append(word(1), word(0)...)
		hash   = chain.Keccak256(inner)
		outer  = append(word(2), hash[:]...)
		array  = word(5)
		hasher = common.Address{0xaa}
		code   = []byte{
			0x60, 1, 0x60, 0, 0x52, // MSTORE(0, 1)
			0x60, 0, 0x60, 32, 0x52, // MSTORE(32, 0)
			0x60, 64, 0x60, 0, 0x20, // KECCAK256(0, 64)
			0x60, 32, 0x52, 0x60, 2, 0x60, 0, 0x52, // MSTORE(32, hash), MSTORE(0, 2)
			0x60, 7, 0x60, 64, 0x60, 0, 0x20, 0x55, // SSTORE(KECCAK256(0, 64), 7)
			0x60, 5, 0x60, 0, 0x52, 0x60, 8, 0x60, 2, 0x60, 32, 0x60, 0, 0x20, 0x01, 0x55, // SSTORE(2 + KECCAK256(0, 32), 8)
			0x60, 9, 0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0x20, 0x60, 1, 0x55, // SSTORE(1, KECCAK256(0, 32))
			0x00,
		}
		state = rich()
	)
	state[hasher] = account{nonce: 1, code: code}
	e := engine(t, execution.Config{Chain: at("London"), Hints: true})
	b, err := e.Open(context.Background(), envAt("London"), nil, state)
	require.NoError(t, err)
	results, err := b.Push(context.Background(), []*chain.Tx{call(t, 0, hasher, 0, 200_000)})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	m, err := b.SealMini(context.Background())
	require.NoError(t, err)
	require.ElementsMatch(t, [][]byte{inner, outer, array}, m.Hints.Preimages)
	require.Less(t, index(m.Hints.Preimages, inner), index(m.Hints.Preimages, outer))
	require.Equal(t, []*chain.Changes{results[0].Changes}, m.Hints.Txs)
	r, err := b.Close(context.Background())
	require.NoError(t, err)
	require.Equal(t, m.Hints, r.Hints)
	require.Equal(t, &chain.Hints{}, r.Last.Hints)

	plain, err := engineAt(t, "London").Execute(context.Background(), block(envAt("London")), nil, state)
	require.NoError(t, err)
	require.Nil(t, plain.Hints)
}

func index(list [][]byte, b []byte) int {
	for i := range list {
		if string(list[i]) == string(b) {
			return i
		}
	}
	return -1
}

// The beacon roots contract gets the block's root (EIP-4788), as part of the first
// mini-block.
func TestBeaconRoot(t *testing.T) {
	var (
		env   = envAt("Cancun")
		state = rich()
		root  = common.Hash{0xbe}
	)
	env.ParentBeaconBlockRoot = &root
	state[params.BeaconRootsAddress] = account{nonce: 1, code: params.BeaconRootsCode}
	b, err := engineAt(t, "Cancun").Open(context.Background(), env, nil, state)
	require.NoError(t, err)
	m, err := b.SealMini(context.Background())
	require.NoError(t, err)
	a := m.Changes.Account(params.BeaconRootsAddress)
	require.Len(t, a.Slots, 2)
	require.Equal(t, uint64(1000), a.Slots[0].After.Uint64())
	require.Equal(t, root, common.Hash(a.Slots[1].After.Bytes32()))
	require.False(t, m.ParentHashPending)
	b.Discard()
}

// EIP-7702: which authorizations count.
func TestAuthorizations(t *testing.T) {
	target := common.Address{0xaa}
	contract := common.Address{0xcc}
	auth := func(chainID, nonce uint64, to common.Address) types.SetCodeAuthorization {
		a, err := types.SignSetCode(bobKey, types.SetCodeAuthorization{ChainID: *uint256.NewInt(chainID), Address: to, Nonce: nonce})
		require.NoError(t, err)
		return a
	}
	spoilt := auth(1, 0, target)
	spoilt.S.SetAllOne()
	for name, test := range map[string]struct {
		bob   account
		auths []types.SetCodeAuthorization
		code  []byte // of bob, after
		nonce uint64
		gas   uint64
	}{
		"sets":          {account{}, []types.SetCodeAuthorization{auth(1, 0, target)}, types.AddressToDelegation(target), 1, 21000 + 25000},
		"any chain":     {account{}, []types.SetCodeAuthorization{auth(0, 0, target)}, types.AddressToDelegation(target), 1, 46000},
		"existed":       {account{balance: 1}, []types.SetCodeAuthorization{auth(1, 0, target)}, types.AddressToDelegation(target), 1, 46000 - 46000/5},
		"other chain":   {account{}, []types.SetCodeAuthorization{auth(2, 0, target)}, nil, 0, 46000},
		"other nonce":   {account{}, []types.SetCodeAuthorization{auth(1, 1, target)}, nil, 0, 46000},
		"maximum nonce": {account{}, []types.SetCodeAuthorization{auth(1, 1<<64-1, target)}, nil, 0, 46000},
		"bad signature": {account{}, []types.SetCodeAuthorization{spoilt}, nil, 0, 46000},
		"contract":      {account{code: []byte{0}}, []types.SetCodeAuthorization{auth(1, 0, target)}, []byte{0}, 0, 46000},
		"last counts":   {account{}, []types.SetCodeAuthorization{auth(1, 0, contract), auth(1, 1, target)}, types.AddressToDelegation(target), 2, 71000 - 12500},
		"clears": {account{nonce: 3, code: types.AddressToDelegation(target)},
			[]types.SetCodeAuthorization{auth(1, 3, common.Address{})}, nil, 4, 46000 - 46000/5},
	} {
		t.Run(name, func(t *testing.T) {
			state := rich()
			if test.bob.code != nil || test.bob.balance > 0 {
				state[bob] = test.bob
			}
			state[target] = account{nonce: 1, code: []byte{0}}
			to := common.Address{0xee}
			tx := sign(t, &types.SetCodeTx{
				ChainID: uint256.NewInt(1), To: to, Gas: 200_000, GasFeeCap: uint256.NewInt(10), AuthList: test.auths,
			})
			r, _ := transact(t, "Prague", envAt("Prague"), state, tx)
			var got chain.Account
			if a := r.Changes.Account(bob); a != nil {
				got = a.After
			} else {
				got, _, _ = state.Account(bob)
			}
			if got.CodeHash != (common.Hash{}) || len(test.code) > 0 {
				require.Equal(t, chain.Keccak256(test.code), got.CodeHash)
			}
			require.Equal(t, test.nonce, got.Nonce)
			require.Equal(t, test.gas, r.Receipt.GasUsed)
		})
	}
}
