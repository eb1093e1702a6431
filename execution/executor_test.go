package execution_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest/exectest"
	"github.com/vivace-chain/vivace/execution"
)

func newSequential(t testing.TB, config *params.ChainConfig) chain.Executor {
	t.Helper()
	e, err := execution.New(execution.Config{Chain: config, TxRoot: noRoot, Hints: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) { exectest.TestExecutor(t, newSequential) }

func BenchmarkSequential(b *testing.B) { exectest.BenchmarkExecutor(b, newSequential) }
