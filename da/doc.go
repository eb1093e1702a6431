// Package da is the framing of what the sequencer puts into a data-availability
// layer: blocks, witnesses, diffs and snapshots, each as one blob that says what
// it is and of which block, with a keccak commitment over all of that.
//
// Put and Get work over any chain.DAClient. The clients are packages of their own:
// da/directory keeps blobs in a directory of this machine, da/eigenda asks EigenDA's
// proxy, da/altda any alt-DA server of the OP stack, and serves as one; da/memory fails
// on request, for tests, da/inprocess never does, da/unassigned refuses politely.
// Chunked and Failover are clients on top of clients. The errors of all are those of
// this package, and say what can be done.
//
// # Whom to believe
//
// A BlobID is the layer's. Where it is a content address, as in da/directory, or bound
// to one, as in da/eigenda (see Bind), the client itself has checked the bytes.
// Elsewhere the commitment inside the blob
// detects accidents, but whoever can replace a blob can replace its commitment:
// a reader that got the commitment from someone it trusts passes it in Want. What
// needs neither is checked by its content: a block by its hash, a witness by its
// state root, a diff by the proven changes.
//
// # The bytes of an object
//
//	magic       3  "VDA"
//	version     1  1
//	kind        1  see Kind
//	number      8  of the block, big-endian
//	hash       32  of the block
//	length      8  of the payload, big-endian
//	commitment 32  keccak256 of all fields before it and the payload
//	payload
package da
