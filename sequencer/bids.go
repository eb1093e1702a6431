package sequencer

import (
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/execution"
)

// tipAt is what the coinbase gets per gas of a bid at a base fee (EIP-1559).
func tipAt(bid *execution.Bid, baseFee *uint256.Int) uint256.Int {
	var above uint256.Int
	if baseFee != nil {
		if bid.FeeCap.Lt(baseFee) {
			return above
		}
		above.Sub(&bid.FeeCap, baseFee)
	} else {
		above = bid.FeeCap
	}
	if bid.TipCap.Lt(&above) {
		return bid.TipCap
	}
	return above
}
