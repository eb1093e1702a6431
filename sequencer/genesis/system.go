package genesis

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
)

// A systemContract is one that the protocol itself calls.
type systemContract struct {
	eip     int
	name    string
	address common.Address
	code    []byte // as the EIP deploys it
	// required: from Prague on, a block is invalid while the address has no code.
	// The calls of the others are then skipped.
	required bool
}

var systemContracts = [...]systemContract{
	{4788, "beacon roots", params.BeaconRootsAddress, params.BeaconRootsCode, false},
	{2935, "block hashes", params.HistoryStorageAddress, params.HistoryStorageCode, false},
	{7002, "withdrawal requests", params.WithdrawalQueueAddress, params.WithdrawalQueueCode, true},
	{7251, "consolidation requests", params.ConsolidationQueueAddress, params.ConsolidationQueueCode, true},
}

// A MissingContractError says that a state has no code where the protocol calls a
// contract from Prague on, so that a block on it would be invalid (EIP-7002 and
// EIP-7251). It matches chain.ErrInvalidBlock.
type MissingContractError struct {
	EIP     int
	Name    string // what the contract is for
	Address common.Address
}

func (e *MissingContractError) Error() string {
	return fmt.Sprintf("no code at %s, the contract of EIP-%d (%s), without which no block is valid from Prague on",
		e.Address, e.EIP, e.Name)
}

// Unwrap returns chain.ErrInvalidBlock.
func (e *MissingContractError) Unwrap() error { return chain.ErrInvalidBlock }

// CheckSystemContracts reports with a MissingContractError that no block of Prague can
// be built on state, unless it deploys what is missing. Other errors are state's.
func CheckSystemContracts(state chain.StateView) error {
	for _, c := range systemContracts {
		if !c.required {
			continue
		}
		account, exists, err := state.Account(c.address)
		if err != nil {
			return err
		}
		if !exists || account.CodeHash == chain.EmptyCodeHash {
			return &MissingContractError{c.eip, c.name, c.address}
		}
	}
	return nil
}

// appendSystemContracts adds all of them, as their EIPs deploy them: nonce 1, nothing
// else.
func appendSystemContracts(state *chain.Changes) {
	for _, c := range systemContracts {
		code := chain.Code{Hash: chain.Keccak256(c.code), Bytes: c.code}
		state.Codes = append(state.Codes, code)
		state.Accounts = append(state.Accounts, chain.AccountChange{
			Address: c.address, Exists: true,
			After: chain.Account{Nonce: 1, CodeHash: code.Hash},
		})
	}
}
