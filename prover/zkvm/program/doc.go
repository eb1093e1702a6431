// Package program is what runs inside the machine: from the bytes of a block, its
// witness and its diff to the public outputs of a proof, or to a refusal. Package
// zkvm is the other side, and prover/zkvm/guest the executable of Run.
//
// # Input
//
// The guest reads one frame from its standard input and nothing else, ever: no
// argument, no file, no clock, no randomness.
//
//	offset size
//	0      4    "VZI1"
//	4      4    length of the chain's rules, at most 64 KiB   all lengths big-endian
//	8      4    length of the block
//	12     4    length of the witness
//	16     4    length of the diff                            together at most 64 MiB
//	20          rules, block, witness, diff, and then the end of the input
//
// The rules are go-ethereum's params.ChainConfig as MarshalRules writes it. There is
// one spelling of them: bytes that would not be written again the same are refused,
// so that two hashes are two sets of rules.
//
// # Output
//
//	0      4    "VZO1"
//	4           chain.Attestation, RLP, with Program and Signature zero
//	       32   keccak256 of the chain's rules
//	            the proof, up to the end of the output
//
// These are the public outputs: what a verifier of a proof sees. The guest itself
// writes no proof; what makes one of its run puts it behind.
//
// A guest that refuses writes no output but one line on its standard error, and ends
// with status ExitRefused. Any other status is trouble with the machine, and says
// nothing about the block.
//
// # What is bound
//
// The digests of block, witness and diff are in the attestation, and the hash of the
// rules beside it. ID binds executable and rules into the name that a prover attests
// under: without the rules in it a prover could check a block by those of another
// fork, or of a chain of its own, and be counted.
package program
