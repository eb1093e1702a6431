// Package envelope wraps what a sequencer says to many: who signed it, for which
// chain, under which term, at which place of the stream. Who relays one passes it
// on byte for byte, so that an answer of any peer is as good as the sequencer's own.
//
// What it promises, in this order, because each step costs more than the one before
// and trusts less:
//
//  1. Peek looks at a message's fixed header and its sizes. It takes no memory and
//     hashes nothing. What a kind of message may weigh, as sent and unpacked, is
//     known here.
//  2. Checker.Verify checks chain, term and signature. The signature is over the
//     bytes as sent: nothing that a stranger wrote is ever unpacked.
//  3. Checker.Open unpacks into memory of exactly the stated size, and checks that
//     the body is the one that the header names.
//
// # Layout
//
// All integers are big-endian. The head is 101 bytes, the signature 65, the body the
// rest.
//
//	offset size
//	  0      2  'V' 'E'
//	  2      1  version, 1
//	  3      1  Kind
//	  4      1  packing of the body: 0 none, 1 a zstd frame
//	  5      8  chain id
//	 13     32  hash of the genesis block
//	 45      8  term
//	 53      8  block number
//	 61      4  mini-block index; 0xffffffff for what is of the whole block
//	 65      4  length of the body, unpacked
//	 69     32  keccak256 of the body, unpacked
//	101     65  signature R ‖ S ‖ V: low S, V 0 or 1
//	166      n  body as sent, at least 1 byte
//
// What is signed is keccak256("\x19vivace envelope v1\n" ‖ bytes 0 to 100 ‖
// keccak256(body as sent)). No transaction begins with 0x19, and no other use of
// EIP-191 goes on with a 'v'. A signature by RFC 6979 makes a repetition the same
// bytes.
//
// Why the head names the body's digest, although the signature covers the body:
//
//   - A sequencer that starts again repeats what it said. Its compressor may have
//     become another since, so the bytes differ while the word is the same. What two
//     envelopes say is compared by the digest, never by the bytes sent.
//   - Whether a message is a repetition, or contradicts one that is there, shows at
//     Peek. Otherwise a relay would have to check and unpack each repetition, or
//     ignore what comes second, and with it the evidence.
//   - A Word, 198 bytes without the body, proves what was signed; two of them are
//     Evidence that anybody can check.
//   - For a frame it is the digest that the next frame names.
//
// Why chain id and genesis: two development networks share an id, and the genesis
// block's hash does not cover the chain id. There is no length of the body as sent:
// it is what follows the signature, and cannot lie. There are no reserved bytes:
// there is a version. There is no public key: it is recovered, and looked up.
//
// # Whose fault
//
// Who is to be blamed shows in the error. ErrCorrupt, ErrTooLarge, ErrForeign and
// ErrSigner are the sender's doing: it passed on what it should have refused.
// ErrTerm may be an honest peer that does not know of the new term yet. A
// FaultError, which matches ErrFault, is the signer's: it signed something that is
// not what it says.
//
// Rejected: pubsub's own signatures (a peer's key, and a second copy of the message
// in protobuf); a signature over the unpacked body (strangers' bytes would have to
// be unpacked first); one signature for several frames (the first would wait for the
// last); session keys of another curve (cheaper to check, and one more key to lose;
// the version byte leaves the door open); an unsigned kind for attestations, which
// bear their prover's signature (anyone could make any number of twins of one by
// altering the head; who brings one to the network, prover or sequencer, signs).
package envelope
