package sequencer

import "github.com/vivace-chain/vivace/chain"

// A room is what of a mini-block transactions may still fill, so that what is told of it,
// frame and body, is never larger than a transport takes: receipts and changes take gas.
// What a transaction may use is counted before it executes, and after that what it did.
type room struct {
	bytes int
	gas   uint64
	empty bool // nothing is in it: a transaction fits whatever it may use
}

// admit reports whether a transaction fits, and counts it then.
func (r *room) admit(tx *pending) bool {
	size := len(tx.tx.Raw())
	if !r.empty && (size > r.bytes || tx.gas > r.gas) {
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
	return room{bytes: c.MiniBlockBytes, gas: c.MiniBlockGas, empty: true}
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
