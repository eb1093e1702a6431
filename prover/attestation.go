package prover

import (
	"crypto/ecdsa"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
)

// A Program names what checked a block: program and version, as a hash.
type Program = common.Hash

// ReexecutionProgram is Verify of this package: execution of the block from its
// witness, and a diff that decodes to the same changes.
var ReexecutionProgram Program = chain.Keccak256([]byte("vivace/prover/reexecution/v1"))

// Sign sets the signature of an attestation whose other fields are final.
func Sign(a *chain.Attestation, key *ecdsa.PrivateKey) error {
	hash := a.SigningHash()
	signature, err := crypto.Sign(hash[:], key)
	if err != nil {
		return err
	}
	copy(a.Signature[:], signature)
	return nil
}

// Recover returns who signed the attestation. There is one signature per key and
// attestation that it accepts: V is 0 or 1, and S in the lower half of the curve's
// order (EIP-2). The error matches ErrCorrupt. Whether the signer may sign is for
// the caller to know.
func Recover(a *chain.Attestation) (common.Address, error) {
	var (
		r = new(big.Int).SetBytes(a.Signature[:32])
		s = new(big.Int).SetBytes(a.Signature[32:64])
		v = a.Signature[64]
	)
	if !crypto.ValidateSignatureValues(v, r, s, true) {
		return common.Address{}, notSigned(errors.New("signature values are out of range"))
	}
	hash := a.SigningHash()
	key, err := crypto.SigToPub(hash[:], a.Signature[:])
	if err != nil {
		return common.Address{}, notSigned(err)
	}
	return crypto.PubkeyToAddress(*key), nil
}

func notSigned(err error) error {
	return &chain.CorruptError{What: "attestation", Offset: -1, Err: err}
}
