package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

var engines = []struct {
	name   string
	engine Engine
}{
	{"geth", Geth{}},
	{"vivace", Executor(vivaceExecutor)},
}

func BenchmarkExecute(b *testing.B) {
	workloads := []*source[*Workload]{mainnetAll, erc20, swaps, contract("snailtracer", 0)}
	for _, e := range engines {
		b.Run("impl="+e.name, func(b *testing.B) {
			run(b, workloads, func(b *testing.B, w *Workload) { Execute(b, w, e.engine) })
		})
	}
}

func TestExecuteSmall(t *testing.T) {
	for _, s := range []*source[*Workload]{
		mainnetSmall, erc20Small, swapsSmall,
		contract("snailtracer", 2_000_000), contract("hash_10k", 0),
	} {
		t.Run(s.name, func(t *testing.T) {
			w := s.get(t)
			for _, e := range engines {
				recordDigest(t, "execute/"+w.Name, CheckExecute(t, w, e.engine))
				requireMetrics(t, once(t, func(b *testing.B) { Execute(b, w, e.engine) }), "Mgas/s", "tx/s")
			}
		})
	}
}

// wrongGas is an executor that is wrong by one unit of gas in the last block.
type wrongGas struct{ chain.Executor }

func (e wrongGas) Execute(ctx context.Context, b *chain.Block, ancestors chain.Ancestors, prior chain.StateView) (*chain.Result, error) {
	r, err := e.Executor.Execute(ctx, b, ancestors, prior)
	if err == nil {
		r.GasUsed++
	}
	return r, err
}

func TestExecuteIsChecked(t *testing.T) {
	word := failure(func(tb testing.TB) {
		CheckExecute(tb, erc20Small.get(t), Executor(func(c *params.ChainConfig) (chain.Executor, error) {
			executor, err := vivaceExecutor(c)
			return wrongGas{executor}, err
		}))
	})
	if !strings.Contains(word, "gas used") {
		t.Fatalf("a wrong executor passes, or fails with %q", word)
	}
}
