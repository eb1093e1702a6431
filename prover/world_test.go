package prover

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/datagen"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/statediff"
	"github.com/vivace-chain/vivace/trie"
)

// world is a sequencer without its machinery: it makes sealed blocks with their
// witnesses and diffs.
type world struct {
	config   *params.ChainConfig
	executor *execution.Sequential
	trie     *trie.StateTrie
	state    memory
	headers  []*chain.Header // all, by number
	load     *datagen.Load
	lane     *datagen.Lane
}

// sealed is a block with what is published of it.
type sealed struct {
	block   *chain.Block
	witness *chain.Witness
	changes *chain.Changes
	diff    []byte
}

const worldTerm = 7

// historian calls BLOCKHASH(NUMBER-3) and stores the result: a block with a
// transaction to it needs one header more than the parent's.
var (
	historian     = common.HexToAddress("0xb10c")
	historianCode = common.FromHex("6003430340" + "5f55" + "00")
)

func newWorld(t testing.TB) *world {
	load, err := datagen.New(datagen.Config{Seed: 1, Accounts: 40, ChainID: genesis.DevChainID})
	require.NoError(t, err)
	state := load.State()
	code := chain.Code{Hash: chain.Keccak256(historianCode), Bytes: historianCode}
	state.Codes = append(state.Codes, code)
	state.Accounts = append(state.Accounts, chain.AccountChange{
		Address: historian, Exists: true, After: chain.Account{Nonce: 1, CodeHash: code.Hash},
	})
	spec, err := genesis.Dev(genesis.DevOptions{State: state})
	require.NoError(t, err)
	executor, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	w := &world{
		config: spec.Config, executor: executor, trie: trie.New(trie.Config{}),
		headers: []*chain.Header{spec.Genesis.Header}, load: load, lane: load.Lanes(1)[0],
	}
	w.state = w.state.apply(spec.Genesis.State)
	commitment, err := w.trie.Begin(context.Background(), chain.EmptyRoot)
	require.NoError(t, err)
	require.NoError(t, commitment.Apply(spec.Genesis.State))
	_, err = commitment.Root(context.Background())
	require.NoError(t, err)
	require.NoError(t, commitment.Commit(context.Background()))
	return w
}

// txs are the next n of the load.
func (w *world) txs(n int) (out []*chain.Tx) {
	for range n {
		out = append(out, chain.NewTx(w.lane.Next().Raw))
	}
	return out
}

// env of the next block.
func (w *world) env() *chain.Env {
	parent := w.headers[len(w.headers)-1]
	return &chain.Env{
		Number: parent.Number + 1, Timestamp: parent.Timestamp + 1, GasLimit: parent.GasLimit,
		Coinbase: common.Address{0xfe}, PrevRandao: common.Hash{9}, BaseFee: uint256.NewInt(params.GWei),
		ExtraData: []byte{7: worldTerm}, ExcessBlobGas: new(uint64), ParentBeaconBlockRoot: new(common.Hash),
		Withdrawals: []chain.Withdrawal{{Index: 1, Address: common.Address{0xaa}, Amount: 5}},
	}
}

func (w *world) seal(t testing.TB, txs []*chain.Tx) *sealed {
	ctx, parent, env := context.Background(), w.headers[len(w.headers)-1], w.env()
	ancestors := chain.AncestorsFunc(func(_ context.Context, number uint64) (common.Hash, error) {
		return w.headers[number].Hash(), nil
	})
	open, err := w.executor.Open(ctx, env, ancestors, w.state)
	require.NoError(t, err)
	results, err := open.Push(ctx, txs)
	require.NoError(t, err)
	for _, r := range results {
		require.NoError(t, r.Err)
	}
	result, err := open.Close(ctx)
	require.NoError(t, err)

	commitment, err := w.trie.Begin(ctx, parent.StateRoot)
	require.NoError(t, err)
	require.NoError(t, commitment.Apply(result.Changes))
	root, err := commitment.Root(ctx)
	require.NoError(t, err)
	witness, err := commitment.Witness(ctx, result.Accesses)
	require.NoError(t, err)
	require.NoError(t, commitment.Commit(ctx))
	w.complete(witness, env.Number, result.Accesses)

	diff, err := statediff.New(statediff.Config{Stateless: true}).AppendEncode(nil, result.Changes, w.state, nil)
	require.NoError(t, err)
	s := &sealed{
		block:   &chain.Block{Header: header(parent, env, txs, result, root), Txs: txs, Withdrawals: env.Withdrawals},
		witness: witness, changes: result.Changes, diff: diff,
	}
	w.headers = append(w.headers, s.block.Header)
	w.state = w.state.apply(result.Changes)
	return s
}

// complete adds codes and headers to a witness, as its owner must.
func (w *world) complete(witness *chain.Witness, number uint64, accesses *chain.AccessSet) {
	for _, a := range accesses.Accounts {
		if account, ok := w.state.accounts[a.Address]; a.Code && ok {
			witness.Codes = append(witness.Codes, w.state.codes[account.CodeHash])
		}
	}
	oldest := number
	if len(accesses.Ancestors) > 0 {
		oldest = accesses.Ancestors[0]
	}
	for i := range chain.WitnessHeaders(number, oldest) {
		raw, _ := w.headers[int(number)-1-i].AppendBinary(nil)
		witness.Headers = append(witness.Headers, raw)
	}
	witness.Normalize()
}

func header(parent *chain.Header, env *chain.Env, txs []*chain.Tx, r *chain.Result, root common.Hash) *chain.Header {
	withdrawals, requests := trie.WithdrawalsRoot(env.Withdrawals), chain.RequestsHash(r.Requests)
	return &chain.Header{
		ParentHash: parent.Hash(), OmmersHash: chain.EmptyOmmersHash, Coinbase: env.Coinbase, StateRoot: root,
		TransactionsRoot: trie.TransactionsRoot(txs), ReceiptsRoot: trie.ReceiptsRoot(r.Receipts), LogsBloom: r.LogsBloom,
		Number: env.Number, GasLimit: env.GasLimit, GasUsed: r.GasUsed, Timestamp: env.Timestamp,
		ExtraData: env.ExtraData, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee, WithdrawalsRoot: &withdrawals,
		BlobGasUsed: &r.BlobGasUsed, ExcessBlobGas: env.ExcessBlobGas, ParentBeaconBlockRoot: env.ParentBeaconBlockRoot,
		RequestsHash: &requests,
	}
}

// clone is a copy that a test may damage.
func (s *sealed) clone(t testing.TB) *sealed {
	out := &sealed{block: new(chain.Block), witness: new(chain.Witness), changes: s.changes, diff: common.CopyBytes(s.diff)}
	raw, _ := s.block.AppendBinary(nil)
	require.NoError(t, out.block.UnmarshalBinary(raw))
	raw, _ = s.witness.AppendBinary(nil)
	require.NoError(t, out.witness.UnmarshalBinary(raw))
	return out
}

// put stores the objects and returns where they are.
func (s *sealed) put(t testing.TB, client chain.DAClient) *chain.Publication {
	block, _ := s.block.AppendBinary(nil)
	witness, _ := s.witness.AppendBinary(nil)
	p := &chain.Publication{Block: s.block.Header.ID()}
	for _, o := range []struct {
		kind    da.Kind
		payload []byte
		id      *chain.BlobID
	}{{da.Block, block, &p.Body}, {da.Witness, witness, &p.Witness}, {da.Diff, s.diff, &p.Diff}} {
		var err error
		*o.id, _, err = da.Put(context.Background(), client, &da.Object{Kind: o.kind, Block: p.Block, Payload: o.payload})
		require.NoError(t, err)
	}
	return p
}

// memory is a state in maps. It is copied whole for each block.
type memory struct {
	accounts map[common.Address]chain.Account
	slots    map[common.Address]map[common.Hash]uint256.Int
	codes    map[common.Hash][]byte
}

func (m memory) apply(c *chain.Changes) memory {
	out := memory{make(map[common.Address]chain.Account), make(map[common.Address]map[common.Hash]uint256.Int), make(map[common.Hash][]byte)}
	maps.Copy(out.accounts, m.accounts)
	maps.Copy(out.slots, m.slots)
	maps.Copy(out.codes, m.codes)
	for _, code := range c.Codes {
		out.codes[code.Hash] = code.Bytes
	}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		slots := maps.Clone(out.slots[a.Address])
		if slots == nil || a.Cleared {
			slots = make(map[common.Hash]uint256.Int)
		}
		for _, s := range a.Slots {
			slots[s.Key] = s.After
		}
		out.accounts[a.Address], out.slots[a.Address] = a.After, slots
		if !a.Exists {
			delete(out.accounts, a.Address)
		}
	}
	return out
}

func (m memory) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := m.accounts[addr]
	return a, ok, nil
}

func (m memory) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return m.slots[addr][key], nil
}

func (m memory) Code(hash common.Hash) ([]byte, error) {
	code, ok := m.codes[hash]
	if !ok && hash != chain.EmptyCodeHash {
		return nil, fmt.Errorf("%w: code %s", chain.ErrNotFound, hash)
	}
	return code, nil
}
