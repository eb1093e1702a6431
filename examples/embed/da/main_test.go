package main

import (
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
)

// The same kit that ours have to pass.
func TestTable(t *testing.T) {
	chaintest.TestDAClient(t, func(testing.TB) chain.DAClient { return new(table) })
}
