package bench

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/stateless"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/vivace-chain/vivace/chain"
)

// GethStateless is go-ethereum's core.ExecuteStateless, with the same witness in
// go-ethereum's encoding, and the comparison of both roots that it leaves to its
// caller.
type GethStateless struct{}

// Prepare implements Verifier.
func (GethStateless) Prepare(p *Proofs, sendersKnown bool) (Verification, error) {
	var (
		blocks    = make([]*types.Block, len(p.Blocks))
		witnesses = make([][]byte, len(p.Blocks))
	)
	for i, b := range p.Blocks {
		var err error
		if witnesses[i], err = gethWitness(b.Witness); err != nil {
			return nil, err
		}
		if !sendersKnown {
			continue
		}
		if blocks[i], err = decodeGethBlock(b.Block); err != nil {
			return nil, err
		}
		signer := types.MakeSigner(p.Config, blocks[i].Number(), blocks[i].Time())
		for _, tx := range blocks[i].Transactions() {
			if _, err := types.Sender(signer, tx); err != nil { // which keeps it in tx
				return nil, err
			}
		}
	}
	return func(ctx context.Context, i int) (common.Hash, error) {
		block := blocks[i]
		if block == nil {
			var err error
			if block, err = decodeGethBlock(p.Blocks[i].Block); err != nil {
				return common.Hash{}, err
			}
		}
		return verifyGeth(ctx, p.Config, block, witnesses[i])
	}, nil
}

func decodeGethBlock(src []byte) (*types.Block, error) {
	block := new(types.Block)
	return block, rlp.DecodeBytes(src, block)
}

func verifyGeth(ctx context.Context, config *params.ChainConfig, block *types.Block, src []byte) (common.Hash, error) {
	witness := new(stateless.Witness)
	if err := rlp.DecodeBytes(src, witness); err != nil {
		return common.Hash{}, err
	}
	header := block.Header() // a copy
	header.Root, header.ReceiptHash = common.Hash{}, common.Hash{}
	task := types.NewBlockWithHeader(header).WithBody(*block.Body())
	root, receipts, err := core.ExecuteStateless(ctx, config, vm.Config{}, task, witness)
	switch {
	case err != nil:
		return common.Hash{}, err
	case root != block.Root():
		return common.Hash{}, fmt.Errorf("state root: got %s, want %s", root, block.Root())
	case receipts != block.ReceiptHash():
		return common.Hash{}, fmt.Errorf("receipts root: got %s, want %s", receipts, block.ReceiptHash())
	}
	return root, nil
}

// gethWitness is w in go-ethereum's encoding.
func gethWitness(w *chain.Witness) ([]byte, error) {
	ext := new(stateless.ExtWitness)
	for i := len(w.Headers) - 1; i >= 0; i-- { // oldest first
		header := new(types.Header)
		if err := rlp.DecodeBytes(w.Headers[i], header); err != nil {
			return nil, err
		}
		ext.Headers = append(ext.Headers, header)
	}
	for _, code := range w.Codes {
		ext.Codes = append(ext.Codes, hexutil.Bytes(code))
	}
	for _, node := range w.Nodes {
		ext.State = append(ext.State, hexutil.Bytes(node))
	}
	return rlp.EncodeToBytes(ext)
}
