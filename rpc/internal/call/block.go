package call

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// BlockOverrides alter the block that a call executes in. A nil one alters nothing.
type BlockOverrides struct {
	Number        *hexutil.Big       `json:"number"`
	Difficulty    *hexutil.Big       `json:"difficulty"` // of no effect after the Merge
	Time          *hexutil.Uint64    `json:"time"`
	GasLimit      *hexutil.Uint64    `json:"gasLimit"`
	FeeRecipient  *common.Address    `json:"feeRecipient"`
	PrevRandao    *common.Hash       `json:"prevRandao"`
	BaseFeePerGas *hexutil.Big       `json:"baseFeePerGas"`
	BlobBaseFee   *hexutil.Big       `json:"blobBaseFee"` // see BlobFee
	BeaconRoot    *common.Hash       `json:"beaconRoot"`
	Withdrawals   *types.Withdrawals `json:"withdrawals"`
}

// Errors of overrides that only blocks can have, not calls, and of what no block has.
var (
	errBeaconRoot  = errors.New(`block override "beaconRoot" is not supported for this RPC method`)
	errWithdrawals = errors.New(`block override "withdrawals" is not supported for this RPC method`)
	errNumber      = errors.New("block number exceeds 64 bits")
)

// BlobFee is the price of blob gas that takes the place of the one that the block's
// excess gives, in wei; nil if it is not overridden.
func (o *BlockOverrides) BlobFee() *uint256.Int {
	if o == nil || o.BlobBaseFee == nil {
		return nil
	}
	fee := number(o.BlobBaseFee)
	return &fee
}

// Apply returns env with the overrides but BlobFee, which is none of env; env stays
// as it is. Overrides that eth_call and its kin do not have are an error.
func (o *BlockOverrides) Apply(env *chain.Env) (*chain.Env, error) {
	switch {
	case o == nil:
		return env, nil
	case o.BeaconRoot != nil:
		return nil, errBeaconRoot
	case o.Withdrawals != nil:
		return nil, errWithdrawals
	}
	out := *env
	if o.Number != nil {
		if !o.Number.ToInt().IsUint64() {
			return nil, errNumber
		}
		out.Number = o.Number.ToInt().Uint64()
	}
	o.SetHeaderFields(&out)
	return &out, nil
}

// SetHeaderFields overrides in env what a header states besides its number, and what
// is neither from the parent nor of the body.
func (o *BlockOverrides) SetHeaderFields(env *chain.Env) {
	if o.Difficulty != nil && !env.Difficulty.IsZero() {
		env.Difficulty = number(o.Difficulty)
	}
	if o.Time != nil {
		env.Timestamp = uint64(*o.Time)
	}
	if o.GasLimit != nil {
		env.GasLimit = uint64(*o.GasLimit)
	}
	if o.FeeRecipient != nil {
		env.Coinbase = *o.FeeRecipient
	}
	if o.PrevRandao != nil {
		env.PrevRandao = *o.PrevRandao
	}
	if o.BaseFeePerGas != nil {
		fee := number(o.BaseFeePerGas)
		env.BaseFee = &fee
	}
}

// WithdrawalList are the withdrawals of the overrides; not nil, but empty if there
// are none.
func (o *BlockOverrides) WithdrawalList() ([]chain.Withdrawal, error) {
	if o.Withdrawals == nil {
		return []chain.Withdrawal{}, nil
	}
	list := make([]chain.Withdrawal, 0, len(*o.Withdrawals))
	for i, w := range *o.Withdrawals {
		if w == nil {
			return nil, fmt.Errorf("withdrawal %d is null", i)
		}
		list = append(list, chain.Withdrawal{Index: w.Index, Validator: w.Validator, Address: w.Address, Amount: w.Amount})
	}
	return list, nil
}
