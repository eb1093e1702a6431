package da

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// DAClient is the contract of a data-availability layer.
type DAClient = chain.DAClient

// A Kind says what the payload of an Object is.
type Kind uint8

// The kinds of objects, and their payloads.
const (
	Block    Kind = 1 + iota // chain.Block as RLP
	Witness                  // chain.Witness as RLP
	Diff                     // the block's chain.Changes, encoded to stand alone
	Snapshot                 // the state after the block, in the form of its maker
)

var kindNames = [...]string{Block: "block", Witness: "witness", Diff: "diff", Snapshot: "snapshot"}

func (k Kind) known() bool { return k >= Block && k <= Snapshot }

// String is the kind's name in lower case.
func (k Kind) String() string {
	if !k.known() {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kindNames[k]
}

// An Object is what one blob holds.
type Object struct {
	Kind    Kind
	Block   chain.BlockID // that the payload belongs to
	Payload []byte
}

// Layout of an encoded object; see the package comment.
const (
	version          = 1
	magic            = "VDA"
	commitmentOffset = len(magic) + 1 + 1 + 8 + common.HashLength + 8
	headerSize       = commitmentOffset + common.HashLength
)

// Commitment is keccak256 over the object's encoding without the commitment
// itself: kind and block are part of it.
func (o *Object) Commitment() common.Hash {
	var head [commitmentOffset]byte
	return chain.Keccak256(o.appendHead(head[:0]), o.Payload)
}

func (o *Object) appendHead(dst []byte) []byte {
	dst = append(dst, magic...)
	dst = append(dst, version, byte(o.Kind))
	dst = binary.BigEndian.AppendUint64(dst, o.Block.Number)
	dst = append(dst, o.Block.Hash[:]...)
	return binary.BigEndian.AppendUint64(dst, uint64(len(o.Payload)))
}

// AppendBinary appends the blob.
func (o *Object) AppendBinary(dst []byte) ([]byte, error) {
	dst, _, err := o.append(dst)
	return dst, err
}

// Encode is the blob and the commitment, for who needs more of it than Put does: all of the
// payload is copied and hashed each time.
func (o *Object) Encode() (blob []byte, commitment common.Hash, err error) {
	return o.append(make([]byte, 0, headerSize+len(o.Payload)))
}

func (o *Object) append(dst []byte) ([]byte, common.Hash, error) {
	if !o.Kind.known() {
		return dst, common.Hash{}, fmt.Errorf("da object of unknown %s", o.Kind)
	}
	commitment := o.Commitment()
	dst = o.appendHead(dst)
	dst = append(dst, commitment[:]...)
	return append(dst, o.Payload...), commitment, nil
}

// KindOf is the kind of object that a blob says it is, unchecked; 0 if it is none.
func KindOf(blob []byte) Kind {
	at := len(magic) + 1
	if len(blob) < headerSize || !bytes.HasPrefix(blob, []byte(magic)) || blob[len(magic)] != version {
		return 0
	}
	if kind := Kind(blob[at]); kind.known() {
		return kind
	}
	return 0
}

// UnmarshalBinary reads what AppendBinary wrote and checks the commitment. The
// payload is a view of src. On an error, which matches ErrCorrupt, o is unchanged.
func (o *Object) UnmarshalBinary(src []byte) error {
	_, err := o.read(src)
	return err
}

func (o *Object) read(src []byte) (commitment common.Hash, err error) {
	fail := func(offset int, err error) (common.Hash, error) {
		return common.Hash{}, &chain.CorruptError{What: "da object", Offset: int64(offset), Err: err}
	}
	if len(src) < headerSize {
		return fail(len(src), errors.New("ends inside the header"))
	}
	var (
		kind    = Kind(src[len(magic)+1])
		number  = src[len(magic)+2:]
		hash    = number[8:]
		length  = binary.BigEndian.Uint64(hash[common.HashLength:])
		payload = src[headerSize:]
	)
	switch {
	case !bytes.HasPrefix(src, []byte(magic)):
		return fail(0, fmt.Errorf("magic is %x", src[:len(magic)]))
	case src[len(magic)] != version:
		return fail(len(magic), fmt.Errorf("version %d is not known", src[len(magic)]))
	case !kind.known():
		return fail(len(magic)+1, fmt.Errorf("%s is not known", kind))
	case length != uint64(len(payload)):
		return fail(headerSize, fmt.Errorf("payload of %d bytes, header states %d", len(payload), length))
	}
	commitment = common.Hash(src[commitmentOffset:headerSize])
	if got := chain.Keccak256(src[:commitmentOffset], payload); got != commitment {
		return fail(commitmentOffset, fmt.Errorf("commits to %s, content has %s", commitment, got))
	}
	*o = Object{
		Kind:    kind,
		Block:   chain.BlockID{Number: binary.BigEndian.Uint64(number), Hash: common.Hash(hash[:common.HashLength])},
		Payload: payload,
	}
	return commitment, nil
}
