// Package memory is a data-availability layer in memory that fails on request: for
// tests of whoever puts and gets blobs, here and elsewhere. A Layer is both a
// chain.DAClient and an http.Handler with the REST interface of EigenDA's proxy, over
// the same blobs: a BlobID from one is good for the other.
//
//	layer, err := memory.New(memory.Config{Settings: memory.Settings{PutLatency: time.Second}})
//	server := httptest.NewServer(layer)
//
// # EigenDA's knobs
//
// Settings begins with those of the proxy's memstore, which PATCH /memstore/config
// changes with the same JSON, and which do what they do there
// (github.com/Layr-Labs/eigenda at 61019b4e9, api/proxy/store/generated_key/memstore:
// memconfig/config.go, memconfig/http_handlers.go, ephemeraldb/ephemeral_db.go, v2/memstore.go):
//
//   - fail over is answered before the latency, whatever the documentation there says;
//   - the size that is limited is that of the encoded blob, a power of two;
//   - a derivation error is stored with a put, which succeeds; every get of that
//     commitment answers it with 418, also after a reset;
//   - certificates are random: a blob put twice has two commitments;
//   - expired blobs are removed at intervals of 500 ms;
//   - what is not there is answered with 500.
//
// Other than there, a PATCH changes all or nothing, refuses keys that it does not
// know, and a certificate is 256 random bytes that nobody can verify or parse.
//
// # Ours
//
// The settings after those spoil a share of all calls, drawn from Config.Seed: the
// same calls in the same order are spoiled in the same way. The chain.DAClient meets
// the faults as a client would: bytes that were spoiled are ErrCorrupt, never data. A
// share of puts is confirmed and not kept, and Lose takes a single blob away later.
//
// Everything stays in memory until it expires.
package memory
