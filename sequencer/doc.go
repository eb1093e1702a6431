// Package sequencer is the one active sequencer of a chain: it admits and orders
// transactions, executes them, acknowledges each with its receipt, and sees to the
// rest behind the head: roots, witnesses, publication, proofs.
//
// # What it promises
//
// A transaction whose receipt was returned is never lost, whatever happens to the
// process, and with state.DurabilityFsync whatever happens to the machine. Nothing
// that anybody was shown (receipt, view, frame, header, publication) is taken back or
// made anew with another content; but a newer Config.Term opens the block that an older one
// left open anew, with the same transactions in the same mini-blocks: see The end.
//
// # The simple version, and what makes it hard
//
// The simple version executes a transaction, writes it to a log, syncs, answers,
// and takes the next; every second it computes the root, and everybody waits. An
// fsync takes as long as many transactions, and the root of a full block as long as
// many fsyncs.
//
// So what is slow runs beside what is fast, in goroutines that hand on to each other
// through bounded channels:
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
//	publisher             block, witness, diff to the data-availability layer: many
//	      |               blocks at a time, told strictly by number
//	      | snapshotDue
//	snapshots             the state after a block, every SnapshotBlocks
//	collector             attestations; the proven head; evidence
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
// publication; a prover's word; the proven head; an object that is in the
// data-availability layer; the offer of a snapshot; evidence against a prover. See recover
// for how they are read. A snapshot every SnapshotBlocks cuts the log short and lets
// followers join. What was in the part that is cut off and is not in the snapshot, such as
// evidence and the publications that provers still need, is first written again behind.
//
// # Publication
//
// A layer may take ten seconds for a block and give every put another name, also for
// the same bytes. So up to DAConcurrency blocks are on their way at a time, and:
//
//   - what is told comes by number, 1, 2, 3 and so on, whatever overtook what;
//   - a publication is logged and synced before it is told: the names that were told
//     once are the block's for ever;
//   - what the log has since the newest snapshot is told again at the start: the end
//     may have come in between, and repetitions are known by their number;
//   - each object that was put is logged, without waiting for the sync, so that it is
//     not put again. What was put and not logged when the end came belongs to nobody;
//   - each object is read back before its block is told, and put again if the layer took it
//     and does not give it back: see Config.ReadBackTime.
//
// No error of the layer ends the chain, not even one that no later try would mend: an
// operator may. The bound is UnpublishedBlocks: beyond it admission answers ErrBusy, and
// blocks close no more. Stats has how many wait, since when, and what the errors are.
//
// # The end
//
// Run may be ended at any moment, as by a kill: nothing that was acknowledged is lost, and
// the next run goes on with the open block. Drain makes a clean end of it before: admission
// ends, what was admitted is executed, the open block is sealed, logged, told and published.
//
// A log without fsync, or from an old copy of the disk, may have lost an end that others
// were told. To go on in the same term is then to contradict what was said. In a newer one
// the open block is opened anew: its frames and its header name the new term, so followers
// give up what they have of the block and take it again. What the log has is in it; what it
// has lost is lost. This happens with each newer term in mid-block, whether or not anything
// is lost, since who starts cannot know. Rejected: to go on in the block of the old term
// under the signature of the new one (frames that peers have under two terms, of which
// nobody can tell which belong together).
//
// # Evidence
//
// A word of an allowed prover that contradicts a block never counts, is kept for ever,
// one for each key and block, up to 1,024 of them in equal shares, and keeps no other word
// from counting: also the true one of the same key does, because a prover that was mended
// must be able to go on where it failed. Claims stay for EvidenceBlocks after their
// block is proven, so that a lie that comes late is one still.
//
// # Provers
//
// An attestation counts whoever brings it, by Config.Subscriber or Attest, and however
// late it comes. A Desk only keeps provers from doing each other's work: it leases the
// unproven blocks, oldest first, to as many of them as must agree. Its promises are
// short and renewed, so that what a lost prover had goes to the next that asks; a block
// with which provers fail rests for a while, and is never skipped, since the proven
// head would not pass it. No prover, whatever it promises, gives back and takes again,
// keeps a block from all others for longer than DeskConfig.Patience.
//
// What provers need of a block is on disk until it is proven, up to Config.UnprovenBytes, before
// the block is told, and Desk.Objects gives it: a layer that loses a block, which nobody can put
// again under the names that were told, does not stop the proven head, nor does a restart.
//
// Full nodes believe provers, not the sequencer, so the words that count are told, and
// stay in the log for EvidenceBlocks after their block is proven: who missed one finds it
// whether or not we were restarted meanwhile. They are logged before they are told, and
// before the record of the head that they move. One for each key and block is told and
// logged: what a key says again, or under other programs, makes nothing grow.
//
// # What was rejected
//
//   - Acknowledging a mini-block at a time: 10 ms where one fsync would do, and
//     nothing gained, since the fsync is shared anyway.
//   - Logging after-states in place of transactions: the witness of an unpublished
//     block could not be made after a crash.
//   - Telling a publication first and logging it then, so that none is lost: a crash in
//     between tells the block again under other names, and who reads cannot know which
//     to believe.
//   - Taking publications as the layer takes them, with numbers to be sorted by who
//     reads: readers that act at once, such as a contract, take what comes.
//   - Evidence in the snapshot: everybody who joins would fetch it.
//   - One goroutine for log and execution: the builder would wait for every fsync.
//   - Replacing pending transactions by a higher fee: they wait for milliseconds.
//   - Leases in the log: what a restart forgets is given out again, at the price of
//     work done twice; a lock that outlives its holder costs hours.
package sequencer
