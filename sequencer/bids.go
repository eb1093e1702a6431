package sequencer

import (
	"fmt"

	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
)

// bids are the fields of a transaction that ordering needs.
type bids struct {
	nonce          uint64
	cost           uint256.Int // gas * fee cap + blob gas * blob fee cap + value
	feeCap, tipCap uint256.Int
}

func bidsOf(tx *chain.Tx) (f bids, err error) {
	decoded, err := execution.Decode(tx)
	if err != nil {
		return f, err
	}
	f.nonce = decoded.Nonce()
	overflow := f.cost.SetFromBig(decoded.Cost())
	overflow = f.feeCap.SetFromBig(decoded.GasFeeCap()) || overflow
	overflow = f.tipCap.SetFromBig(decoded.GasTipCap()) || overflow
	if overflow {
		return f, fmt.Errorf("%w: insufficient funds for gas * price + value: cost exceeds 256 bits", chain.ErrInvalidTx)
	}
	return f, nil
}

// tipAt is what the coinbase gets per gas at a base fee (EIP-1559).
func (f *bids) tipAt(baseFee *uint256.Int) uint256.Int {
	var above uint256.Int
	if baseFee != nil {
		if f.feeCap.Lt(baseFee) {
			return above
		}
		above.Sub(&f.feeCap, baseFee)
	} else {
		above = f.feeCap
	}
	if f.tipCap.Lt(&above) {
		return f.tipCap
	}
	return above
}
