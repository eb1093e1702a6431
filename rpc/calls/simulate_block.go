package calls

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/fees"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
	"github.com/vivace-chain/vivace/trie"
)

// block makes the next block and puts it on top of those before it.
func (s *simulator) block(ctx context.Context, b *plannedBlock) (*SimulatedResult, error) {
	env, err := s.env(b)
	if err != nil {
		return nil, err
	}
	precompiles, err := s.api.Engine.Precompiles(env)
	if err != nil {
		return nil, err
	}
	altered, moved, err := b.State.Changes(s.view, precompiles)
	if err != nil {
		return nil, err
	}
	if err := s.put(altered); err != nil {
		return nil, err
	}
	logs := &logTracer{transfers: s.request.TraceTransfers}
	scratch, err := s.api.Engine.Scratch(env, s, s.view, execution.ScratchConfig{
		SkipNonce: !s.request.Validation, SkipSenderCode: true, SkipGasCap: true,
		NoBaseFee: !s.request.Validation, KeepBaseFee: true,
		BlobBaseFee: b.Block.BlobFee(), Moved: moved, Hooks: logs.hooks(),
	})
	if err != nil {
		return nil, err
	}
	defer scratch.Discard()
	if err := scratch.Begin(ctx); err != nil {
		return nil, err
	}
	body := &simulatedBody{simulator: s, env: env, scratch: scratch, logs: logs}
	for i := range b.Calls {
		if err := body.call(ctx, &b.Calls[i]); err != nil {
			return nil, err
		}
	}
	result, err := scratch.End(ctx)
	if err != nil {
		return nil, err
	}
	return s.seal(ctx, env, body, result)
}

// put makes changes part of the state.
func (s *simulator) put(changes *chain.Changes) error {
	if changes.Len() == 0 {
		return nil
	}
	s.view = chain.NewOverlay(s.view, changes)
	return s.commitment.Apply(changes)
}

// env is the environment of the next block. Who gets the fees and how much gas there
// is stays as it was; the base fee is zero unless calls are held to paying it.
func (s *simulator) env(b *plannedBlock) (*chain.Env, error) {
	var (
		number = new(big.Int).SetUint64(b.number)
		env    = &chain.Env{
			Number: b.number, Timestamp: b.timestamp,
			GasLimit: s.parent.GasLimit, Coinbase: s.parent.Coinbase, Difficulty: s.parent.Difficulty,
		}
	)
	if s.config.IsPostMerge(b.number, b.timestamp) {
		env.Difficulty.Clear()
	}
	if s.config.IsLondon(number) {
		env.BaseFee = new(uint256.Int)
		if s.request.Validation {
			env.BaseFee = fees.NextBaseFee(s.config, s.parent)
		}
	}
	b.Block.SetHeaderFields(env)
	env.Timestamp = b.timestamp
	if s.config.IsShanghai(number, b.timestamp) {
		var err error
		if env.Withdrawals, err = b.Block.WithdrawalList(); err != nil {
			return nil, wire.InvalidParams("block %d: %w", b.number, err)
		}
	}
	if s.config.IsCancun(number, b.timestamp) {
		excess := fees.NextExcessBlobGas(s.config, s.parent, b.timestamp)
		env.ExcessBlobGas, env.ParentBeaconBlockRoot = &excess, new(common.Hash)
		if b.Block.BeaconRoot != nil {
			env.ParentBeaconBlockRoot = b.Block.BeaconRoot
		}
	}
	return env, nil
}

// seal ends the block and gives it its hash.
func (s *simulator) seal(ctx context.Context, env *chain.Env, body *simulatedBody, result *chain.Result) (*SimulatedResult, error) {
	if err := s.put(result.Changes); err != nil {
		return nil, err
	}
	root, err := s.commitment.Root(ctx)
	if err != nil {
		return nil, err
	}
	body.settle(result)
	header := sealedHeader(env, s.hashes[len(s.hashes)-1], root, body.txs, result)
	block := &history.Block{Env: env, Header: header, Hash: header.Hash(), Txs: body.txs, Receipts: result.Receipts}
	s.parent = header
	s.hashes = append(s.hashes, block.Hash)
	object, err := wire.NewBlock(s.config, block, s.request.ReturnFullTransactions)
	if err != nil {
		return nil, err
	}
	for i := range body.calls {
		body.calls[i].placed(env, block.Hash, body.txs[i].Hash(), uint32(i))
	}
	return &SimulatedResult{object, body.calls}, nil
}

// sealedHeader is the header of a block that executed.
func sealedHeader(env *chain.Env, parent, root common.Hash, txs []*chain.Tx, r *chain.Result) *chain.Header {
	h := &chain.Header{
		ParentHash: parent, OmmersHash: chain.EmptyOmmersHash, Coinbase: env.Coinbase,
		StateRoot: root, TransactionsRoot: trie.TransactionsRoot(txs), ReceiptsRoot: trie.ReceiptsRoot(r.Receipts),
		LogsBloom: r.LogsBloom, Difficulty: env.Difficulty, Number: env.Number,
		GasLimit: env.GasLimit, GasUsed: r.GasUsed, Timestamp: env.Timestamp,
		ExtraData: env.ExtraData, PrevRandao: env.PrevRandao, BaseFee: env.BaseFee,
	}
	if env.Withdrawals != nil {
		root := trie.WithdrawalsRoot(env.Withdrawals)
		h.WithdrawalsRoot = &root
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
