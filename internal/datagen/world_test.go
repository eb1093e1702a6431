package datagen

import (
	"context"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/datagen/contracts"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A world is a development chain that executes blocks, for tests of contracts.
type world struct {
	t      *testing.T
	load   *Load
	ex     *execution.Sequential
	state  memory
	env    chain.Env
	open   chain.OpenBlock
	nonces map[int]uint64 // of the accounts that send
}

func newWorld(t *testing.T, load *Load, state *chain.Changes) *world {
	spec, err := genesis.Dev(genesis.DevOptions{State: state})
	require.NoError(t, err)
	ex, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	h := spec.Genesis.Header
	w := &world{
		t: t, load: load, ex: ex, nonces: make(map[int]uint64),
		state: memory{make(map[common.Address]chain.Account), make(map[common.Address]map[common.Hash]uint256.Int), make(map[common.Hash][]byte)},
		env: chain.Env{
			GasLimit: h.GasLimit, BaseFee: h.BaseFee, ExcessBlobGas: h.ExcessBlobGas,
			ParentBeaconBlockRoot: h.ParentBeaconBlockRoot, Withdrawals: []chain.Withdrawal{},
			Timestamp: 1_700_000_000,
		},
	}
	w.state.apply(spec.Genesis.State)
	w.begin()
	return w
}

// begin opens the next block, 12 s after the last.
func (w *world) begin() {
	w.env.Number++
	w.env.Timestamp += 12
	env := w.env
	anyHash := chain.AncestorsFunc(func(_ context.Context, n uint64) (common.Hash, error) {
		return contracts.Number(n + 1), nil
	})
	var err error
	w.open, err = w.ex.Open(context.Background(), &env, anyHash, w.state)
	require.NoError(w.t, err)
}

// seal ends the block and begins the next.
func (w *world) seal() *chain.Result {
	r, err := w.open.Close(context.Background())
	require.NoError(w.t, err)
	require.NoError(w.t, r.Changes.Validate())
	w.state = w.state.clone()
	w.state.apply(r.Changes)
	w.begin()
	return r
}

func (w *world) push(raw []byte) chain.TxResult {
	results, err := w.open.Push(context.Background(), []*chain.Tx{chain.NewTx(raw)})
	require.NoError(w.t, err)
	require.NoError(w.t, results[0].Err)
	return results[0]
}

// send executes a transaction of an account; to is nil for a creation.
func (w *world) send(from int, to *common.Address, data []byte) chain.TxResult {
	fee := new(uint256.Int).Lsh(w.env.BaseFee, 1).ToBig()
	tx, err := types.SignNewTx(w.load.Key(from), w.load.signer, &types.DynamicFeeTx{
		ChainID: w.load.signer.ChainID(), Nonce: w.nonces[from], To: to, Data: data,
		Gas: 5_000_000, GasFeeCap: fee, GasTipCap: new(big.Int),
	})
	require.NoError(w.t, err)
	w.nonces[from]++
	raw, err := tx.MarshalBinary()
	require.NoError(w.t, err)
	return w.push(raw)
}

// must is send of what may not fail.
func (w *world) must(from int, to common.Address, data []byte) []byte {
	w.t.Helper()
	r := w.send(from, &to, data)
	require.Equal(w.t, uint64(1), r.Receipt.Status, "reverted with %x", r.Output)
	return r.Output
}

// fails is send of what must revert with the error given by its signature.
func (w *world) fails(want string, from int, to common.Address, data []byte) {
	w.t.Helper()
	r := w.send(from, &to, data)
	require.Zero(w.t, r.Receipt.Status, "did not revert with %s", want)
	selector := chain.Keccak256([]byte(want))
	require.GreaterOrEqual(w.t, len(r.Output), 4, want)
	require.Equal(w.t, fmt.Sprintf("%x", selector[:4]), fmt.Sprintf("%x", r.Output[:4]), want)
}

// number is a variable of a contract in the newest sealed state.
func (w *world) number(at common.Address, c *contracts.Contract, name string, keys ...common.Address) uint256.Int {
	v, err := w.state.Slot(at, c.Slot(name, keys...))
	require.NoError(w.t, err)
	return v
}

// reserves are the pair's, in the newest sealed state.
func (w *world) reserves() (r0, r1 *uint256.Int, timestamp uint64) {
	packed := w.number(w.load.contracts.Pair, contracts.Pair, "reserve0")
	mask := new(uint256.Int).SubUint64(new(uint256.Int).Lsh(uint256.NewInt(1), 112), 1)
	r0 = new(uint256.Int).And(&packed, mask)
	r1 = new(uint256.Int).Rsh(&packed, 112)
	r1.And(r1, mask)
	return r0, r1, new(uint256.Int).Rsh(&packed, 224).Uint64()
}

// memory is a state in maps.
type memory struct {
	accounts map[common.Address]chain.Account
	slots    map[common.Address]map[common.Hash]uint256.Int
	codes    map[common.Hash][]byte
}

func (m memory) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := m.accounts[addr]
	return a, ok, nil
}

func (m memory) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return m.slots[addr][key], nil
}

func (m memory) Code(hash common.Hash) ([]byte, error) { return m.codes[hash], nil }

// clone copies what apply alters, since views never change.
func (m memory) clone() memory {
	out := memory{make(map[common.Address]chain.Account), make(map[common.Address]map[common.Hash]uint256.Int), make(map[common.Hash][]byte)}
	for addr, a := range m.accounts {
		out.accounts[addr] = a
	}
	for addr, slots := range m.slots {
		out.slots[addr] = make(map[common.Hash]uint256.Int, len(slots))
		for k, v := range slots {
			out.slots[addr][k] = v
		}
	}
	for hash, code := range m.codes {
		out.codes[hash] = code
	}
	return out
}

func (m memory) apply(c *chain.Changes) {
	for _, a := range c.Accounts {
		if a.Cleared {
			delete(m.slots, a.Address)
		}
		if !a.Exists {
			delete(m.accounts, a.Address)
			continue
		}
		m.accounts[a.Address] = a.After
		if m.slots[a.Address] == nil && len(a.Slots) > 0 {
			m.slots[a.Address] = make(map[common.Hash]uint256.Int)
		}
		for _, s := range a.Slots {
			if m.slots[a.Address][s.Key] = s.After; s.After.IsZero() {
				delete(m.slots[a.Address], s.Key)
			}
		}
	}
	for _, code := range c.Codes {
		m.codes[code.Hash] = code.Bytes
	}
}
