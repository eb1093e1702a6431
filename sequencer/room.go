package sequencer

import "github.com/vivace-chain/vivace/chain"

// A room is what of a mini-block transactions may still fill, so that what is told of it,
// frame and body, is never larger than a transport takes: receipts and changes take gas.
// What a transaction may use, its gas limit, is counted before its batch executes, and after
// that what it did use.
//
// A gas limit costs nothing, so no limit alone ends a mini-block: while less than half of
// the gas is counted, a transaction fits whatever its limit is. With G for
// Config.MiniBlockGas and L for the highest gas limit that a transaction may have, therefore:
//
//   - a mini-block uses at most max(G, G/2 + L): so much is counted at most, since the last
//     limit either fitted, or came on top of less than G/2; and what is counted only falls
//     when a batch has executed. From Osaka on L is 2^24 (EIP-7825), and with the default of
//     40 million that is G;
//   - one that ends early for want of gas has used G/2 at least: a block has no more of
//     them than its gas used pays for, whatever limits it is offered.
//
// Rejected: to count what limits have been worth so far. Who behaves for a while gets
// whatever bound is derived from that, and then uses all at once.
type room struct {
	bytes int
	gas   uint64 // left
	half  uint64 // of the gas of an empty one
	empty bool   // nothing is in it: a transaction fits whatever it takes
}

// admit reports whether a transaction fits, and counts it then.
func (r *room) admit(tx *pending) bool {
	size := len(tx.tx.Raw())
	if !r.empty && (size > r.bytes || tx.gas > r.gas && r.gas <= r.half) {
		return false
	}
	r.use(size, tx.gas)
	return true
}

func (r *room) use(bytes int, gas uint64) {
	r.empty = false
	r.bytes -= min(bytes, r.bytes)
	r.gas -= min(gas, r.gas)
}

// emptyRoom is that of a mini-block which begins.
func (c *Config) emptyRoom() room {
	return room{bytes: c.MiniBlockBytes, gas: c.MiniBlockGas, half: c.MiniBlockGas / 2, empty: true}
}

// include counts a transaction that was executed.
func (b *block) include(tx *chain.Tx, r *chain.TxResult) {
	b.txs = append(b.txs, tx)
	b.running.add(r)
	b.room.use(len(tx.Raw()), r.Receipt.GasUsed)
}

// nextMini tells that a mini-block of the index has ended.
func (s *Sequencer) nextMini(b *block, index uint32) {
	b.index, b.room = index+1, s.cfg.emptyRoom()
}
