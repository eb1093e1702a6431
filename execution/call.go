package execution

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"
)

// A Call is a message that nobody signed: eth_call's, or a step of a simulation.
type Call struct {
	// Type of the transaction (EIP-2718) that the message stands for: what its receipt
	// says. Fields that only a later type has decide before it.
	Type           uint8
	From           common.Address
	To             *common.Address // nil for a creation
	Nonce          uint64
	Gas            uint64
	FeeCap         uint256.Int // gas price of a message without dynamic fee, wei
	TipCap         uint256.Int // the same gas price of a message without dynamic fee
	Value          uint256.Int
	Data           []byte
	AccessList     types.AccessList // not nil for type 1 at least
	BlobFeeCap     uint256.Int
	BlobHashes     []common.Hash                // not nil for type 3
	Authorizations []types.SetCodeAuthorization // not nil for type 4
}

// Call executes a message, which it keeps nothing of. An error that matches
// chain.ErrInvalidTx or chain.ErrBlockFull says why the message cannot be executed
// at all; the Scratch goes on. Others (a view that fails, the end of ctx, which stops
// the interpreter) break it.
func (s *Scratch) Call(ctx context.Context, c *Call) (*CallResult, error) {
	return s.execute(ctx, common.Hash{}, func() (checked, error) { return s.block.admitCall(c.message()) })
}

func (c *Call) message() *message {
	return &message{
		from: &c.From, kind: c.kind(), nonce: c.Nonce, gas: c.Gas, to: c.To, value: c.Value, data: c.Data,
		feeCap: c.FeeCap, tipCap: c.TipCap, accessList: c.AccessList,
		blobFeeCap: c.BlobFeeCap, blobHashes: c.BlobHashes, authorizations: c.Authorizations,
	}
}

func (c *Call) kind() uint8 {
	switch {
	case c.Authorizations != nil:
		return types.SetCodeTxType
	case c.BlobHashes != nil:
		return types.BlobTxType
	case c.Type == types.LegacyTxType && c.AccessList != nil:
		return types.AccessListTxType
	}
	return c.Type
}

// admitCall decides whether a Call can be next. The rules are those for
// transactions, in the order in which go-ethereum applies them to messages: where
// several do not hold, clients see the same error.
func (b *openBlock) admitCall(m *message) (checked, error) {
	c := checked{message: m, from: *m.from}
	for _, rule := range []func(*checked) error{
		b.checkNonce,
		func(c *checked) error { return b.checkNonceMax(c.message) },
		func(c *checked) error { return b.checkGasCap(c.message) },
		b.checkSenderCode,
		func(c *checked) error { return b.checkFees(c.message) },
		func(c *checked) error { return b.checkCallType(c.message) },
		func(c *checked) error { return b.checkBlobs(c.message) },
		func(c *checked) error { return b.checkAuthorizations(c.message) },
		func(c *checked) error { return b.checkInitCode(c.message) },
		func(c *checked) error { return b.checkRoom(c.message) },
		b.checkGasCost,
		b.checkFunds,
		b.checkDataGas,
	} {
		if err := rule(&c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// checkCallType verifies that the fork knows what the Call says.
func (f *fork) checkCallType(m *message) error {
	var feature string
	switch {
	case m.accessList != nil && !f.rules.IsBerlin:
		feature = "access list"
	case (m.kind == types.BlobTxType || !m.blobFeeCap.IsZero()) && !f.rules.IsCancun:
		feature = "blob"
	case m.kind == types.SetCodeTxType && !f.rules.IsPrague:
		feature = "setcode"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s tx (sender %s)", ErrTxTypeUnsupported, feature, m.from)
}

// transaction is the message as hooks get it: a Call is unsigned.
func (m *message) transaction(chainID *big.Int) *types.Transaction {
	if m.signed != nil {
		if tx, err := m.signed.transaction(); err == nil {
			return tx
		}
	}
	return types.NewTx(m.txData(chainID))
}

func (m *message) txData(chainID *big.Int) types.TxData {
	var (
		id, _  = uint256.FromBig(chainID)
		value  = m.value.ToBig()
		feeCap = m.feeCap.ToBig()
		tipCap = m.tipCap.ToBig()
	)
	switch m.kind {
	case types.LegacyTxType:
		return &types.LegacyTx{Nonce: m.nonce, GasPrice: feeCap, Gas: m.gas, To: m.to, Value: value, Data: m.data}
	case types.AccessListTxType:
		return &types.AccessListTx{
			ChainID: chainID, Nonce: m.nonce, GasPrice: feeCap, Gas: m.gas, To: m.to, Value: value, Data: m.data, AccessList: m.accessList,
		}
	case types.BlobTxType:
		return &types.BlobTx{
			ChainID: id, Nonce: m.nonce, GasTipCap: &m.tipCap, GasFeeCap: &m.feeCap, Gas: m.gas, To: *m.to, Value: &m.value,
			Data: m.data, AccessList: m.accessList, BlobFeeCap: &m.blobFeeCap, BlobHashes: m.blobHashes,
		}
	case types.SetCodeTxType:
		return &types.SetCodeTx{
			ChainID: id, Nonce: m.nonce, GasTipCap: &m.tipCap, GasFeeCap: &m.feeCap, Gas: m.gas, To: *m.to, Value: &m.value,
			Data: m.data, AccessList: m.accessList, AuthList: m.authorizations,
		}
	}
	return &types.DynamicFeeTx{
		ChainID: chainID, Nonce: m.nonce, GasTipCap: tipCap, GasFeeCap: feeCap, Gas: m.gas, To: m.to, Value: value,
		Data: m.data, AccessList: m.accessList,
	}
}
