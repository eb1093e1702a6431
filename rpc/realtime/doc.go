// Package realtime is what clients get the moment it happens: receipts in the answer
// to a transaction, and streams of mini-blocks, logs, state changes and heads. The
// names are those of MegaETH's Realtime API and of EIP-7966, so that their clients
// work unmodified; what Vivace adds are further fields and further arguments.
//
// # Transactions
//
// Both methods answer with the receipt when the transaction is acknowledged, in
// milliseconds, and accept what was sent before: whoever repeats a transaction,
// because the answer got lost, gets its receipt.
//
//	realtime_sendRawTransaction(raw, timeout)
//
// waits up to 10 s, or for timeout as below. A transaction with a nonce too high waits
// for those before it. Then comes error -32000, "realtime transaction expired", with
// the transaction's hash as data. It is the wait that
// expired: the transaction stays where it was and may still execute. Whoever wants to
// know sends it again, which is to wait on, or asks for the receipt.
//
//	eth_sendRawTransactionSync(raw, timeout)
//
// is EIP-7966. timeout is in milliseconds, a number or a hex string; absent, null
// and 0 are 2 s, and 1 min is the most. Its errors, beside those of
// eth_sendRawTransaction:
//
//	code 4  not executed in time          data: the transaction's hash
//	code 5  the node takes nothing now    data: the transaction's hash
//	code 6  the nonce is too high         data: the nonce expected, "0x5"
//
// With 5 and 6 the transaction is not in the pool. A full node, which passes
// transactions on, answers as its sequencer does.
//
// Both take a blob transaction with its blobs or without: see wire.Envelope. The hash
// in errors is that of the form without.
//
// # Null hashes
//
// What is not sealed has no block hash yet: receipts, logs and transactions have
// "blockHash": null and everything else. viem, web3.py, cast and go-ethereum's
// ethclient (which shows the zero hash) bear that; ethers throws on a receipt and on
// a log, not on a transaction. The README of internal/interop has the table, each
// cell of which is a test.
//
// So with ethers one sends by eth_sendRawTransaction, and subscribes to logs without
// pending in their range, at the standard path.
//
// # Streams
//
// eth_subscribe needs a WebSocket. The first notification comes after the answer
// with the subscription's id. Each has "sequence", the place of a mini-block in the
// chain (history.Seq: block number << 24 | index): it grows and is the same at every
// node and after every restart, but is not dense: the next block begins anew. Beside
// it stands the digest of the mini-block's frame, "miniBlockHash" ("hash" in
// miniBlocks, where "parent_hash" links to the one before). What is of a sealed block
// has the block's hash instead, and the sequence of its first mini-block.
//
// newHeads: the header of each block that is sealed, as go-ethereum writes it.
//
//	{"number":"0x2a","hash":"0x…","parentHash":"0x…",…,"sequence":"0x2a000000"}
//
// logs, filter: the logs of each block that is sealed. With "pending" as fromBlock or
// toBlock, and on the path /realtime always, the logs of each mini-block:
//
//	{"address":"0x…","topics":["0x…"],"data":"0x…","blockNumber":"0x2b",
//	 "transactionHash":"0x…","transactionIndex":"0x0","blockHash":null,
//	 "blockTimestamp":"0x6553f101","logIndex":"0x0","removed":false,
//	 "sequence":"0x2b000001","miniBlockHash":"0x…"}
//
// newPendingTransactions, full: each acknowledged transaction when its mini-block
// ends, not what waits in the pool: here that lasts milliseconds. Its hash, a bare
// string without a sequence, or with full the object: as go-ethereum has it, without
// a place, but on the path /realtime with blockNumber and transactionIndex.
//
// miniBlocks: each mini-block, every 10 ms. All numbers are hexadecimal.
//
//	{"payload_id":"0x000001000000002b","block_number":"0x2b","block_timestamp":"0x6553f101",
//	 "index":"0x1","mini_block_number":"0x2b000001","mini_block_timestamp":"0x60a1e…",
//	 "tx_offset":"0x3","log_offset":"0x1","gas_offset":"0xf618","timestamp":"0x6553f101",
//	 "gas_used":"0x5208","sequence":"0x2b000001","hash":"0x…","parent_hash":"0x…",
//	 "last":false,"transactions":[…],"receipts":[…]}
//
// The offsets are what the block has before it; last is true in the last mini-block
// of a block. MegaETH numbers its mini-blocks densely; mini_block_number is the
// sequence here. Our mini-blocks have no time of their own: mini_block_timestamp is
// the block's in microseconds. transaction_root, receipt_root and signature are left
// out: the digest covers the changes, and the block's roots the rest.
//
// stateChanges, addresses: of each mini-block every account that changed, or those of
// addresses (null, or an empty list, is all), with what it has now and the slots that
// changed.
//
//	{"address":"0x…","nonce":1,"balance":"0x16345785d8a0000","storage":{"0x0":"0x2a"},
//	 "sequence":"0x2b000001","miniBlockHash":"0x…"}
//
// "cleared": true says that the storage from before is gone. The one write that no
// mini-block shows is EIP-2935's, of the parent's hash: it follows from newHeads.
//
// syncing: false, once.
//
// # Resuming, falling behind
//
// miniBlocks, stateChanges and logs of mini-blocks take a last argument {"from":
// "0x…"}: the first sequence wanted. A resumed stream has the same notifications in the
// same order and the same bytes, at every node that keeps the mini-blocks. Of miniBlocks
// one wants the last sequence seen plus 1. In the others a mini-block may have several
// notifications, and a connection may break between them: one wants the last sequence
// seen, and passes over as many notifications with it as one has.
//
//	eth_subscribe ["miniBlocks", {"from": "0x2b000002"}]
//	eth_subscribe ["stateChanges", null, {"from": "0x2b000001"}]
//
// A sequence that has not come yet is waited for, and nothing before it is sent: the
// node may be behind the one where it was seen. One more than 1024 blocks ahead is
// error -32602. One that is not kept any more is error -32050 with data {"oldest":
// "0x…"}: what can be resumed from, which is yet to come if nothing is kept.
//
// Mini-blocks are kept in memory (history.Config.FeedBytes), blocks on disk. When a node
// starts again, also after a crash, it has the mini-blocks of
//
//   - the open block, and at a sequencer of every block that was not published, made again
//     from its log with the same sequences and bytes;
//   - at a full node the blocks that were not sealed there, as they come again from the
//     sequencer;
//
// and of no other block. So a client whose last sequence was of a block that ended before
// the node did may get -32050, and shall always be ready for it:
//
//  1. It subscribes from oldest, and keeps what comes.
//  2. It forgets what it was told of blocks that it does not know to be sealed, and goes on
//     from the last one that it does (eth_getBlockByNumber with its number and hash says
//     whether it is): eth_getLogsWithCursor from the block after to pending has the logs,
//     eth_getBlockByNumber the transactions, reads at latest the state.
//  3. It passes over what comes both ways: logs have block number and index, transactions a
//     hash, and a state change has what is there after it.
//
// A subscriber is never waited for. One who reads too slowly falls out of what the
// feed keeps (history.Config.FeedBytes); then the last notification is
//
//	{"error":{"code":-32050,"message":"…","data":{"missed":"0x…","oldest":"0x…"}}}
//
// with how many events were missed, which are mini-blocks and seals of blocks (without
// "missed" where that is not known, as when the node did not get them itself), and the
// subscription is over. One whose connection takes nothing until the server gives up
// writing is cut off without.
//
// A full node gives mini-blocks up if the sealed header does not bear them out.
// Streams of mini-blocks then say
//
//	{"dropped":{"sequence":"0x2b000000"}}
//
// and go on: everything they sent with this sequence or a higher one did not happen,
// and other mini-blocks may come with the same sequence. Who resumes behind mini-blocks
// that were dropped is told first; where that is not kept any more, it is error -32050. At
// a sequencer it never comes.
//
// A connection has 64 subscriptions at most, a node 10,000, and their filters may take
// 1 MiB and 64 MiB of memory; one more is error -32005. Clients need not send anything
// to stay connected: the server pings.
//
// # Logs by pages
//
//	eth_getLogsWithCursor({…, "cursor": "0x…"}, limit)
//
// answers {"logs": […], "cursor": "0x…"}; without a cursor it was the last page. With
// fromBlock or toBlock pending it has what is not sealed, on every path, and a cursor
// stays good across the seal. See Eth.GetLogsWithCursor.
//
// # How
//
// A subscriber is a goroutine that pulls from history's feed and writes to its
// connection, and one that sleeps until the client goes. What a mini-block looks
// like as JSON is written once and shared (see cache): with a hundred subscribers
// that spares two thirds of the memory and a quarter of the time.
//
// The answer with the subscription's id, and the first two notifications, go through
// go-ethereum's notifier, which keeps the order between them (see outlet). It would check
// and copy the text once for each subscriber, so what comes after them goes around it: to
// the connection's Line, framed but otherwise as it is in the cache. The door's Line is an
// outbox (package rpc): all that streams have for a connection until it is written, in one
// write for as much as has come. A stream waits for room in it before it encodes an event,
// and then for its turn: only as many streams encode and copy at a time as the door lets,
// so that ten thousand who wake together do not take the processors from those who execute
// transactions. Where there is no Line, as in a server of go-ethereum's alone, all goes
// through the notifier.
//
// Rejected: a broadcaster with a channel for each subscriber. It has to choose
// between waiting for the slowest, an unbounded queue, and a bounded one that drops
// what it cannot account for; a subscriber who pulls falls behind alone, and knows
// exactly what was missed.
package realtime
