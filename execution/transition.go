package execution

import (
	"errors"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// An outcome is what one transaction did, besides what it wrote.
type outcome struct {
	gasUsed  uint64
	gasPrice uint256.Int // effective, wei
	output   []byte
	err      error // of the outermost call; the transaction is in the block all the same
}

// apply runs a transaction that passed checkState. The caller ends it with
// finalise or, when the state has failed, gives the block up.
func (b *openBlock) apply(c *checked) outcome {
	var (
		s     = b.state
		out   = outcome{gasPrice: c.gasPrice(b.env.BaseFee)}
		frame vm.GasBudget
	)
	b.buyGas(c, &out.gasPrice)
	s.Prepare(b.rules, c.from, b.env.Coinbase, c.to, b.warm, c.tx.AccessList())
	b.evm.SetTxContext(vm.TxContext{Origin: c.from, GasPrice: &out.gasPrice, BlobHashes: c.blobHashes})

	gas := vm.NewGasBudget(c.gas-c.intrinsicGas, 0)
	if c.to == nil {
		out.output, _, frame, out.err = b.evm.Create(c.from, c.tx.Data(), gas, &c.value)
	} else {
		b.authorize(c)
		out.output, frame, out.err = b.evm.Call(c.from, *c.to, c.tx.Data(), gas, &c.value)
	}
	out.gasUsed = b.settle(c, c.gas-frame.ExecutionGas, &out.gasPrice)
	return out
}

// checkState verifies what the state says about a transaction: nonce and code of
// the sender, and that it can pay. It writes nothing. Errors match
// chain.ErrInvalidTx.
func (b *openBlock) checkState(c *checked) error {
	s := b.state
	switch nonce := s.GetNonce(c.from); {
	case nonce < c.nonce:
		return fmt.Errorf("%w: address %s, tx: %d state: %d", ErrNonceTooHigh, c.from, c.nonce, nonce)
	case nonce > c.nonce:
		return fmt.Errorf("%w: address %s, tx: %d state: %d", ErrNonceTooLow, c.from, c.nonce, nonce)
	}
	if code := s.GetCode(c.from); len(code) > 0 { // EIP-3607, EIP-7702
		if _, delegated := types.ParseDelegation(code); !delegated {
			return fmt.Errorf("%w: address %s, len(code): %d", ErrSenderNoEOA, c.from, len(code))
		}
	}
	var want uint256.Int
	if _, overflow := want.AddOverflow(&c.gasCost, &c.value); overflow {
		return fmt.Errorf("%w: address %s required balance exceeds 256 bits", ErrInsufficientFunds, c.from)
	}
	if have := s.GetBalance(c.from); have.Lt(&want) {
		return fmt.Errorf("%w: address %s have %s want %s", ErrInsufficientFunds, c.from, have, &want)
	}
	return nil
}

// buyGas takes the price of all gas, and of the blob gas, from the sender. It is
// covered: no price is above its cap.
func (b *openBlock) buyGas(c *checked, price *uint256.Int) {
	var cost, blobCost uint256.Int
	cost.SetUint64(c.gas)
	cost.Mul(&cost, price)
	blobCost.SetUint64(c.blobGas())
	blobCost.Mul(&blobCost, &b.blobBaseFee)
	cost.Add(&cost, &blobCost)
	b.state.SubBalance(c.from, &cost, tracing.BalanceDecreaseGasBuy)
}

// settle gives back what was not used, pays the coinbase and returns the gas that
// the transaction is charged for.
func (b *openBlock) settle(c *checked, used uint64, price *uint256.Int) uint64 {
	s := b.state
	quotient := params.RefundQuotient
	if b.rules.IsLondon { // EIP-3529
		quotient = params.RefundQuotientEIP3529
	}
	used -= min(used/quotient, s.GetRefund())
	used = max(used, c.floorGas) // EIP-7623

	var amount uint256.Int
	if left := c.gas - used; left > 0 {
		amount.SetUint64(left)
		amount.Mul(&amount, price)
		s.AddBalance(c.from, &amount, tracing.BalanceIncreaseGasReturn)
	}
	tip := *price
	if b.rules.IsLondon { // EIP-1559: the base fee is burnt
		tip.Sub(&tip, b.env.BaseFee)
	}
	amount.SetUint64(used)
	amount.Mul(&amount, &tip)
	s.AddBalance(b.env.Coinbase, &amount, tracing.BalanceIncreaseRewardTransactionFee)
	return used
}

// authorize counts the sender's nonce, installs the delegations of EIP-7702, and
// warms the one of the recipient.
func (b *openBlock) authorize(c *checked) {
	s := b.state
	s.SetNonce(c.from, c.nonce+1, tracing.NonceChangeEoACall)
	list := c.tx.SetCodeAuthorizations()
	for i := range list {
		if authority, err := b.authority(&list[i]); err == nil {
			b.delegate(authority, &list[i])
		}
	}
	if b.rules.IsPrague {
		if target, delegated := types.ParseDelegation(s.GetCode(*c.to)); delegated {
			s.AddAddressToAccessList(target)
		}
	}
}

// authority returns whose code an authorization sets; an error if it is to be
// skipped.
func (b *openBlock) authority(auth *types.SetCodeAuthorization) (common.Address, error) {
	s := b.state
	if !auth.ChainID.IsZero() && auth.ChainID.CmpBig(b.chain.ChainID) != 0 {
		return common.Address{}, errors.New("authorization for another chain")
	}
	if auth.Nonce == math.MaxUint64 { // EIP-2681
		return common.Address{}, errors.New("authorization nonce has max value")
	}
	authority, err := auth.Authority()
	if err != nil {
		return common.Address{}, err
	}
	s.AddAddressToAccessList(authority) // also of an authorization that is skipped
	code := s.GetCode(authority)
	if _, delegated := types.ParseDelegation(code); len(code) > 0 && !delegated {
		return common.Address{}, errors.New("authority is a contract")
	}
	if s.GetNonce(authority) != auth.Nonce {
		return common.Address{}, errors.New("authorization for another nonce")
	}
	return authority, nil
}

func (b *openBlock) delegate(authority common.Address, auth *types.SetCodeAuthorization) {
	s := b.state
	if s.Exist(authority) {
		s.AddRefund(params.CallNewAccountGas - params.TxAuthTupleGas)
	}
	now, delegated := types.ParseDelegation(s.GetCode(authority))
	s.SetNonce(authority, auth.Nonce+1, tracing.NonceChangeAuthorization)
	switch {
	case auth.Address == (common.Address{}):
		if delegated {
			s.SetCode(authority, nil, tracing.CodeChangeAuthorizationClear)
		}
	case !delegated || now != auth.Address:
		s.SetCode(authority, types.AddressToDelegation(auth.Address), tracing.CodeChangeAuthorization)
	}
}
