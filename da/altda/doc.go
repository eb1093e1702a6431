// Package altda speaks the alt-DA interface of the OP stack, as a client of any such
// server and as a server in front of any chain.DAClient.
//
// # The interface
//
// As in github.com/ethereum-optimism/optimism v1.19.6, op-alt-da (daclient.go,
// daserver.go, commitment.go), and specs.optimism.io/experimental/alt-da.html:
//
//	POST /put/0x00<keccak256>   keccak commitment, known to the client; no answer
//	POST /put                   the server makes the commitment and answers with it, raw
//	GET  /get/0x<commitment>    200 with the blob, or 404
//
//	keccak commitment:   0x00, keccak256 of the blob
//	generic commitment:  0x01, byte of the layer, anything
//
// # Whom to believe
//
// OP's server stores whatever it is sent under whatever name, and serves it back; so
// this client always hashes what it gets, with the hash that a keccak commitment is,
// or with the one bound to a generic one (see da.Bind). This server compares content
// and commitment on the way in and on the way out.
//
// # The server's commitments
//
// A generic commitment is 0x01 0xff and the BlobID of the layer behind: nothing has to
// be remembered. A keccak commitment says nothing about where the blob is, so unless
// the layer's BlobID is that hash, as in da/directory, the server needs an Index.
//
// Errors cross as statuses, and a Client in front of a Server sees the error of the
// layer behind: 404, 413 too large, 418 dropped, 429 with Retry-After, 503 fail over,
// 500 else.
//
// Rejected: HTTP's own routing, which cleans paths by redirects that a POST does not
// survive; random generic commitments as OP's server makes them, which need a
// database to mean anything.
package altda
