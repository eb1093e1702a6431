package cli

import (
	"crypto/ecdsa"
	"flag"
	"fmt"
	"os"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A Chain is what a program is told of its chain.
type Chain struct{ Genesis string }

// Flags declares the flag of a Chain.
func (n *Chain) Flags(f *flag.FlagSet) {
	f.StringVar(&n.Genesis, "genesis", "", "geth's genesis.json, a `file`; by default a development chain with funded accounts")
}

// Spec reads the genesis file, or makes the development chain, the same in every
// process.
func (n *Chain) Spec() (*genesis.Spec, error) {
	if n.Genesis != "" {
		return ReadGenesis(n.Genesis)
	}
	load, err := DevLoad()
	if err != nil {
		return nil, err
	}
	return genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(load.State())})
}

// ReadGenesis reads the file that -genesis names. Errors match ErrUsage.
func ReadGenesis(path string) (*genesis.Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: -genesis: %w", ErrUsage, err)
	}
	defer f.Close()
	spec, err := genesis.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%w: -genesis: %s: %w", ErrUsage, path, err)
	}
	return spec, nil
}

// DevProver is the key of the development chain's prover, which everybody knows.
func DevProver() (*ecdsa.PrivateKey, error) {
	seed := chain.Keccak256([]byte("vivace development prover"))
	return crypto.ToECDSA(seed[:])
}
