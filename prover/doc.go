// Package prover verifies blocks statelessly and attests to what it found.
//
// Verify is the whole judgement, as a function: a block and a witness in, what the
// block did out, or an error that says what does not hold. It trusts neither: the
// witness is checked against the state root of the parent header, which is checked
// against the block; nothing may be missing and nothing superfluous.
//
// A Prover makes a service of it. It reads publications, fetches block, witness
// and diff from the data-availability layer, verifies, checks that the diff
// decodes to exactly the proven changes, signs a chain.Attestation and publishes
// it. Its workers take blocks as they come: a block needs no other block's result,
// so attestations may be published in any order.
//
// # Failure
//
// What the data-availability layer does not give is asked for again, with
// growing pauses. A block that does not hold, or whose objects are lost or wrong,
// is Evidence: kept, logged, never attested; the other blocks go on.
package prover
