package zkvm_test

import (
	"crypto/ecdsa"

	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/zkvm"
)

// A prover whose blocks are checked in an emulated machine. A sequencer that is to
// count its word has the backend's Program among those it allows.
func Example() {
	var (
		rules  *params.ChainConfig
		source prover.Source
		key    *ecdsa.PrivateKey
	)
	backend, err := zkvm.New(zkvm.Config{Guest: "guest.elf", Chain: rules})
	if err != nil {
		return
	}
	_, _ = prover.New(prover.Config{Backend: backend, ChainConfig: rules, Source: source, Key: key})
}
