package execution

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// openBlock is a block under construction. It implements chain.OpenBlock.
type openBlock struct {
	*fork
	txRoot    func(*chain.Changes) (common.Hash, error) // nil: receipts without state roots
	ancestors chain.Ancestors
	pool      *statePool // of state
	state     *state
	db        watched // the same, for the block's own writes
	evm       *vm.EVM
	ctx       context.Context // of the call that is running
	broken    error           // why only Discard may follow
	warm      []common.Address
	hashes    map[uint64]common.Hash // of ancestors, as far as they were asked for

	gasUsed     uint64
	blobGasUsed uint64
	size        uint64 // RLP of the block so far, in bytes, at most
	sizeMax     uint64
	logCount    uint32
	opening     *chain.Changes // before Byzantium: not handed to TxRoot yet
	receipts    []*chain.Receipt
	bloom       chain.Bloom
	mini        mini
}

// mini is the current mini-block.
type mini struct {
	index   uint32
	txs     []*chain.Tx
	results []chain.TxResult
	pending bool // chain.MiniBlock.ParentHashPending
}

// Open implements chain.Builder: it starts a block and runs what opens it.
func (e *Sequential) Open(ctx context.Context, env *chain.Env, ancestors chain.Ancestors, prior chain.StateView) (chain.OpenBlock, error) {
	f, err := e.fork(env)
	if err != nil {
		return nil, err
	}
	sizeMax := e.config.BlockSizeMax
	if sizeMax == 0 && f.rules.IsOsaka {
		sizeMax = params.MaxBlockSize - blockSizeHeadroom
	}
	b, err := e.open(ctx, f, ancestors, prior, sizeMax)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// open starts a block of at most sizeMax bytes; 0 means any.
func (e *Sequential) open(ctx context.Context, f *fork, ancestors chain.Ancestors, prior chain.StateView, sizeMax uint64) (*openBlock, error) {
	if err := f.checkBlock(); err != nil {
		return nil, err
	}
	if !f.rules.IsByzantium && e.config.TxRoot == nil {
		return nil, fmt.Errorf("block %d: %w", f.env.Number, ErrTxRootRequired)
	}
	b := begin(f, ancestors, prior, &blockStates, e.config.Hints)
	b.txRoot = e.config.TxRoot
	b.size, b.sizeMax = emptySize(f.env), sizeMax
	if err := b.guard(ctx, b.runOpening); err != nil {
		b.Discard()
		return nil, err
	}
	return b, nil
}

// begin makes the block, with nothing run in it.
func begin(f *fork, ancestors chain.Ancestors, prior chain.StateView, pool *statePool, wantHints bool) *openBlock {
	b := &openBlock{fork: f, ancestors: ancestors, pool: pool, state: pool.get(), warm: f.warm()}
	b.db.state = b.state
	b.evm = vm.NewEVM(f.blockContext(b.blockHash), b.state, f.chain, vm.Config{EnablePreimageRecording: wantHints})
	if len(f.custom) > 0 {
		b.evm.SetPrecompiles(f.precompiles())
	}
	b.state.open(prior, f.rules.IsEIP158, b.evm.Cancel)
	if wantHints {
		b.state.hints = newHints()
	}
	return b
}

// guard runs one call of the block's owner: it stops the interpreter when ctx
// ends, and breaks the block when something fails that is nobody's transaction.
func (b *openBlock) guard(ctx context.Context, call func() error) error {
	if b.broken != nil {
		return b.broken
	}
	b.ctx = ctx
	stop := context.AfterFunc(ctx, b.evm.Cancel)
	err := call()
	if !stop() && err == nil {
		err = ctxErr(ctx) // the interpreter was stopped, perhaps just too late
	}
	if failure := b.state.err; failure != nil && !errors.Is(err, failure) {
		err = failure // whatever was found to be wrong, it may be for lack of an answer
	}
	if err != nil && !errors.Is(err, chain.ErrInvalidBlock) { // which says so itself
		err = fmt.Errorf("block %d: %w", b.env.Number, err)
	}
	b.broken = err
	return err
}

// Push implements chain.OpenBlock.
func (b *openBlock) Push(ctx context.Context, txs []*chain.Tx) (results []chain.TxResult, err error) {
	err = b.guard(ctx, func() error {
		results = make([]chain.TxResult, len(txs))
		for i, tx := range txs {
			if err := b.push(tx, &results[i]); err != nil {
				return fmt.Errorf("transaction %s: %w", tx.Hash(), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// push executes one transaction. The error is the block's; the transaction's is in
// result.
func (b *openBlock) push(tx *chain.Tx, result *chain.TxResult) error {
	if err := ctxErr(b.ctx); err != nil {
		return err
	}
	c, err := b.admit(tx)
	if b.state.err != nil {
		return b.state.err
	}
	if err != nil {
		b.state.abandon()
		result.Err = err
		return nil
	}
	out, err := b.include(tx.Hash(), &c)
	if err != nil {
		return err
	}
	*result = chain.TxResult{Receipt: out.receipt, Changes: out.changes, Output: out.output}
	b.size += txSize(tx)
	b.mini.txs = append(b.mini.txs, tx)
	b.mini.results = append(b.mini.results, *result)
	if b.state.hints != nil {
		b.state.hints.endTx(result.Changes, b.mini.index)
	}
	return nil
}

// admit decides whether tx can be next.
func (b *openBlock) admit(tx *chain.Tx) (checked, error) {
	c, err := b.check(tx)
	if err != nil {
		return c, err
	}
	if err := b.checkState(&c); err != nil {
		return c, err
	}
	if err := b.checkRoom(c.message); err != nil {
		return c, err
	}
	if b.sizeMax > 0 && b.size+txSize(tx) > b.sizeMax {
		return c, fmt.Errorf("%w: of block size: have %d bytes, want %d", chain.ErrBlockFull, b.sizeMax-min(b.size, b.sizeMax), txSize(tx))
	}
	return c, nil
}

// checkRoom verifies that the gas that is left in the block suffices.
func (b *openBlock) checkRoom(m *message) error {
	switch {
	case b.lenient.gas:
		return nil
	case m.gas > b.env.GasLimit-b.gasUsed:
		return fmt.Errorf("%w: have %d, want %d", chain.ErrBlockFull, b.env.GasLimit-b.gasUsed, m.gas)
	case b.blobGasUsed+m.blobGas() > b.blobs.maxGas():
		return fmt.Errorf("%w: of blob gas: have %d, want %d", chain.ErrBlockFull, b.blobs.maxGas()-b.blobGasUsed, m.blobGas())
	}
	return nil
}

// include executes a message that was admitted, and ends it. The hash is its
// transaction's, or zero.
func (b *openBlock) include(hash common.Hash, c *checked) (*outcome, error) {
	b.startTx(hash, c)
	out := b.apply(c)
	if err := b.stopped(); err != nil {
		return nil, err
	}
	logs := b.state.logs
	out.changes = b.db.finalise(true)

	b.gasUsed += out.gasUsed
	b.blobGasUsed += c.blobGas()
	out.receipt = b.receipt(hash, c, out, logs)
	if !b.rules.IsByzantium {
		if err := b.postState(out.receipt, out.changes); err != nil {
			return nil, err
		}
	}
	b.receipts = append(b.receipts, out.receipt)
	b.endTx(out.receipt)
	return out, nil
}

// stopped is why the interpreter was stopped, or nil if it was not.
func (b *openBlock) stopped() error {
	switch {
	case b.state.err != nil:
		return b.state.err
	case b.evm.Cancelled():
		return ctxErr(b.ctx)
	}
	return nil
}

// SealMini implements chain.OpenBlock. It runs nothing; when ctx has ended, the
// block stays as it is.
func (b *openBlock) SealMini(ctx context.Context) (*chain.MiniBlock, error) {
	if b.broken != nil {
		return nil, b.broken
	}
	if err := ctxErr(ctx); err != nil {
		return nil, err
	}
	return b.sealMini(), nil
}

func (b *openBlock) sealMini() *chain.MiniBlock {
	m := &chain.MiniBlock{
		Number: b.env.Number, Index: b.mini.index,
		Txs: b.mini.txs, Results: b.mini.results,
		Changes: b.state.changes(spanMini),
		GasUsed: b.gasUsed, ParentHashPending: b.mini.pending,
	}
	if b.state.hints != nil {
		m.Hints = b.state.hints.sealMini()
	}
	b.state.endSpan(spanMini)
	b.mini = mini{index: b.mini.index + 1}
	return m
}

// Close implements chain.OpenBlock.
func (b *openBlock) Close(ctx context.Context) (result *chain.Result, err error) {
	err = b.guard(ctx, func() error {
		result, err = b.seal()
		return err
	})
	if err != nil {
		return nil, err
	}
	b.release(fmt.Errorf("block %d: %w", b.env.Number, chain.ErrClosed))
	return result, nil
}

// seal runs what closes the block and sums it up.
func (b *openBlock) seal() (*chain.Result, error) {
	requests, err := b.runClosing()
	if err != nil {
		return nil, err
	}
	if b.state.pending != nil {
		if b.state.resolve(); b.state.err != nil {
			return nil, b.state.err
		}
	}
	r := &chain.Result{
		Receipts: b.receipts, GasUsed: b.gasUsed, BlobGasUsed: b.blobGasUsed, LogsBloom: b.bloom,
		Requests: requests,
		Last:     b.sealMini(),
		Changes:  b.state.changes(spanBlock),
		Accesses: b.state.accesses.accessSet(b.env.Number),
	}
	if b.state.hints != nil {
		r.Hints = &b.state.hints.block
	}
	return r, nil
}

// Discard implements chain.OpenBlock.
func (b *openBlock) Discard() {
	b.release(fmt.Errorf("block %d: %w", b.env.Number, chain.ErrClosed))
}

// release gives the memory back. Later calls get err.
func (b *openBlock) release(err error) {
	b.broken = err
	if b.state == nil {
		return
	}
	b.evm.Release()
	b.pool.put(b.state)
	b.state, b.db, b.evm = nil, watched{}, nil
}

// blockHash answers BLOCKHASH. The interpreter has verified that number is in
// range.
func (b *openBlock) blockHash(number uint64) common.Hash {
	hash, err := b.ancestor(number)
	if err != nil {
		b.state.setErr(err)
		return common.Hash{}
	}
	b.state.seeAncestor(number)
	return hash
}

// ancestor asks for the hash of a block before this one, once for each.
func (b *openBlock) ancestor(number uint64) (common.Hash, error) {
	if hash, known := b.hashes[number]; known {
		return hash, nil
	}
	if b.ancestors == nil {
		return common.Hash{}, &chain.MissingError{What: fmt.Sprintf("hash of block %d", number)}
	}
	hash, err := b.ancestors.BlockHash(b.ctx, number)
	if err != nil {
		return common.Hash{}, fmt.Errorf("hash of block %d: %w", number, err)
	}
	if b.hashes == nil {
		b.hashes = make(map[uint64]common.Hash)
	}
	b.hashes[number] = hash
	return hash, nil
}
