package envelope

import "github.com/vivace-chain/vivace/internal/signature"

type (
	// Signer signs envelopes.
	Signer = signature.Signer
	// Recover returns who signed one.
	Recover = signature.Recover
	// Key is a Signer whose key is in memory.
	Key = signature.Key
)

// PureRecover is the Recover that needs no C compiler.
var PureRecover Recover = signature.PureRecover

// NewKey makes a Key of a secret, 32 bytes between 0 and the order of secp256k1.
func NewKey(secret []byte) (*Key, error) { return signature.NewKey(secret) }

// checkForm refuses the second form of a signature. The error matches ErrCorrupt.
func checkForm(sig *[65]byte) error {
	if err := signature.CheckForm(sig); err != nil {
		return corrupt(headSize, "%w", err)
	}
	return nil
}
