// Package checkpoint puts a block's whole state into bytes and back: what a
// sequencer restarts from and what a full node joins from. It gives each owner's
// part a section of state's snapshot format.
package checkpoint

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// Names of sections.
const (
	sectionChain = "chain" // headers and the place in the feed
	sectionModel = "diff"  // the DiffEncoder's model
)

// A Point is where a chain stands right after a block.
type Point struct {
	// Genesis is the hash of the chain's block 0: it says which chain this is.
	Genesis common.Hash
	// Headers are the newest sealed headers, RLP, the block's own first. A block
	// may ask for the hashes of 256 ancestors.
	Headers [][]byte
	// Frame is the digest of the block's last frame.
	Frame common.Hash
	// Model is the DiffEncoder's after that frame; empty if it has none.
	Model []byte
	// Proven is the proven head, and Claims what provers must say of the blocks
	// after it: the sequencer's business.
	Proven chain.BlockID
	Claims [][]byte
}

// Header is the block's own.
func (p *Point) Header() (*chain.Header, error) {
	if len(p.Headers) == 0 {
		return nil, corrupt(errors.New("no header"))
	}
	h := new(chain.Header)
	return h, h.UnmarshalBinary(p.Headers[0])
}

// CheckGenesis fails with a MismatchError if the checkpoint is another chain's.
func (p *Point) CheckGenesis(g *chain.Genesis) error {
	if want := g.Header.Hash(); p.Genesis != want {
		return &chain.MismatchError{Field: "hash of the genesis block", Got: p.Genesis.Hex(), Want: want.Hex()}
	}
	return nil
}

// Model is the optional ability of a DiffEncoder to have its model stored.
type Model interface {
	AppendModel(dst []byte) []byte
	SetModel(src []byte) error
}

// AppendModel returns the model of d, or nothing if d has none to be stored.
func AppendModel(d chain.DiffEncoder) []byte {
	if m, ok := d.(Model); ok {
		return m.AppendModel(nil)
	}
	return nil
}

// SetModel brings d to a stored model.
func SetModel(d chain.DiffEncoder, model []byte) error {
	if m, ok := d.(Model); ok {
		return m.SetModel(model)
	}
	if len(model) > 0 {
		return corrupt(fmt.Errorf("it has a model, and %T takes none", d))
	}
	return nil
}

func corrupt(err error) error {
	return &chain.CorruptError{What: "checkpoint", Offset: -1, Err: err}
}

func (p *Point) encode() []byte {
	dst := rlp.AppendBytes(nil, p.Genesis[:])
	headers := len(dst)
	for _, h := range p.Headers {
		dst = rlp.AppendBytes(dst, h)
	}
	dst = rlp.WrapList(dst, headers)
	dst = rlp.AppendBytes(dst, p.Frame[:])
	dst = rlp.AppendUint64(dst, p.Proven.Number)
	dst = rlp.AppendBytes(dst, p.Proven.Hash[:])
	at := len(dst)
	for _, c := range p.Claims {
		dst = rlp.AppendBytes(dst, c)
	}
	dst = rlp.WrapList(dst, at)
	return rlp.WrapList(dst, 0)
}

func (p *Point) decode(src []byte) error {
	in := rlp.NewReader(src)
	r := in.List()
	r.Fixed(p.Genesis[:])
	list := r.List()
	for list.More() {
		p.Headers = append(p.Headers, bytes.Clone(list.Bytes()))
	}
	r.Close(list)
	r.Fixed(p.Frame[:])
	p.Proven.Number = r.Uint64()
	r.Fixed(p.Proven.Hash[:])
	claims := r.List()
	for claims.More() {
		p.Claims = append(p.Claims, bytes.Clone(claims.Bytes()))
	}
	r.Close(claims)
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt(err)
	}
	return nil
}
