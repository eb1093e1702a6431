package rpctest

import (
	"context"
	"encoding/binary"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/trie"
)

// An openBlock is a block in the making.
type openBlock struct {
	env    *chain.Env
	block  chain.OpenBlock
	base   chain.Staged   // its mini-blocks; nil while there are none
	loose  []chain.Staged // what executed since, one on the other
	tip    chain.Staged   // the newest of both; nil while there is none
	index  uint32         // of the mini-block in the making
	parent bool           // MiniBlock.ParentHashPending of the first
	txs    []*chain.Tx
	minis  int // transactions that are in mini-blocks
}

// Mini executes txs, after whatever waits in the pool and can, acknowledges them and
// ends the mini-block. A transaction that cannot be executed ends the test.
func (n *Node) Mini(txs ...*chain.Tx) {
	n.tb.Helper()
	n.making.Lock()
	defer n.making.Unlock()
	n.must(n.fill(txs))
	n.must(n.endMini())
}

// Seal executes txs as Mini does, ends the block and gives it its header, which it
// returns. A block without transactions is sealed too.
func (n *Node) Seal(txs ...*chain.Tx) *chain.Header {
	n.tb.Helper()
	n.making.Lock()
	defer n.making.Unlock()
	n.must(n.fill(txs))
	n.must(n.seal())
	return n.head
}

// Push executes txs and acknowledges them, without ending the mini-block.
func (n *Node) Push(txs ...*chain.Tx) {
	n.tb.Helper()
	n.making.Lock()
	defer n.making.Unlock()
	n.must(n.fill(txs))
}

func (n *Node) must(err error) {
	n.tb.Helper()
	if err != nil {
		n.tb.Fatalf("rpctest: block %d: %v", n.head.Number+1, err)
	}
}

// fill executes what can be executed of the pool, then txs.
func (n *Node) fill(txs []*chain.Tx) error {
	for tx := n.ready(); tx != nil; tx = n.ready() {
		err := n.execute(tx)
		n.drop(tx, err)
		if err != nil && !errors.Is(err, chain.ErrInvalidTx) {
			return err
		}
	}
	for _, tx := range txs {
		if err := n.execute(tx); err != nil {
			return err
		}
	}
	return nil
}

// execute puts a transaction into the open block and acknowledges it. A full block
// is sealed first.
func (n *Node) execute(tx *chain.Tx) error {
	err := n.push(tx)
	if errors.Is(err, chain.ErrBlockFull) && len(n.open.txs) > 0 {
		if err := n.seal(); err != nil {
			return err
		}
		err = n.push(tx)
	}
	return err
}

func (n *Node) push(tx *chain.Tx) error {
	ctx := context.Background()
	b, err := n.current()
	if err != nil {
		return err
	}
	results, err := b.block.Push(ctx, []*chain.Tx{tx})
	if err != nil {
		return err
	}
	r := &results[0]
	if r.Err != nil {
		return r.Err
	}
	staged, err := n.stage(ctx, b.tip, r.Changes)
	if err != nil {
		return err
	}
	b.loose, b.tip = append(b.loose, staged), staged
	b.txs = append(b.txs, tx)
	if err := n.show(); err != nil {
		return err
	}
	return n.history.Acknowledge(b.env.Number, []*chain.Tx{tx}, []*chain.Receipt{r.Receipt})
}

func (n *Node) stage(ctx context.Context, on chain.Staged, c *chain.Changes) (chain.Staged, error) {
	if on == nil {
		return n.store.Stage(ctx, c)
	}
	return on.Stage(ctx, c)
}

// current is the open block, which is opened if there is none.
func (n *Node) current() (*openBlock, error) {
	if n.open != nil {
		return n.open, nil
	}
	prior, err := n.store.View(n.head.ID())
	if err != nil {
		return nil, err
	}
	env := n.next(n.head)
	block, err := n.engine.Open(context.Background(), env, n.ancestors(), prior)
	if err != nil {
		return nil, err
	}
	n.open = &openBlock{env: env, block: block}
	return n.open, n.history.OpenBlock(env)
}

func (n *Node) ancestors() chain.Ancestors {
	return chain.AncestorsFunc(func(_ context.Context, number uint64) (common.Hash, error) {
		header, err := n.history.Header(number)
		if err != nil {
			return common.Hash{}, err
		}
		return header.Hash(), nil
	})
}

// endMini ends the mini-block, also an empty one.
func (n *Node) endMini() error {
	b, err := n.current()
	if err != nil {
		return err
	}
	mini, err := b.block.SealMini(context.Background())
	if err != nil {
		return err
	}
	return n.publish(b, mini, false)
}

// publish stages a mini-block in place of its transactions, and gives history its
// frame.
func (n *Node) publish(b *openBlock, mini *chain.MiniBlock, last bool) error {
	if len(b.loose) > 0 {
		b.loose[0].Discard()
		b.loose = nil
	}
	staged, err := n.stage(context.Background(), b.base, mini.Changes)
	if err != nil {
		return err
	}
	b.base, b.tip = staged, staged
	diff, err := mini.Changes.AppendBinary(nil)
	if err != nil {
		return err
	}
	frame := &chain.Frame{
		Number: b.env.Number, Index: b.index, Term: b.env.Term(), Parent: n.frame, GasUsed: mini.GasUsed,
		TxCount: uint32(len(b.txs) - b.minis), Last: last, ParentHashPending: mini.ParentHashPending, Diff: diff,
	}
	if b.index == 0 {
		frame.Env, b.parent = b.env, mini.ParentHashPending
	}
	b.index++
	b.minis = len(b.txs)
	n.frame = frame.Digest()
	if err := n.history.SealMini(frame, n.frame, mini.Changes); err != nil {
		return err
	}
	return n.show()
}

// seal ends the block, computes its root and commits it.
func (n *Node) seal() error {
	ctx := context.Background()
	b, err := n.current()
	if err != nil {
		return err
	}
	result, err := b.block.Close(ctx)
	if err != nil {
		return err
	}
	if err := n.publish(b, result.Last, true); err != nil {
		return err
	}
	if b.parent {
		write, err := chain.ParentHashChange(n.head, b.tip.View())
		if err != nil {
			return err
		}
		if b.tip, err = b.tip.Stage(ctx, write); err != nil {
			return err
		}
	}
	root, err := n.commit(ctx, n.head.StateRoot, result.Changes)
	if err != nil {
		return err
	}
	header := header(b.env, n.head.Hash(), result, b.txs, root)
	if err := b.tip.Commit(ctx, header.ID()); err != nil {
		return err
	}
	n.head, n.open = header, nil
	if err := n.history.Seal(header); err != nil {
		return err
	}
	return n.show()
}

// next is the environment of the block after parent: everything follows from parent,
// and the clock is its own.
func (n *Node) next(parent *chain.Header) *chain.Env {
	var (
		config = n.spec.Config
		number = new(big.Int).SetUint64(parent.Number + 1)
		before = ethereumHeader(parent)
		env    = &chain.Env{
			Number: parent.Number + 1, Timestamp: parent.Timestamp + n.opts.BlockTime, GasLimit: parent.GasLimit,
			Coinbase: parent.Coinbase, ExtraData: binary.BigEndian.AppendUint64(nil, 1),
		}
	)
	env.PrevRandao = chain.Keccak256(number.Bytes())
	env.BaseFee = uint256.MustFromBig(eip1559.CalcBaseFee(config, before))
	if config.IsShanghai(number, env.Timestamp) {
		env.Withdrawals = []chain.Withdrawal{}
	}
	if config.IsCancun(number, env.Timestamp) {
		excess := eip4844.CalcExcessBlobGas(config, before, env.Timestamp)
		env.ExcessBlobGas, env.ParentBeaconBlockRoot = &excess, new(common.Hash)
	}
	return env
}

// ethereumHeader has what fees depend on.
func ethereumHeader(h *chain.Header) *types.Header {
	out := &types.Header{
		Number: new(big.Int).SetUint64(h.Number), Time: h.Timestamp, GasLimit: h.GasLimit, GasUsed: h.GasUsed,
		BlobGasUsed: h.BlobGasUsed, ExcessBlobGas: h.ExcessBlobGas,
	}
	if h.BaseFee != nil {
		out.BaseFee = h.BaseFee.ToBig()
	}
	return out
}

// header puts the header of a sealed block together.
func header(env *chain.Env, parent common.Hash, r *chain.Result, txs []*chain.Tx, root common.Hash) *chain.Header {
	h := &chain.Header{
		ParentHash: parent, OmmersHash: chain.EmptyOmmersHash, Coinbase: env.Coinbase, StateRoot: root,
		TransactionsRoot: trie.TransactionsRoot(txs), ReceiptsRoot: trie.ReceiptsRoot(r.Receipts),
		LogsBloom: r.LogsBloom, Number: env.Number, GasLimit: env.GasLimit, GasUsed: r.GasUsed,
		Timestamp: env.Timestamp, ExtraData: env.ExtraData, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee,
	}
	if env.Withdrawals != nil {
		withdrawals := trie.WithdrawalsRoot(env.Withdrawals)
		h.WithdrawalsRoot = &withdrawals
	}
	if env.ExcessBlobGas != nil {
		h.BlobGasUsed, h.ExcessBlobGas, h.ParentBeaconBlockRoot = &r.BlobGasUsed, env.ExcessBlobGas, env.ParentBeaconBlockRoot
	}
	if r.Requests != nil {
		hash := chain.RequestsHash(r.Requests)
		h.RequestsHash = &hash
	}
	return h
}
