// Package mainnet reads real Ethereum blocks with the state before them: the
// material for replays, comparisons and benchmarks on input that nobody made up.
//
// A data set is a directory:
//
//	blocks/NNNNNNNN.rlp   one block each, by number
//	codes.rlp             RLP list of byte strings; the key of each is its keccak256
//
// and a block is one RLP list
//
//	[ header, hash, [tx...], [sender...], [withdrawal...],
//	  [[address, nonce, balance, codeHash, [[slot, value]...]]...], [[number, blockhash]...] ]
//
// with header, transactions and withdrawals as in a block's own RLP, hashes, slots
// and values as 32 bytes, and a code hash of zero for an account without code.
// Nothing else is accepted; errors match chain.ErrCorrupt.
//
// The state is partial: it holds what the block touches, and what it does not list
// is absent. So every read of the block has an answer, but no state root can be
// compared with the header's. Blocks have no ommers.
//
// Start with Load, or with Open for single blocks.
package mainnet
