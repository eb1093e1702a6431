package wire

import (
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/vivace-chain/vivace/chain"
)

// Envelope is the canonical form of a transaction that a client sent, as blocks have
// it. For a blob transaction clients send the network form, with blobs, commitments
// and proofs. A rollup posts its data by itself and has no blobs of its own, so they
// are checked against the transaction's hashes, which proves nothing about anybody
// else having them, and dropped; the canonical form is taken too. Errors match
// chain.ErrInvalidTx. What is no blob transaction is returned as it is.
func Envelope(raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0] != types.BlobTxType {
		return raw, nil
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, &Error{Code: CodeServer, Message: err.Error(), Err: chain.ErrInvalidTx}
	}
	sidecar := tx.BlobTxSidecar()
	if sidecar == nil {
		return raw, nil
	}
	hashes := tx.BlobHashes()
	if len(sidecar.Blobs) != len(hashes) {
		return nil, sidecarError(fmt.Errorf("invalid number of %d blobs compared to %d blob hashes", len(sidecar.Blobs), len(hashes)))
	}
	if err := sidecar.ValidateBlobCommitmentHashes(hashes); err != nil {
		return nil, sidecarError(err)
	}
	envelope, err := tx.WithoutBlobTxSidecar().MarshalBinary()
	if err != nil {
		return nil, sidecarError(err)
	}
	return envelope, nil
}

func sidecarError(err error) error {
	return &Error{Code: CodeServer, Message: err.Error(), Err: chain.ErrInvalidTx}
}
