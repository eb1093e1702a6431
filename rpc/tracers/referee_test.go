package tracers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	gethtracers "github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"
)

// referee is go-ethereum's node, as far as its tracers need one: the answers of its
// API are what ours must be.
type referee struct {
	*core.BlockChain
	db ethdb.Database
}

func newReferee(t *testing.T, spec *core.Genesis, engine consensus.Engine, blocks []*types.Block) *referee {
	db := rawdb.NewMemoryDatabase()
	chain, err := core.NewBlockChain(db, spec, engine, &core.BlockChainConfig{
		TrieCleanLimit: 16, ArchiveMode: true, StateScheme: rawdb.HashScheme,
	})
	require.NoError(t, err)
	t.Cleanup(chain.Stop)
	_, err = chain.InsertChain(blocks)
	require.NoError(t, err)
	return &referee{chain, db}
}

func (r *referee) HeaderByHash(_ context.Context, hash common.Hash) (*types.Header, error) {
	return r.GetHeaderByHash(hash), nil
}

func (r *referee) HeaderByNumber(_ context.Context, number rpc.BlockNumber) (*types.Header, error) {
	return r.GetHeaderByNumber(r.number(number)), nil
}

func (r *referee) BlockByHash(_ context.Context, hash common.Hash) (*types.Block, error) {
	return r.GetBlockByHash(hash), nil
}

func (r *referee) BlockByNumber(_ context.Context, number rpc.BlockNumber) (*types.Block, error) {
	return r.GetBlockByNumber(r.number(number)), nil
}

func (r *referee) number(number rpc.BlockNumber) uint64 {
	if number < 0 {
		return r.CurrentBlock().Number.Uint64()
	}
	return uint64(number)
}

func (r *referee) GetCanonicalTransaction(hash common.Hash) (bool, *types.Transaction, common.Hash, uint64, uint64) {
	tx, block, number, index := rawdb.ReadCanonicalTransaction(r.db, hash)
	return tx != nil, tx, block, number, index
}

func (r *referee) TxIndexDone() bool                { return true }
func (r *referee) RPCGasCap() uint64                { return 50_000_000 }
func (r *referee) ChainConfig() *params.ChainConfig { return r.Config() }
func (r *referee) ChainDb() ethdb.Database          { return r.db }

func (r *referee) StateAtBlock(_ context.Context, b *types.Block, _ *state.StateDB, _, _ bool) (*state.StateDB, gethtracers.StateReleaseFunc, error) {
	db, err := r.StateAt(b.Root(), b.Number(), b.Time())
	return db, func() {}, err
}

// StateAtTransaction follows eth.Ethereum's, which is not exported.
func (r *referee) StateAtTransaction(ctx context.Context, b *types.Block, index int) (*types.Transaction, vm.BlockContext, *state.StateDB, gethtracers.StateReleaseFunc, error) {
	none := vm.BlockContext{}
	parent := r.GetBlockByHash(b.ParentHash())
	if parent == nil {
		return nil, none, nil, nil, errors.New("no parent")
	}
	db, release, err := r.StateAtBlock(ctx, parent, nil, true, false)
	if err != nil {
		return nil, none, nil, nil, err
	}
	block := core.NewEVMBlockContext(b.Header(), r.BlockChain, nil)
	evm := vm.NewEVM(block, db, r.Config(), vm.Config{})
	defer evm.Release()
	core.PreExecution(ctx, b.BeaconRoot(), parent.Header(), r.Config(), evm, b.Number(), b.Time())
	if index == 0 && len(b.Transactions()) == 0 {
		return nil, block, db, release, nil
	}
	signer := types.MakeSigner(r.Config(), b.Number(), b.Time())
	for i, tx := range b.Transactions() {
		if i == index {
			return tx, block, db, release, nil
		}
		msg, err := core.TransactionToMessage(tx, signer, b.BaseFee())
		if err != nil {
			return nil, none, nil, nil, err
		}
		db.SetTxContext(tx.Hash(), i, uint32(i+1))
		if _, err := core.ApplyMessage(evm, msg, nil); err != nil {
			return nil, none, nil, nil, err
		}
		db.Finalise(evm.GetRules())
	}
	return nil, none, nil, nil, fmt.Errorf("transaction index %d out of range for block %s", index, b.Hash())
}

// client speaks JSON-RPC with a receiver's methods in the namespace debug.
func client(t testing.TB, api any) *rpc.Client {
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("debug", api))
	c := rpc.DialInProc(server)
	t.Cleanup(func() { c.Close(); server.Stop() })
	return c
}

// answer is what a client got: a result, or an error's text and code.
type answer struct {
	Result string
	Error  string
	Code   int
}

func ask(t testing.TB, c *rpc.Client, method string, args ...any) (a answer) {
	var raw json.RawMessage
	err := c.CallContext(t.Context(), &raw, "debug_"+method, args...)
	if err != nil {
		a.Error = err.Error()
		if coded := rpc.Error(nil); errors.As(err, &coded) {
			a.Code = coded.ErrorCode()
		}
	}
	a.Result = string(raw)
	return a
}
