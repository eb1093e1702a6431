package program

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

const outputMagic = "VZO1"

// PublicMax is the most bytes that an Output without a proof has: magic, a list of
// three integers, eleven hashes and a signature, and a hash.
const PublicMax = len(outputMagic) + 3 + 3*9 + 10*33 + 67 + common.HashLength

// An Output is what a run comes to.
type Output struct {
	Public chain.Attestation // without Program and Signature
	Rules  common.Hash       // keccak256 of the chain's rules
	Proof  []byte            // may be empty
}

// AppendBinary appends the output. Program and Signature must be zero: what runs
// does not know its own name, and has no key.
func (o *Output) AppendBinary(dst []byte) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dst, err := o.Public.AppendBinary(append(dst, outputMagic...))
	return append(append(dst, o.Rules[:]...), o.Proof...), err
}

// UnmarshalBinary reads what AppendBinary wrote. It copies src; on an error, which
// matches chain.ErrCorrupt, o is unchanged.
func (o *Output) UnmarshalBinary(src []byte) error {
	if len(src) < len(outputMagic) || string(src[:len(outputMagic)]) != outputMagic {
		return corrupt("output", fmt.Errorf("does not begin with %q", outputMagic))
	}
	var (
		out Output
		in  = rlp.NewReader(src[len(outputMagic):])
		raw = in.Raw()
	)
	if err := in.Err(); err != nil {
		return corrupt("output", err)
	}
	if err := out.Public.UnmarshalBinary(raw); err != nil {
		return corrupt("output", err)
	}
	rest := in.Rest()
	if len(rest) < len(out.Rules) {
		return corrupt("output", fmt.Errorf("%d bytes after the attestation", len(rest)))
	}
	n := copy(out.Rules[:], rest)
	if len(rest) > n {
		out.Proof = append([]byte(nil), rest[n:]...)
	}
	if err := out.check(); err != nil {
		return err
	}
	*o = out
	return nil
}

func (o *Output) check() error {
	if o.Public.Program != (common.Hash{}) || o.Public.Signature != [65]byte{} {
		return corrupt("output", errors.New("public outputs have a program or a signature"))
	}
	return nil
}
