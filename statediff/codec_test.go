package statediff

import (
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
)

func TestDiffEncoder(t *testing.T) {
	for name, config := range map[string]Config{"stream": {}, "stateless": {Stateless: true}} {
		t.Run(name, func(t *testing.T) {
			chaintest.TestDiffEncoder(t, func() chain.DiffEncoder { return New(config) })
		})
	}
}

func BenchmarkDiffEncoder(b *testing.B) {
	chaintest.BenchmarkDiffEncoder(b, func() chain.DiffEncoder { return New(Config{}) })
}
