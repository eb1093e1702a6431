// Command da runs a sequencer over a data-availability layer of one's own, which is
// anything with Put and Get, and reads a block back from there.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
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
	ctx, stop := context.WithCancel(context.Background())
	dir := must(os.MkdirTemp("", "embed"))
	defer os.RemoveAll(dir)
	spec := must(genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(nil)}))
	layer, bus := new(table), sequencer.NewBus(1<<20)
	s := must(sequencer.New(ctx, sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: dir, DA: layer, Publisher: bus, BlockInterval: 100 * time.Millisecond,
	}))
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	alice, bob := genesis.DevAccounts()[0], genesis.DevAccounts()[1]
	key := must(crypto.ToECDSA(alice.Key[:]))
	tx := types.MustSignNewTx(key, types.LatestSigner(spec.Config), &types.LegacyTx{To: &bob.Address, Gas: 21_000, GasPrice: spec.Genesis.Header.BaseFee.ToBig()})
	receipt := must(s.Submit(ctx, must(tx.MarshalBinary())))

	at := published(ctx, bus, receipt.BlockNumber)
	object := must(da.Get(ctx, layer, at.Body, da.Want{Kind: da.Block, Block: at.Block}))
	block := new(chain.Block)
	check(block.UnmarshalBinary(object.Payload))
	fmt.Printf("block %d, read from the layer, has transaction %s\n", block.Header.Number, block.Txs[0].Hash())
	fmt.Println("which was acknowledged:", block.Txs[0].Hash() == receipt.TxHash)

	stop()
	fmt.Println("stopped:", <-ended, s.Close())
}

// published waits until a block is in the layer, and says where.
func published(ctx context.Context, bus *sequencer.Bus, number uint64) (at chain.Publication) {
	next := must(bus.Subscribe(ctx, "publications", 0))
	for at.Block.Number < number {
		_, msg, err := next(ctx)
		check(err)
		check(at.UnmarshalBinary(msg))
	}
	return at
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
