package call_test

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// accounts is a state in memory.
type accounts map[common.Address]account

type account struct {
	nonce, balance uint64
	code           string
	slots          map[common.Hash]uint64
}

func (s accounts) Account(addr common.Address) (chain.Account, bool, error) {
	a, ok := s[addr]
	if !ok {
		return chain.Account{}, false, nil
	}
	return chain.Account{Nonce: a.nonce, Balance: *uint256.NewInt(a.balance), CodeHash: chain.Keccak256([]byte(a.code))}, true, nil
}

func (s accounts) Slot(addr common.Address, key common.Hash) (uint256.Int, error) {
	return *uint256.NewInt(s[addr].slots[key]), nil
}

func (s accounts) Code(hash common.Hash) ([]byte, error) {
	for _, a := range s {
		if chain.Keccak256([]byte(a.code)) == hash {
			return []byte(a.code), nil
		}
	}
	return nil, chain.ErrNotFound
}

var (
	alice      = common.Address{0xa}
	bob        = common.Address{0xb}
	ecrecover  = common.Address{19: 1}
	sha256     = common.Address{19: 2}
	precompile = []common.Address{ecrecover, sha256}
)
