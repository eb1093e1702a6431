package execution_test

import (
	"context"
	"math/big"
	"testing"
	"fmt"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/triedb"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/internal/oracle"
)

func TestScratchReferee(t *testing.T) {
	ex, _ := execution.New(execution.Config{Chain: params.MainnetChainConfig, TxRoot: noRoot})
	ref := oracle.NewReferee(params.MainnetChainConfig)
	for b, err := range mainnet.Load("/work/shared/mainnet") {
		if err != nil { t.Fatal(err) }
		b.SetSenders()
		r, err := ex.Execute(context.Background(), b.Block, b.Hashes, b.Pre)
		if err != nil { t.Fatal(err) }
		w, err := ref.Execute(context.Background(), b.Block, b.Hashes, b.Pre)
		if err != nil { t.Fatal(err) }
		if d := oracle.Diff(r, w); d != "" { t.Errorf("%d: %s", b.Header.Number, d) }
	}
}

type sflat struct{ chain.StateView }
var errNoTrie = errors.New("flat state has no trie")
func (sflat) Type() state.DatabaseType                     { return state.TypeMPT }
func (f sflat) Reader(common.Hash) (state.Reader, error)   { return f, nil }
func (sflat) Iteratee(common.Hash) (state.Iteratee, error) { return nil, errNoTrie }
func (sflat) OpenTrie(common.Hash) (state.Trie, error)     { return nil, errNoTrie }
func (sflat) TrieDB() *triedb.Database                     { return nil }
func (sflat) Commit(*state.StateUpdate) error              { return errNoTrie }
func (sflat) OpenStorageTrie(common.Hash, common.Address, common.Hash, state.Trie) (state.Trie, error) {
	return nil, errNoTrie
}
func (f sflat) Account(addr common.Address) (*types.StateAccount, error) {
	a, ok, err := f.StateView.Account(addr)
	if !ok || err != nil {
		return nil, err
	}
	return &types.StateAccount{Nonce: a.Nonce, Balance: &a.Balance, Root: common.Hash{1}, CodeHash: a.CodeHash[:]}, nil
}
func (f sflat) Storage(addr common.Address, key common.Hash) (common.Hash, error) {
	v, err := f.StateView.Slot(addr, key)
	return v.Bytes32(), err
}
func (f sflat) Code(_ common.Address, hash common.Hash) []byte {
	code, err := f.StateView.Code(hash)
	if err != nil {
		return nil
	}
	return code
}
func (f sflat) CodeSize(addr common.Address, hash common.Hash) int { return len(f.Code(addr, hash)) }
func (f sflat) Has(addr common.Address, hash common.Hash) bool { return len(f.Code(addr, hash)) > 0 }

type cctx struct{ e consensus.Engine; hashes mainnet.BlockHashes; parent common.Hash }
func (c cctx) Config() *params.ChainConfig { return params.MainnetChainConfig }
func (c cctx) Engine() consensus.Engine { return c.e }
func (c cctx) CurrentHeader() *types.Header { return nil }
func (c cctx) GetHeader(h common.Hash, n uint64) *types.Header { return &types.Header{Number: new(big.Int).SetUint64(n), ParentHash: c.hashes[n-1]} }
func (c cctx) GetHeaderByNumber(uint64) *types.Header { return nil }
func (c cctx) GetHeaderByHash(common.Hash) *types.Header { return nil }

func BenchmarkScratch(b *testing.B) {
	var blocks []*mainnet.Block
	var gblocks []*types.Block
	for bl, err := range mainnet.Load("/work/shared/mainnet") {
		if err != nil { b.Fatal(err) }
		bl.SetSenders()
		blocks = append(blocks, bl)
		g, err := oracle.Block(bl.Block)
		if err != nil { b.Fatal(err) }
		gblocks = append(gblocks, g)
		s := types.MakeSigner(params.MainnetChainConfig, g.Number(), g.Time())
		for _, tx := range g.Transactions() { if _, err := types.Sender(s, tx); err != nil { b.Fatal(err) } }
	}
	b.Run("impl=geth", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i, g := range gblocks {
				db, err := state.New(common.Hash{1}, sflat{blocks[i].Pre})
				if err != nil { b.Fatal(err) }
				p := core.NewStateProcessor(cctx{beacon.New(ethash.NewFaker()), blocks[i].Hashes, common.Hash{}})
				if g.NumberU64() < 4370000 { // pre byzantium: no trie
					gp := core.NewGasPool(g.GasLimit())
					evm := vm.NewEVM(core.NewEVMBlockContext(g.Header(), cctx{beacon.New(ethash.NewFaker()), blocks[i].Hashes, common.Hash{}}, nil), db, params.MainnetChainConfig, vm.Config{})
					for j, tx := range g.Transactions() {
						msg, err := core.TransactionToMessage(tx, types.MakeSigner(params.MainnetChainConfig, g.Number(), g.Time()), g.BaseFee())
						if err != nil { b.Fatal(err) }
						db.SetTxContext(tx.Hash(), j, 0)
						res, err := core.ApplyMessage(evm, msg, gp)
						if err != nil { b.Fatal(err) }
						db.Finalise(evm.GetRules())
						_ = core.MakeReceipt(evm, res, db, g.Number(), g.Hash(), g.Time(), tx, gp.CumulativeUsed(), nil)
					}
					continue
				}
				res, err := p.Process(context.Background(), g, db, nil, nil, vm.Config{}, nil)
				if err != nil { b.Fatal(err) }
				if res.GasUsed != g.GasUsed() { b.Fatal(fmt.Sprint(g.Number())) }
			}
		}
	})
	b.Run("impl=vivace", func(b *testing.B) {
		b.ReportAllocs()
		ex, _ := execution.New(execution.Config{Chain: params.MainnetChainConfig, TxRoot: noRoot})
		for b.Loop() {
			for _, bl := range blocks {
				r, err := ex.Execute(context.Background(), bl.Block, bl.Hashes, bl.Pre)
				if err != nil { b.Fatal(err) }
				if r.GasUsed != bl.Header.GasUsed { b.Fatal() }
			}
		}
	})
}
