// Package history keeps what blocks held and did: headers, transactions, receipts and
// logs, by number, by hash, by address and topic; and feeds subscribers what is new.
// Sequencer and full node write it, package rpc reads it.
//
// # What it promises
//
//   - What was acknowledged is found from when Acknowledge returns, and Acknowledge is
//     quick: a lock, appends, a map entry for each transaction; 0.2 to 0.3 µs each
//     (BenchmarkAcknowledge). It encodes nothing and waits for no reader, no subscriber
//     and no disk.
//   - What Persist returned for is on disk, synced, and there after kill -9 or a loss of
//     power. What was not persisted is gone after a crash; the writer repeats it, and
//     repetitions do nothing.
//   - A block is there whole or not at all, and its absence has a reason: ErrNotFound,
//     it has not come; ErrNotKept, it was pruned or is in a gap. A hash has no place, so
//     for one that is not found, Complete says whether that means anything.
//   - Logs finds exactly what looking at every log of the range would find, or fails.
//   - A damaged file is chain.ErrCorrupt to who reads what is damaged. See Damage.
//
// Start with Open; then Store.OpenBlock and what stands below it is the writer's side,
// in the order of a block's life.
//
// # The simple version
//
// A tree on disk from number to block, one from transaction hash to place, one from
// (topic, block, log) to nothing; a block is put into all three when it is sealed.
//
// # What makes it hard
//
//  1. Receipts go out within a millisecond, so what they are looked up in is filled in
//     between, at 13,000 transactions a second, and no disk is as quick.
//  2. Hashes are random. In a B+tree of ten million transactions nearly each new one
//     dirties another page of 4096 bytes for its ten: 13,000 transfers, with a hash and
//     four keys of a log each, are 65,000 pages, 266 MB, a second.
//  3. A block of 60,000 transactions has 25 MB. Who wants one of its logs, or what is
//     new since 10 ms ago, must not pay for all of it.
//  4. Readers and subscribers are strangers. There may be thousands, and any may stop
//     reading.
//
// # Blocks that are not on disk yet
//
// They are in memory as they came, with a map from hash to index each. Transactions and
// receipts are slices that only grow, so a reader takes what there is now by copying
// two slice headers under the lock, and nothing that it has is ever changed (Unsealed
// costs the same for 60,000 transactions as for one). A map for each block, not one for
// all, because then a block is forgotten by dropping it; looking into the few blocks
// there are takes less than deleting 60,000 entries under the lock.
//
// Persist, on another goroutine, packs sealed blocks, writes them in one transaction of
// the file, and only then takes them out of memory: a reader that looks in memory first
// and then in the file finds every block.
//
// # Blocks on disk
//
// The file is bbolt's: a B+tree that is never written in place, whose readers see one
// moment, lock nothing, and do not wait for an fsync. A block is a head, which stays,
// and chunks of about 64 KiB of transactions and their receipts, packed together with
// zstd (see record.go), so that one log costs one chunk. What the transactions imply is
// left out of the receipts and computed again (chain.CompleteReceipts).
//
// # Indexes
//
// An index is a set of postings, (48 bits of a hash, block, index in the block), in
// sorted runs that are written once: each Persist adds a run of what its blocks have,
// and when there are eight runs of about a size they are merged into one. So postings
// are always written in order, many to a page; each is written anew once for every
// eightfold that the index grows to, and a search looks into ten to thirty runs. Merges
// go on by a bounded number of pages with every Persist, in the same transaction: there
// is no goroutine, no moment when the index is not complete, nothing to rebuild after a
// crash, and no Persist that waits for a large merge.
//
// There are three: transactions by hash, blocks by hash, and logs, each under its
// address and under each topic with its position. In a run, equal keys stand together
// and only differences are written: a common address costs 3 bytes per log, a key that
// is seen once 10.
//
// A query is an intersection of unions: any of the addresses, and any of the topics at
// each position. All conditions go forward together, each to the first place from where
// the one before stands, so what is rare leads and what is common is skipped through
// whole pages at a time. It costs about as much as the rarest condition has logs in the
// range, whatever the range's length. What is found is compared with the log itself:
// keys are short, and postings of blocks that were taken back stay. Searches go in
// rounds of a few milliseconds, each a transaction of its own, because a reader that
// stays long keeps pages from being used again, and the file from growing. A condition
// of a thousand keys has a cursor for each key that a run has; they are found in one
// walk through the run, kept over the rounds (a run never changes), and the first is on
// top of a heap. A query without keys looks at blocks one by one, but into chunks only
// that have a log with as many topics as it asks for.
//
// Keys of addresses and topics are hashes with a secret of the store, because who makes
// a log chooses them: with first bytes as keys one could make a million logs that a
// search for a well-known address looks at in vain.
//
// How the anchor does it: go-ethereum's core/filtermaps (EIP-7745) puts each address and
// topic as a mark into a two-dimensional map, 65,536 log values wide, whose rows are
// found by hash; searching reads a row of each map, and false matches are weeded out.
// That shape is there to be hashed into a tree, so that a light client gets proofs of
// completeness. We need none, and without that purpose sorted postings are smaller,
// exact to 48 bits, and are skipped through by value where rows are read.
//
// # The feed
//
// A ring of the newest events, bounded by bytes. A subscription is a number, the place
// of the next event, and pulls; so a slow one costs nothing, holds nothing and stops
// nobody: it falls out of the ring and is told so, once, with how much it missed. Who
// waits at the end sleeps on one channel for all, closed by one goroutine of the feed's,
// because waking 50,000 sleepers takes 10 ms that the writer does not have.
//
// # What a transaction costs
//
// ERC-20 transfers, 180 bytes of transaction and as many of receipt, in blocks of 1000
// (in blocks of 10), in bytes on disk per transaction; BenchmarkBytes:
//
//	transactions and receipts  131  (207)   of which 64 are the signature, 40 addresses
//	index of transactions        9    (9)
//	index of logs               16   (20)   one log with four keys
//	heads and block hashes       0.3 (20)
//
// Packed apart, transactions would take 110 and receipts 57. Config.KeepBlocks prunes
// all but heads and block hashes: 157 of 157 bytes (236 of 256). The file does not
// shrink, its space is used again. Index entries of pruned blocks go as their runs are
// merged or become old as a whole: a run is about at most a quarter of KeepBlocks, so
// there is at most a quarter too much.
//
// A rare topic, together with an address and a topic that every log has, among a
// million logs in a thousand blocks: 8 ms by the index, 1.1 s by looking at every log,
// 140 times as long, on two cores; BenchmarkLogs. To measure all of these:
//
//	go test -run '^$' -bench 'Acknowledge|Bytes|Logs$' ./fullnode/history
//
// # Gaps
//
// The store follows its writer. If that begins a block beyond the next, because it
// restored a snapshot, or because what was not persisted was lost and does not come
// again, the blocks between match ErrNotKept for ever, and Oldest is the block after
// the youngest gap. A query of logs over a gap is an error, not an answer, and who reads
// the feed across one is told so (LagError).
//
// # Damage
//
// bbolt has checksums of its two meta pages only; it trusts all others, and damage makes
// it panic or read where there is no memory. So every value ends with a checksum over
// bucket, key and value; a page of a run says which postings it is the place for, so
// that a damaged tree that leads elsewhere shows instead of hiding something; and what
// should be there according to the state record and is not, is corrupt. Panics and
// faults become errors where the file is read. Nothing is written once damage was seen
// while writing, or a commit failed. A damaged meta page takes the file back by one
// transaction. One kind of damage ends the process: a branch page that points to itself
// or to one above, which bbolt follows until the stack is full.
//
// # Rejected
//
//   - Everything in bbolt's tree under random keys: see What makes it hard, 2.
//   - An index of the newest blocks in memory, written when it is large (sections of N
//     blocks): it is rebuilt from blocks at each start, and searches of long ranges look
//     into each section: thousands, where there are thirty runs.
//   - pebble, or another database of that kind: it has the runs, and 200 packages; three
//     hundred lines of them are here.
//   - Files of our own beside bbolt for what only grows: two things to make durable
//     together. bbolt copies what is near a change, but a run and a block are written in
//     order, so it hardly shows.
//   - Blooms of headers, to skip blocks: at a thousand transactions a block they are full
//     of ones; and for mere absence one reads them all.
//   - 64 bits of each hash in the index: two bytes more for each of five postings per
//     transfer, against one false match in 65,000 searches.
//   - Channels for subscribers: a goroutine or a buffer for each, and a writer that has
//     to decide what to do when one is full.
package history
