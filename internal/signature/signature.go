package signature

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Size is the length of a signature in bytes.
const Size = 65

// A Signer has a key. The key may be elsewhere: to sign may take its time, and fail.
type Signer interface {
	// Sign signs a hash: secp256k1, R ‖ S ‖ V with S in the lower half of the order
	// and V 0 or 1. The same hash gives the same bytes (RFC 6979), or else a
	// repetition is a message of its own. It may be called concurrently.
	Sign(hash common.Hash) ([65]byte, error)
	// Address is who the signatures recover to.
	Address() common.Address
}

// A Recover returns who signed hash. The signature is R ‖ S ‖ V with a low S and V 0
// or 1; what else can be wrong with it is an error. It may be called concurrently.
type Recover func(hash common.Hash, sig *[65]byte) (common.Address, error)

// PureRecover is the Recover that needs no C compiler. One that uses libsecp256k1
// takes a fifth of its time: binaries that may have it inject it.
func PureRecover(hash common.Hash, sig *[65]byte) (common.Address, error) {
	var compact [65]byte // V first, with the offset that Bitcoin's messages have
	compact[0] = 27 + sig[64]
	copy(compact[1:], sig[:64])
	pub, _, err := ecdsa.RecoverCompact(compact[:], hash[:])
	if err != nil {
		return common.Address{}, err
	}
	return address(pub), nil
}

// RecoverOnly is r, or PureRecover if that is nil, for a signature of which nothing is
// known: the second form of one is refused.
func RecoverOnly(r Recover, hash common.Hash, sig *[65]byte) (common.Address, error) {
	if err := CheckForm(sig); err != nil {
		return common.Address{}, err
	}
	if r == nil {
		r = PureRecover
	}
	return r(hash, sig)
}

func address(pub *secp256k1.PublicKey) common.Address {
	hash := chain.Keccak256(pub.SerializeUncompressed()[1:])
	return common.BytesToAddress(hash[12:])
}

// halfOrder is half the order of secp256k1: a larger S has a smaller twin that is as
// good (EIP-2).
var halfOrder = common.FromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")

// CheckForm refuses the second form of a signature.
func CheckForm(sig *[65]byte) error {
	if sig[64] > 1 {
		return fmt.Errorf("signature has V %d, want 0 or 1", sig[64])
	}
	if bytes.Compare(sig[32:64], halfOrder) > 0 {
		return errors.New("signature has S in the upper half")
	}
	return nil
}

// A Key is a Signer whose key is in memory.
type Key struct {
	secret  *secp256k1.PrivateKey
	address common.Address
}

var _ Signer = (*Key)(nil)

// NewKey makes a Key of a secret, 32 bytes between 0 and the order of secp256k1.
func NewKey(secret []byte) (*Key, error) {
	var scalar secp256k1.ModNScalar
	if len(secret) != 32 {
		return nil, fmt.Errorf("a secret key has 32 bytes, not %d", len(secret))
	}
	if scalar.SetByteSlice(secret) || scalar.IsZero() {
		return nil, errors.New("a secret key is between 0 and the curve's order")
	}
	k := secp256k1.NewPrivateKey(&scalar)
	return &Key{k, address(k.PubKey())}, nil
}

// Sign implements Signer. It never fails.
func (k *Key) Sign(hash common.Hash) (sig [65]byte, err error) {
	compact := ecdsa.SignCompact(k.secret, hash[:], false)
	copy(sig[:], compact[1:])
	sig[64] = compact[0] - 27
	return sig, nil
}

// Address implements Signer.
func (k *Key) Address() common.Address { return k.address }
