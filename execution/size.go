package execution

import "github.com/vivace-chain/vivace/chain"

// rlpHeaderMax is the longest header of an RLP item in a block, in bytes: tag and
// a length of four bytes.
const rlpHeaderMax = 5

// emptySize is the size of the RLP of a block without transactions, in bytes, or
// a little more: a header has at most 32 bytes of extra data, and its variable
// fields are counted in full.
func emptySize(env *chain.Env) uint64 {
	const (
		headerMax     = 1024
		withdrawalMax = 64
	)
	size := uint64(headerMax) + uint64(len(env.Withdrawals))*withdrawalMax
	return size + uint64(len(env.Ommers))*headerMax
}

// txSize is the size of a transaction in the RLP of a block, in bytes.
func txSize(tx *chain.Tx) uint64 { return uint64(len(tx.Raw())) + rlpHeaderMax }

// checkSize verifies the cap on a block's RLP (EIP-7934), which a Config may lift.
func (e *Sequential) checkSize(f *fork, b *chain.Block, sizeMax uint64) error {
	atMost := emptySize(f.env)
	for _, tx := range b.Txs {
		atMost += txSize(tx)
	}
	if atMost <= sizeMax {
		return nil
	}
	encoded, err := b.AppendBinary(nil)
	if err != nil {
		return f.invalid("%w", err)
	}
	if n := uint64(len(encoded)); n > sizeMax {
		return f.invalid("%w: RLP of %d bytes, at most %d", chain.ErrTooLarge, n, sizeMax)
	}
	return nil
}
