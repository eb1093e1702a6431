package da

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Put stores an object and returns when it is as durable as the layer promises:
// where it is, and its commitment. Errors are the client's, with the object's
// name.
func Put(ctx context.Context, client chain.DAClient, o *Object) (chain.BlobID, common.Hash, error) {
	blob, commitment, err := o.Encode()
	if err != nil {
		return nil, common.Hash{}, err
	}
	id, err := client.Put(ctx, blob)
	if err != nil {
		return nil, common.Hash{}, fmt.Errorf("put %s of block %s: %w", o.Kind, o.Block, err)
	}
	return id, commitment, nil
}

// Want is what a reader expects of an object.
type Want struct {
	Kind  Kind
	Block chain.BlockID
	// Commitment, if it is not zero, is compared too.
	Commitment common.Hash
}

// Get fetches the object under id and checks its form, its commitment, and that
// it is the one that the caller wants. The object belongs to the caller.
//
// The error matches ErrCorrupt when the blob is not an object, ErrMismatch when it
// is another object than wanted; others are the client's, ErrNotFound and
// ErrTooLarge among them.
func Get(ctx context.Context, client chain.DAClient, id chain.BlobID, want Want) (*Object, error) {
	fail := func(err error) (*Object, error) {
		return nil, fmt.Errorf("get %s of block %s, blob %s: %w", want.Kind, want.Block, shortID(id), err)
	}
	blob, err := client.Get(ctx, id)
	if err != nil {
		return fail(err)
	}
	o := new(Object)
	commitment, err := o.read(blob)
	if err != nil {
		return fail(err)
	}
	if err := want.check(o, commitment); err != nil {
		return fail(err)
	}
	return o, nil
}

// shortID is an id in an error, which must leave room for the reason: a certificate has
// hundreds of bytes, of which the first say what it is, and the last which.
func shortID(id chain.BlobID) string {
	const end = 8
	if len(id) <= common.HashLength {
		return fmt.Sprintf("%x", []byte(id))
	}
	return fmt.Sprintf("%x…%x", []byte(id[:end]), []byte(id[len(id)-end:]))
}

func (w *Want) check(o *Object, commitment common.Hash) error {
	differ := func(field string, got, want any) error {
		return &chain.MismatchError{Block: w.Block.Number, Field: field, Got: fmt.Sprint(got), Want: fmt.Sprint(want)}
	}
	switch {
	case o.Kind != w.Kind:
		return differ("kind of da object", o.Kind, w.Kind)
	case o.Block != w.Block:
		return differ("block of da object", o.Block, w.Block)
	case w.Commitment != (common.Hash{}) && commitment != w.Commitment:
		return differ("commitment of da object", commitment, w.Commitment)
	}
	return nil
}
