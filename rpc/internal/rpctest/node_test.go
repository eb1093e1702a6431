package rpctest_test

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func balance(t *testing.T, n *rpctest.Node, addr common.Address) uint64 {
	t.Helper()
	view, _ := n.Latest()
	account, _, err := view.Account(addr)
	require.NoError(t, err)
	return account.Balance.Uint64()
}

// A block made here imports into another node of the same chain, which checks every
// root: so header, receipts and state of a sealed block are Ethereum's.
func TestBlocksImport(t *testing.T) {
	var (
		to   = common.Address{0xaa}
		node = rpctest.Dev(t, rpctest.Options{})
		copy = rpctest.Dev(t, rpctest.Options{})
	)
	node.Mini(node.Transfer(0, to, 1), node.Transfer(1, to, 2))
	require.EqualValues(t, 3, balance(t, node, to), "a mini-block's effects are shown")
	create, contract := node.Deploy(2, []byte{0x60, 0x2a, 0x5f, 0x55}) // PUSH1 42, PUSH0, SSTORE
	node.Mini(create)
	node.Push(node.Call(2, &contract, 0, nil))
	node.Seal(node.Transfer(0, to, 4))
	node.Seal()
	require.EqualValues(t, 2, node.Head().Number)

	for number := uint64(1); number <= 2; number++ {
		block, err := node.History().Block(number)
		require.NoError(t, err)
		raw, err := (&chain.Block{Header: block.Header, Txs: block.Txs, Withdrawals: block.Env.Withdrawals}).AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, block.Hash, copy.Import(raw).Hash())
	}
	require.EqualValues(t, 7, balance(t, copy, to))
	view, err := copy.StateAt(copy.Head().ID())
	require.NoError(t, err)
	value, err := view.Slot(contract, common.Hash{})
	require.NoError(t, err)
	require.EqualValues(t, 42, value.Uint64())
}

// Same calls, same chain.
func TestDeterministic(t *testing.T) {
	make := func() common.Hash {
		node := rpctest.Dev(t, rpctest.Options{})
		node.Mini(node.Transfer(0, common.Address{1}, 1))
		return node.Seal().Hash()
	}
	require.Equal(t, make(), make())
}

func TestPool(t *testing.T) {
	var (
		ctx  = context.Background()
		node = rpctest.Dev(t, rpctest.Options{Hold: true})
		to   = common.Address{0xaa}
		txs  = []*chain.Tx{node.Transfer(0, to, 1), node.Transfer(0, to, 2), node.Transfer(0, to, 4)}
	)
	for _, i := range []int{2, 0} {
		_, err := node.Send(ctx, txs[i].Raw())
		require.NoError(t, err)
	}
	_, err := node.Send(ctx, txs[0].Raw())
	require.ErrorIs(t, err, chain.ErrInvalidTx)
	pool, err := node.Pool(ctx)
	require.NoError(t, err)
	require.Len(t, pool.Pending, 1)
	require.Len(t, pool.Queued, 1)
	nonce, err := node.PendingNonce(ctx, rpctest.AccountAt(0).Address)
	require.NoError(t, err)
	require.EqualValues(t, 1, nonce)

	node.Mini()
	require.EqualValues(t, 1, balance(t, node, to), "what has a gap before it waits")
	_, err = node.Send(ctx, txs[1].Raw())
	require.NoError(t, err)
	node.Mini()
	require.EqualValues(t, 7, balance(t, node, to))
	_, err = node.Send(ctx, txs[1].Raw())
	require.ErrorIs(t, err, chain.ErrInvalidTx)
	require.ErrorContains(t, err, "nonce too low")
}

// Without Hold a transaction has executed when Send returns, and one that fills a gap
// takes those behind it along.
func TestSendExecutes(t *testing.T) {
	var (
		ctx    = context.Background()
		node   = rpctest.Dev(t, rpctest.Options{})
		to     = common.Address{0xaa}
		first  = node.Transfer(0, to, 1)
		second = node.Transfer(0, to, 2)
	)
	_, err := node.Send(ctx, second.Raw())
	require.NoError(t, err)
	require.Zero(t, balance(t, node, to))
	hash, err := node.Submit(ctx, first.Raw())
	require.NoError(t, err)
	block, i, err := node.History().Tx(hash)
	require.NoError(t, err)
	require.False(t, block.Sealed())
	require.Zero(t, i)
	require.EqualValues(t, 3, balance(t, node, to))

	node.Refuse(chain.ErrBusy)
	_, err = node.Send(ctx, node.Transfer(1, to, 1).Raw())
	require.ErrorIs(t, err, chain.ErrBusy)
}
