package bench

import (
	"context"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/testdata"
)

// A source makes a workload when it is first asked for it, so that its name can be
// matched before.
type source[T any] struct {
	name string
	find func(testing.TB) string // the data set that it needs; nil for none
	make func(dir string) (T, error)
	once sync.Once
	made T
	err  error
}

// get returns the workload, or ends the test: it is skipped without its data.
func (s *source[T]) get(tb testing.TB) T {
	tb.Helper()
	dir := ""
	if s.find != nil {
		dir = s.find(tb)
	}
	if s.once.Do(func() { s.made, s.err = s.make(dir) }); s.err != nil {
		tb.Fatal(s.err)
	}
	return s.made
}

// run runs a benchmark on each workload.
func run[T any](b *testing.B, sources []*source[T], f func(*testing.B, T)) {
	for _, s := range sources {
		b.Run(s.name, func(b *testing.B) { f(b, s.get(b)) })
	}
}

func mainnetBlocks(numbers ...uint64) *source[*Workload] {
	return &source[*Workload]{
		name: mainnetName(len(numbers)), find: testdata.Mainnet,
		make: func(dir string) (*Workload, error) { return Mainnet(context.Background(), dir, numbers...) },
	}
}

func generated(t Traffic) *source[*Workload] {
	return &source[*Workload]{
		name: t.String(),
		make: func(string) (*Workload, error) { return Generated(context.Background(), t) },
	}
}

func contract(name string, gasLimit uint64) *source[*Workload] {
	return &source[*Workload]{
		name: contractName(name, gasLimit), find: testdata.Workloads,
		make: func(dir string) (*Workload, error) { return Contract(context.Background(), dir, name, gasLimit) },
	}
}

// Workloads that several rows use.
var (
	mainnetAll   = mainnetBlocks()
	mainnetSmall = mainnetBlocks(46147, 2674998, 9069000, 14396881, 19933612)
	erc20        = generated(ERC20(10_000, 2_000))
	erc20Small   = generated(ERC20(20, 10))
	swaps        = generated(Swaps(10_000, 2_000))
	swapsSmall   = generated(Swaps(20, 10))
)

// vivaceExecutor is the executor of this repository, without hints. Before
// Byzantium it is given roots of zero.
func vivaceExecutor(config *params.ChainConfig) (chain.Executor, error) {
	return execution.New(execution.Config{
		Chain:  config,
		TxRoot: func(*chain.Changes) (common.Hash, error) { return common.Hash{}, nil },
	})
}
