// Command da uses a data-availability layer of one's own: anything with Put and Get.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
)

// table is a chain.DAClient over anything that maps keys to bytes, here a sync.Map.
// chaintest.TestDAClient says whether it keeps the contract.
type table struct{ blobs sync.Map }

func (t *table) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	hash := chain.Keccak256(blob)
	if ctx.Err() == nil {
		t.blobs.Store(string(hash[:]), bytes.Clone(blob))
	}
	return hash[:], ctx.Err()
}

func (t *table) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	blob, ok := t.blobs.Load(string(id))
	if !ok || ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("%w: blob %x", chain.ErrNotFound, id))
	}
	return bytes.Clone(blob.([]byte)), nil
}

func main() {
	ctx := context.Background()
	layer := new(table)
	block := chain.BlockID{Number: 7, Hash: chain.Keccak256([]byte("a block"))}
	id, _, err := da.Put(ctx, layer, &da.Object{Kind: da.Block, Block: block, Payload: []byte("its bytes")})
	if err != nil {
		log.Fatal(err)
	}
	object := must(da.Get(ctx, layer, id, da.Want{Kind: da.Block, Block: block}))
	fmt.Printf("%s of block %d: %q\n", object.Kind, object.Block.Number, object.Payload)
	_, err = da.Get(ctx, layer, id, da.Want{Kind: da.Witness, Block: block})
	fmt.Println("it is no witness:", errors.Is(err, chain.ErrMismatch) || errors.Is(err, chain.ErrCorrupt))
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
