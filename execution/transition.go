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

	"github.com/vivace-chain/vivace/chain"
)

// An outcome is what one message did.
type outcome struct {
	prices
	gasUsed uint64
	gasPeak uint64 // before refunds; the floor of EIP-7623 counts
	output  []byte
	err     error // of the outermost call; the message is in the block all the same
	receipt *chain.Receipt
	changes *chain.Changes
}

// prices are what a message pays for its gas, in wei per unit.
type prices struct {
	gas  uint256.Int // effective
	tip  uint256.Int // of that, the coinbase's
	blob uint256.Int
}

func (f *fork) prices(m *message) (p prices) {
	p.gas = m.gasPrice(f.env.BaseFee)
	p.tip = p.gas
	if f.rules.IsLondon && !f.free(m) { // EIP-1559: the base fee is burnt
		p.tip.Sub(&p.gas, f.env.BaseFee)
	}
	if m.isBlob() && !f.blobsFree(m) {
		p.blob = f.blobBaseFee
	}
	return p
}

// apply runs a message that was admitted. The caller ends it with finalise or, when
// the state has failed, gives the block up. Receipt and changes are left to it.
func (b *openBlock) apply(c *checked) *outcome {
	var (
		out   = &outcome{prices: b.prices(c.message)}
		gas   = c.gas - c.intrinsicGas
		frame vm.GasBudget
	)
	b.buyGas(c, &out.prices)
	b.state.Prepare(b.rules, c.from, b.env.Coinbase, c.to, b.warm, c.accessList)
	b.evm.SetTxContext(vm.TxContext{Origin: c.from, GasPrice: &out.prices.gas, BlobHashes: c.blobHashes})
	b.db.gasChange(0, c.gas, tracing.GasChangeTxInitialBalance)
	b.db.gasChange(c.gas, gas, tracing.GasChangeTxIntrinsicGas)

	if c.to == nil {
		b.db.gasMove(gas, 0, tracing.GasChangeTxGasForwarded)
		out.output, _, frame, out.err = b.evm.Create(c.from, c.data, vm.NewGasBudget(gas, 0), &c.value)
	} else {
		b.authorize(c)
		b.db.gasMove(gas, 0, tracing.GasChangeTxGasForwarded)
		out.output, frame, out.err = b.evm.Call(c.from, *c.to, c.data, vm.NewGasBudget(gas, 0), &c.value)
	}
	b.db.gasMove(0, frame.ExecutionGas, tracing.GasChangeCallLeftOverRefunded)
	b.settle(c, frame.ExecutionGas, out)
	return out
}

// checkState verifies what the state says about a message: nonce and code of the
// sender, and that it can pay. It writes nothing. Errors match chain.ErrInvalidTx.
func (b *openBlock) checkState(c *checked) error {
	if err := b.checkNonce(c); err != nil {
		return err
	}
	if err := b.checkSenderCode(c); err != nil {
		return err
	}
	return b.checkFunds(c)
}

func (b *openBlock) checkNonce(c *checked) error {
	nonce := b.state.GetNonce(c.from)
	if b.lenient.nonce {
		m := *c.message // a transaction's is not ours to alter
		m.nonce = nonce
		c.message = &m
		return nil
	}
	switch {
	case nonce < c.nonce:
		return fmt.Errorf("%w: address %s, tx: %d state: %d", ErrNonceTooHigh, c.from, c.nonce, nonce)
	case nonce > c.nonce:
		return fmt.Errorf("%w: address %s, tx: %d state: %d", ErrNonceTooLow, c.from, c.nonce, nonce)
	}
	return nil
}

// checkSenderCode is EIP-3607, with the exception of EIP-7702.
func (b *openBlock) checkSenderCode(c *checked) error {
	if b.lenient.senderCode {
		return nil
	}
	if code := b.state.GetCode(c.from); len(code) > 0 {
		if _, delegated := types.ParseDelegation(code); !delegated {
			return fmt.Errorf("%w: address %s, len(code): %d", ErrSenderNoEOA, c.from, len(code))
		}
	}
	return nil
}

func (b *openBlock) checkFunds(c *checked) error {
	var want uint256.Int
	if _, overflow := want.AddOverflow(&c.gasCost, &c.value); overflow {
		return fmt.Errorf("%w: address %s required balance exceeds 256 bits", ErrInsufficientFunds, c.from)
	}
	if have := b.state.GetBalance(c.from); have.Lt(&want) {
		return fmt.Errorf("%w: address %s have %s want %s", ErrInsufficientFunds, c.from, have.Dec(), want.Dec())
	}
	return nil
}

// buyGas takes the price of all gas, and of the blob gas, from the sender. It is
// covered: no price is above its cap.
func (b *openBlock) buyGas(c *checked, p *prices) {
	var cost, blobCost uint256.Int
	cost.SetUint64(c.gas)
	cost.Mul(&cost, &p.gas)
	blobCost.SetUint64(c.blobGas())
	blobCost.Mul(&blobCost, &p.blob)
	cost.Add(&cost, &blobCost)
	b.db.SubBalance(c.from, &cost, tracing.BalanceDecreaseGasBuy)
}

// settle counts the gas that the message is charged for, gives back what is left,
// and pays the coinbase.
func (b *openBlock) settle(c *checked, left uint64, out *outcome) {
	quotient := params.RefundQuotient
	if b.rules.IsLondon { // EIP-3529
		quotient = params.RefundQuotientEIP3529
	}
	used := c.gas - left
	refund := min(used/quotient, b.state.GetRefund())
	b.db.gasChange(left, left+refund, tracing.GasChangeTxRefunds)
	left += refund
	if most := c.gas - c.floorGas; left > most { // EIP-7623
		b.db.gasChange(left, most, tracing.GasChangeTxDataFloor)
		left = most
	}
	out.gasUsed, out.gasPeak = c.gas-left, max(used, c.floorGas)

	var amount uint256.Int
	if left > 0 {
		amount.SetUint64(left)
		amount.Mul(&amount, &out.prices.gas)
		b.db.AddBalance(c.from, &amount, tracing.BalanceIncreaseGasReturn)
		b.db.gasChange(left, 0, tracing.GasChangeTxLeftOverReturned)
	}
	amount.SetUint64(out.gasUsed)
	amount.Mul(&amount, &out.tip)
	b.db.AddBalance(b.env.Coinbase, &amount, tracing.BalanceIncreaseRewardTransactionFee)
}

// authorize counts the sender's nonce, installs the delegations of EIP-7702, and
// warms the one of the recipient.
func (b *openBlock) authorize(c *checked) {
	b.db.SetNonce(c.from, c.nonce+1, tracing.NonceChangeEoACall)
	for i := range c.authorizations {
		if authority, err := b.authority(&c.authorizations[i]); err == nil {
			b.delegate(authority, &c.authorizations[i])
		}
	}
	if b.rules.IsPrague {
		if target, delegated := types.ParseDelegation(b.state.GetCode(*c.to)); delegated {
			b.state.AddAddressToAccessList(target)
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
	s := &b.db
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
