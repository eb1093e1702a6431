// Package sequencer is the one active sequencer of a chain: it admits and orders
// transactions, executes them, acknowledges each with its receipt, and sees to the
// rest behind the head: roots, witnesses, publication, proofs.
//
// # What it promises
//
// A transaction whose receipt was returned is never lost, whatever happens to the
// process, and with state.DurabilityFsync whatever happens to the machine. Nothing
// that anybody was shown (receipt, view, frame, header) is taken back or made anew
// with another content.
//
// # The simple version, and what makes it hard
//
// The simple version executes a transaction, writes it to a log, syncs, answers,
// and takes the next; every second it computes the root, and everybody waits. An
// fsync takes as long as many transactions, and the root of a full block as long as
// many fsyncs.
//
// So what is slow runs beside what is fast, in five goroutines that hand on to each
// other through bounded channels:
//
//	callers of Submit     1 admit: decode, recover the sender, check; into the pool
//	      | pool
//	builder               2 order and 3 execute: Push batches; SealMini every 10 ms,
//	      | journal         Close every second; stage each mini-block in the store
//	journal               4 log: append all that came meanwhile, one fsync for it, and
//	      |                 then receipts, views, frames: the commit group
//	      | sealing
//	committer             5 root, header; 6 witness; commit to the store
//	      | publishes
//	publisher             block, witness, diff to the data-availability layer
//	collector             attestations; the proven head
//
// The commit group is whatever executed while the previous fsync ran. No timer
// decides it: with a slow disk groups grow, with a fast one they are single
// transactions.
//
// # The parent's hash
//
// Block N+1 opens before the root of N exists, although EIP-2935 writes N's hash
// into its state. The executor leaves that write pending (chain.OpenBlock), the
// ancestors hold a future, and N+1's Close waits for it. So at most one block
// waits for a root; that wait is the back-pressure of the committer on execution.
// The header of N enters the journal before its hash is given out: in the log and
// in the feed it stands before the last frame of N+1, and who follows has it when
// the write must be derived.
//
// # The log
//
// Records, by kind: a block opens (its environment); a commit group (raw
// transactions, running hash over receipts and changes); a frame (a mini-block was
// sealed, with its diff); a header; a claim (what provers must say of the block); a
// publication; the proven head. See recover for how they are read. A snapshot every
// SnapshotBlocks cuts the log short and lets followers join.
//
// # Provers
//
// An attestation counts whoever brings it, by Config.Subscriber or Attest, and however
// late it comes. A Desk only keeps provers from doing each other's work: it leases the
// unproven blocks, oldest first, to as many of them as must agree. Its promises are
// short and renewed, so that what a lost prover had goes to the next that asks; a block
// with which provers fail rests for a while, and is never skipped, since the proven
// head would not pass it.
//
// # What was rejected
//
//   - Acknowledging a mini-block at a time: 10 ms where one fsync would do, and
//     nothing gained, since the fsync is shared anyway.
//   - Logging after-states in place of transactions: the witness of an unpublished
//     block could not be made after a crash.
//   - One goroutine for log and execution: the builder would wait for every fsync.
//   - Replacing pending transactions by a higher fee: they wait for milliseconds.
//   - Leases in the log: what a restart forgets is given out again, at the price of
//     work done twice; a lock that outlives its holder costs hours.
package sequencer
