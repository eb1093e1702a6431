// Package prover verifies blocks statelessly and attests to what it found.
//
// Verify is the whole judgement, as a function: a block and a witness in, what the
// block did out, or an error that says what does not hold. It trusts neither: the
// witness is checked against the state root of the parent header, which is checked
// against the block; nothing may be missing and nothing superfluous.
//
// A Prover makes a service of it. It takes jobs from a Source, fetches block, witness
// and diff from the data-availability layer, has a ProofBackend prove them, signs a
// chain.Attestation and hands it in. Its workers take blocks as they come: a block
// needs no other block's result, so attestations may be made in any order.
//
// There are two Sources. FromTopic follows what the sequencer publishes, and proves
// all of it. One that leases (package rpc/work) shares the blocks out among any number
// of provers, which come and go as they like: a lease is renewed while its block is
// worked on, given back at the end, and runs out when its prover is lost.
//
// The default ProofBackend is Reexecution, which is Verify and the check that the
// diff decodes to exactly the proven changes. Package prover/zkvm has one that runs
// the same in a machine whose execution can be proven. Whatever the backend says, what
// the Prover knows itself it compares before it signs.
//
// # Failure
//
// What the data-availability layer does not give is asked for again, with
// growing pauses, and then of the Source, if that is an ObjectSource. A block that does
// not hold, or whose objects are lost or wrong, is Evidence: kept, logged, never attested;
// the other blocks go on. So is a backend that fails: to the chain, a block that this
// prover cannot prove is the same either way, and another prover is given it.
package prover
