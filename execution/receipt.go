package execution

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
)

// receipt is the receipt of a message that is the next in the block.
func (b *openBlock) receipt(hash common.Hash, c *checked, out *outcome, logs []chain.Log) *chain.Receipt {
	r := &chain.Receipt{
		Type:              c.kind,
		CumulativeGasUsed: b.gasUsed,
		LogsBloom:         chain.LogsBloom(logs),
		Logs:              logs,
		TxHash:            hash,
		BlockNumber:       b.env.Number,
		TransactionIndex:  uint32(len(b.receipts)),
		FirstLogIndex:     b.logCount,
		GasUsed:           out.gasUsed,
		EffectiveGasPrice: out.prices.gas,
	}
	if out.err == nil {
		r.Status = 1
	}
	if c.to == nil {
		created := crypto.CreateAddress(c.from, c.nonce)
		r.ContractAddress = &created
	}
	if c.isBlob() {
		price := out.prices.blob
		r.BlobGasUsed, r.BlobGasPrice = c.blobGas(), &price
	}
	b.logCount += uint32(len(logs))
	b.bloom.Or(&r.LogsBloom)
	return r
}

// postState gives a receipt from before Byzantium the state root it has in place
// of a status.
func (b *openBlock) postState(r *chain.Receipt, changes *chain.Changes) error {
	if b.txRoot == nil {
		return nil
	}
	if b.opening != nil {
		var err error
		if changes, err = chain.Merge(b.opening, changes); err != nil {
			return err
		}
		b.opening = nil
	}
	root, err := b.txRoot(changes)
	if err != nil {
		return fmt.Errorf("state root: %w", err)
	}
	r.PostState, r.HasPostState = root, true
	return nil
}
