package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
)

// ID is the name of an executable that checks blocks by rules: what provers attest
// under, and what a sequencer allows.
func ID(executable, rules []byte) prover.Program {
	e, r := chain.Keccak256(executable), chain.Keccak256(rules)
	return chain.Keccak256([]byte("vivace/guest/v1"), e[:], r[:])
}

// MarshalRules is the one spelling of a chain's rules.
func MarshalRules(config *params.ChainConfig) ([]byte, error) {
	rules, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	_, err = ParseRules(rules)
	return rules, err
}

// ParseRules reads what MarshalRules wrote. Rules whose forks are out of order, which
// have no 64-bit chain id or another spelling are refused; the error matches
// chain.ErrCorrupt.
func ParseRules(rules []byte) (*params.ChainConfig, error) {
	config := new(params.ChainConfig)
	if err := json.Unmarshal(rules, config); err != nil {
		return nil, corrupt("rules", err)
	}
	again, err := json.Marshal(config)
	switch {
	case err != nil:
		return nil, corrupt("rules", err)
	case !bytes.Equal(again, rules):
		return nil, corrupt("rules", errors.New("not in their one spelling"))
	case config.ChainID == nil || !config.ChainID.IsUint64():
		return nil, corrupt("rules", errors.New("no 64-bit chain id"))
	}
	if err := config.CheckConfigForkOrder(); err != nil {
		return nil, corrupt("rules", err)
	}
	return config, nil
}
