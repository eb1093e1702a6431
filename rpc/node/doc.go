// Package node makes a sequencer and a full node what the door asks of a node: a
// backend.Backend.
//
// A sequencer answers for itself. A full node answers what it knows, which is the
// state at its newest mini-block, and blocks and receipts that it has checked; what is
// for the sequencer alone it passes on: transactions, pending nonces, the pool, and the
// base fee of a block of which it has not heard yet, which only the sequencer knows
// where a chain fixes it. (The fee that EIP-1559 makes of the newest header was
// rejected: a transaction at that price is refused on such a chain.) Who submits a
// transaction through a full node gets the answer when that node has it too, so that
// what is read there next is not older than the receipt.
package node
