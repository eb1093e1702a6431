// Package work brings a sequencer's unproven blocks to its provers over JSON-RPC: the
// namespace prover of the sequencer's door, and the Client that makes a prover.Source
// of it.
//
//	prover_lease(n, stamp)              up to n blocks: lease, ttl in ms, publication
//	prover_renew(lease, stamp)          ttl in ms
//	prover_release(lease, why, stamp)   true; an empty why is no blame; lease 0 stands for all
//	                                    of the prover's, of which one that starts knows nothing
//	prover_submit(attestation)          true once it is entered
//	prover_objects(number, from, stamp) sizes of block, witness and diff of an unproven block,
//	                                    and up to 11 MiB of them, one after the other, from
//	                                    byte from; also when the data-availability layer has
//	                                    lost them
//	prover_status()                     what is leased, failing, and how often what happened
//	prover_evidence(from)               up to 256 words of provers that contradict blocks
//
// Numbers are hex, as everywhere at the door; publications, attestations and objects
// are their encodings, in hex.
//
// # Stamps
//
// Whoever leases keeps others from work, so a request to do that says who asks: it is
// signed by the prover's key, the one that signs attestations. A stamp is time (Unix
// milliseconds), nonce and signature, over
//
//	keccak256("\x19vivace work v1\n" ‖ chain id, 8 bytes ‖ length of method, 1 byte ‖
//	          method ‖ time, 8 bytes ‖ nonce, 8 bytes ‖ arguments)
//
// Integers are big-endian. The arguments are n, lease or number in 8 bytes, and after
// it for prover_release the bytes of why, for prover_objects from in 8 bytes. The time may differ from the sequencer's by a minute,
// and lies after its start; in that time a nonce serves a key once. So a request that
// somebody overheard is good for nothing, and nothing has to be remembered over a
// restart. Attestations bear their own signature, and need no stamp: they may come from
// anybody, at any time, with or without a lease.
//
// # Limits
//
// Nobody's request costs more than a signature to look at unless he is a prover of the
// chain. What a prover may have is bounded by the Desk, in leases and in bytes; what is
// remembered of his nonces, and how often at once objects are read for him, here; the
// sizes of requests and answers by the door. The Client believes no answer: all sizes are
// checked before memory is taken.
package work
