package execution

import (
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
)

// receipt is the receipt of a transaction that is the next in the block.
func (b *openBlock) receipt(tx *chain.Tx, c *checked, out *outcome, logs []chain.Log) *chain.Receipt {
	r := &chain.Receipt{
		Type:              c.tx.Type(),
		CumulativeGasUsed: b.gasUsed,
		LogsBloom:         chain.LogsBloom(logs),
		Logs:              logs,
		TxHash:            tx.Hash(),
		BlockNumber:       b.env.Number,
		TransactionIndex:  uint32(len(b.receipts)),
		FirstLogIndex:     b.logCount,
		GasUsed:           out.gasUsed,
		EffectiveGasPrice: out.gasPrice,
	}
	if out.err == nil {
		r.Status = 1
	}
	if c.to == nil {
		created := crypto.CreateAddress(c.from, c.nonce)
		r.ContractAddress = &created
	}
	if c.blobHashes != nil {
		price := b.blobBaseFee
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
