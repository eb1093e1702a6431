// Package chain is the vocabulary of Vivace: the nouns that all parts speak of,
// their pure functions, the contracts between the parts, and the errors that
// cross them. It has no services and does no I/O.
//
// # The system on one page
//
//	          raw transaction
//	                |
//	sequencer   1 admit      decode, recover the sender, check nonce, balance, fee caps
//	            2 order      take by priority
//	            3 execute    OpenBlock.Push                     (execution: Executor, Builder)
//	            4 log        append the commit group, fsync; only then receipts go out
//	                         every 10 ms a mini-block is sealed: Frame -> full nodes
//	            5 commit     Commitment.Apply ... Root          (trie: Committer)
//	            6 witness    Commitment.Witness
//	                         every second a block is sealed: Header -> full nodes;
//	                         block, witness, diff -> DA         (da: DAClient)
//	fullnode    7 apply      DiffEncoder.Decode, StateStore.Stage, Root, compare, Commit
//	                                                            (statediff, state, trie)
//	prover      8 verify     execute from the Witness, in any order; sign an Attestation
//	sequencer   9 collect    attestations; the proven head moves over linked hashes
//
// Packages execution, state, trie, statediff and da each implement one contract
// and import nothing of each other; what travels between them are the nouns here.
// sequencer, fullnode and prover compose them. Start reading at contracts.go.
//
// # Words
//
// One word per idea, everywhere:
//
//   - Changes: the net write set of a span. Diff: its encoded form.
//   - AccessSet: what a span reads or writes. Witness: what proves it.
//   - mini-block: a part of a block that is published at once. Frame: its form on
//     the way to full nodes. Commit group: what one fsync makes durable.
//   - seal: to end a mini-block or block for good. Commit: to make staged state
//     the store's. Stage: to put changes on top without committing.
//   - head: the newest block. Preconfirmed, RootChecked, Proven: how sure it is.
//   - term: the number of a sequencer's reign.
//   - chunk: 256 KiB of a blob, by which peers pass it on. Part: of a blob that is
//     too large for a layer (da.Chunked).
//   - account number, incarnation: a store's own name for an account, and how
//     often its storage began anew.
//
// # Encodings
//
// Every noun that leaves memory has one canonical encoding, RLP, by AppendBinary
// and UnmarshalBinary: same content, same bytes. The decoders refuse everything
// else, take memory in proportion to their input only, and leave their receiver
// unchanged on an error.
package chain
