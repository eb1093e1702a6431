package chain

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// A Sealed is a block's header on its way to those who follow by diffs, with what it
// takes to follow the stream of frames from the next block on. So each header is a
// place where one can come in who has the block's state from elsewhere.
type Sealed struct {
	Header *Header
	Frame  common.Hash // digest of the block's last frame
	Model  []byte      // of the DiffEncoder after that frame; at most ModelMax bytes
}

// ModelMax is the longest model of a DiffEncoder that travels with a header, in
// bytes.
const ModelMax = 64

// AppendBinary appends the RLP of s. A model that is too long is ErrTooLarge.
func (s *Sealed) AppendBinary(dst []byte) ([]byte, error) {
	if len(s.Model) > ModelMax {
		return dst, fmt.Errorf("%w: model of %d bytes, limit %d", ErrTooLarge, len(s.Model), ModelMax)
	}
	start := len(dst)
	dst, err := s.Header.AppendBinary(dst)
	if err != nil {
		return dst, err
	}
	dst = rlp.AppendBytes(dst, s.Frame[:])
	dst = rlp.AppendBytes(dst, s.Model)
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote and copies what it keeps. On an error,
// which matches ErrCorrupt, s is unchanged.
func (s *Sealed) UnmarshalBinary(src []byte) error {
	var (
		out = Sealed{Header: new(Header)}
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	header := r.Raw()
	r.Fixed(out.Frame[:])
	model := r.Bytes()
	if len(model) > ModelMax {
		r.Fail(rlp.ErrSize)
	}
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("sealed header", err)
	}
	if err := out.Header.UnmarshalBinary(header); err != nil {
		return err
	}
	out.Model = append(out.Model, model...)
	*s = out
	return nil
}
