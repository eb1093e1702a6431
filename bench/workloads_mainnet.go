package bench

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/internal/mainnet"
	"github.com/vivace-chain/vivace/trie"
)

// Mainnet is real blocks, from the data set in dir: those with these numbers, or
// all. What they do is compared with their headers, but for what needs the whole
// state: state roots, and receipts roots before Byzantium.
func Mainnet(ctx context.Context, dir string, numbers ...uint64) (*Workload, error) {
	archive, err := mainnet.Open(dir)
	if err != nil {
		return nil, err
	}
	w := &Workload{Name: mainnetName(len(numbers)), Config: params.MainnetChainConfig}
	if len(numbers) == 0 {
		numbers = archive.Numbers()
	}
	for _, number := range numbers {
		archived, err := archive.Block(number)
		if err != nil {
			return nil, err
		}
		archived.SetSenders()
		b := &Block{
			Block: archived.Block, Ancestors: archived.Hashes,
			State: archived.Pre.Changes(), Prior: archived.Pre, Senders: archived.Senders,
		}
		if err := b.referee(ctx, w.Config); err != nil {
			return nil, err
		}
		receiptsRoot := b.Header.ReceiptsRoot
		if isByzantium(w.Config, number) {
			receiptsRoot = trie.ReceiptsRoot(b.Want.Receipts)
		}
		if err := b.Header.CheckResult(b.Want, receiptsRoot, b.Header.StateRoot); err != nil {
			return nil, err
		}
		w.Blocks = append(w.Blocks, b)
	}
	return w, nil
}

// mainnetName is the name of n blocks, or of all for 0.
func mainnetName(n int) string {
	if n == 0 {
		return "load=mainnet"
	}
	return fmt.Sprintf("load=mainnet/blocks=%d", n)
}

func isByzantium(config *params.ChainConfig, number uint64) bool {
	return config.IsByzantium(new(big.Int).SetUint64(number))
}
