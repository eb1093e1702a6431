// Package eigenda is a client of the REST interface of EigenDA's proxy, in its
// standard mode and its OP generic mode.
//
//	client, err := eigenda.New(eigenda.Config{URL: "http://127.0.0.1:3100"})
//	id, err := client.Put(ctx, blob)
//
// # What it promises
//
// A BlobID is the commitment as the proxy gave it, then keccak256 of the blob (see
// da.Bind): Get checks the content itself, whatever the proxy checked. The payload
// on EigenDA is the blob and nothing else, so anyone with the commitment reads it
// with any other client. Every exchange has a deadline of its own, follows no
// redirect, and takes no memory beyond the limit that an answer has. The errors are
// those of package da; use da.Chunked for blobs above MaxPayload.
//
// The certificate in the commitment is the proxy's to verify, and so is that the
// blob is available to others: run your own proxy.
//
// # The interface
//
// As in github.com/Layr-Labs/eigenda at 61019b4e9 (9 March 2026), below api/proxy:
//
//	POST /put?commitment_mode=standard          standard    servers/rest/routing.go
//	GET  /get/0x<commitment>?commitment_mode=standard
//	POST /put                                   OP generic
//	GET  /get/0x<commitment>
//	GET  /health, /config                       servers/rest/handlers_misc.go
//
//	commitment, standard:        version, certificate       common/types/certs/eigenda.go
//	commitment, OP generic:      0x01 0x00 version, certificate
//	version:                     0x00 V1, 0x01 V2, 0x02 V3, 0x03 V4
//
// The answer to a put is raw bytes (servers/rest/handlers_cert.go says why). What
// the statuses mean is decided in servers/rest/middleware/error.go and
// common/proxyerrors:
//
//	400 of a put  too large                          ErrTooLarge
//	400 of a get  a request that we should not make  ErrRefused
//	403           this mode's interface is off       ErrRefused
//	404           never by this proxy, by others     ErrNotFound
//	418           the certificate is void            DroppedError, codes 1 to 4
//	429           the disperser limits the rate      BusyError
//	500           everything else                    ErrTransient
//	503           EigenDA is down                    ErrFailover
//
// A blob that is lost, expired or was never there is a 500 like any trouble inside
// the proxy: whoever waits for a blob bounds the tries of ErrTransient too. An
// answer of 200 without bytes is no answer, unless the blob is the empty one.
//
// Rejected: EigenDA's own Go client (clients/standard_client), which has no deadline,
// reads answers of any length, takes an empty one for a blob, and brings some
// hundred modules.
package eigenda
