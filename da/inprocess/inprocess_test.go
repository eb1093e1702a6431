package inprocess_test

import (
	"testing"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/chain/chaintest"
	"github.com/vivace-chain/vivace/da/inprocess"
)

func TestClient(t *testing.T) {
	chaintest.TestDAClient(t, func(testing.TB) chain.DAClient { return inprocess.New() })
}
