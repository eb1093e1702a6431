package execution

import (
	"bytes"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// CheckTx verifies everything about tx that needs no state: its encoding, its
// type and chain id, the signature, gas against the intrinsic gas, the floor
// (EIP-7623), the cap (EIP-7825) and the block's limit, fee caps, init code size,
// blobs, authorizations. What is left is nonce, balance and code of the sender.
// Errors match chain.ErrInvalidTx; a block environment that lacks what its fork
// demands is chain.ErrInvalidBlock. It may be called concurrently.
func (e *Sequential) CheckTx(tx *chain.Tx, env *chain.Env) error {
	f, err := e.fork(env)
	if err != nil {
		return err
	}
	_, err = f.check(tx)
	return err
}

// IntrinsicGas is the gas that tx costs in env before anything runs: for being
// there, its data, access list and authorizations. Errors match
// chain.ErrInvalidTx; only the encoding of tx is checked. It may be called
// concurrently.
func (e *Sequential) IntrinsicGas(tx *chain.Tx, env *chain.Env) (uint64, error) {
	f, err := e.fork(env)
	if err != nil {
		return 0, err
	}
	m, err := decode(tx)
	if err != nil {
		return 0, err
	}
	zeros, nonZeros := m.countData()
	return f.intrinsicGas(m, zeros, nonZeros), nil
}

// checked is a transaction that passed check, with what was computed on the way.
type checked struct {
	*message
	from         common.Address
	intrinsicGas uint64
	floorGas     uint64      // least gas that it pays for (EIP-7623); 0 before Prague
	gasCost      uint256.Int // of all gas and blob gas, each at its fee cap, wei
}

func (f *fork) check(tx *chain.Tx) (c checked, err error) {
	if c.message, err = decode(tx); err != nil {
		return c, err
	}
	for _, rule := range []func(*message) error{f.checkType, f.checkFees, f.checkGas, f.checkBlobs, f.checkAuthorizations} {
		if err := rule(c.message); err != nil {
			return c, err
		}
	}
	if c.intrinsicGas, c.floorGas, err = f.checkData(c.message); err != nil {
		return c, err
	}
	if c.gasCost, err = c.worstGasCost(); err != nil {
		return c, err
	}
	c.from, err = sender(tx, c.message, f.signer)
	return c, err
}

// checkType verifies that the fork knows the type, and the chain id, which a
// sender that comes from the cache does not imply.
func (f *fork) checkType(m *message) error {
	active := false
	switch m.tx.Type() {
	case types.LegacyTxType:
		if !m.tx.Protected() {
			return nil
		}
		if !f.rules.IsEIP155 {
			return fmt.Errorf("%w: signed for one chain in block %d", ErrInvalidSender, f.env.Number)
		}
		active = true
	case types.AccessListTxType:
		active = f.rules.IsBerlin
	case types.DynamicFeeTxType:
		active = f.rules.IsLondon
	case types.BlobTxType:
		active = f.rules.IsCancun
	case types.SetCodeTxType:
		active = f.rules.IsPrague
	}
	if !active {
		return fmt.Errorf("%w: type %d in block %d", ErrTxTypeUnsupported, m.tx.Type(), f.env.Number)
	}
	if id := m.tx.ChainId(); id.Cmp(f.chain.ChainID) != 0 {
		return fmt.Errorf("%w: have %d want %d", ErrInvalidChainID, id, f.chain.ChainID)
	}
	return nil
}

func (f *fork) checkFees(m *message) error {
	if !f.rules.IsLondon {
		return nil
	}
	if m.feeCap.Lt(&m.tipCap) {
		return fmt.Errorf("%w: maxPriorityFeePerGas: %s, maxFeePerGas: %s", ErrTipAboveFeeCap, &m.tipCap, &m.feeCap)
	}
	if m.feeCap.Lt(f.env.BaseFee) {
		return fmt.Errorf("%w: maxFeePerGas: %s, baseFee: %s", ErrFeeCapTooLow, &m.feeCap, f.env.BaseFee)
	}
	return nil
}

func (f *fork) checkGas(m *message) error {
	switch {
	case m.nonce == math.MaxUint64: // EIP-2681
		return fmt.Errorf("%w: nonce: %d", ErrNonceMax, m.nonce)
	case f.rules.IsOsaka && m.gas > params.MaxTxGas: // EIP-7825
		return fmt.Errorf("%w (cap: %d, tx: %d)", ErrGasLimitTooHigh, params.MaxTxGas, m.gas)
	case m.gas > f.env.GasLimit:
		return fmt.Errorf("%w: tx: %d, block: %d", ErrExceedsGasLimit, m.gas, f.env.GasLimit)
	}
	return nil
}

// checkBlobs is EIP-4844, with the cap per transaction of EIP-7594.
func (f *fork) checkBlobs(m *message) error {
	if m.tx.Type() != types.BlobTxType {
		return nil
	}
	most := f.blobs.max
	if f.rules.IsOsaka {
		most = min(most, params.BlobTxMaxBlobs)
	}
	switch {
	case len(m.blobHashes) == 0:
		return ErrMissingBlobHashes
	case len(m.blobHashes) > most:
		return fmt.Errorf("%w: have %d, permitted: %d", ErrTooManyBlobs, len(m.blobHashes), most)
	case m.blobFeeCap.Lt(&f.blobBaseFee):
		return fmt.Errorf("%w: blobGasFeeCap: %s, blobBaseFee: %s", ErrBlobFeeCapTooLow, &m.blobFeeCap, &f.blobBaseFee)
	}
	for i := range m.blobHashes {
		if m.blobHashes[i][0] != blobHashVersion {
			return fmt.Errorf("%w: blob %d", ErrBlobHashVersion, i)
		}
	}
	return nil
}

// checkAuthorizations is the part of EIP-7702 that makes a transaction invalid. A
// single authorization that is not valid is skipped instead. (That neither it nor
// a blob transaction creates contracts is a matter of their encoding.)
func (f *fork) checkAuthorizations(m *message) error {
	if m.tx.Type() == types.SetCodeTxType && len(m.tx.SetCodeAuthorizations()) == 0 {
		return ErrEmptyAuthList
	}
	return nil
}

// checkData verifies that the gas pays for the transaction's own data.
func (f *fork) checkData(m *message) (intrinsic, floor uint64, err error) {
	if n := len(m.tx.Data()); m.to == nil && f.rules.IsShanghai && n > params.MaxInitCodeSize { // EIP-3860
		return 0, 0, fmt.Errorf("%w: code size %d limit %d", ErrInitCodeTooLarge, n, params.MaxInitCodeSize)
	}
	zeros, nonZeros := m.countData()
	intrinsic = f.intrinsicGas(m, zeros, nonZeros)
	if m.gas < intrinsic {
		return 0, 0, fmt.Errorf("%w: have %d, want %d", ErrIntrinsicGas, m.gas, intrinsic)
	}
	if f.rules.IsPrague { // EIP-7623
		tokens := zeros + nonZeros*params.TxTokenPerNonZeroByte
		floor = params.TxGas + tokens*params.TxCostFloorPerToken
		if m.gas < floor {
			return 0, 0, fmt.Errorf("%w: have %d, want %d", ErrFloorDataGas, m.gas, floor)
		}
	}
	return intrinsic, floor, nil
}

func (m *message) countData() (zeros, nonZeros uint64) {
	data := m.tx.Data()
	zeros = uint64(bytes.Count(data, []byte{0}))
	return zeros, uint64(len(data)) - zeros
}

// worstGasCost is the price of all gas at its fee cap, and of all blob gas at its
// own, in wei. Nobody owns more than 2^256-1 wei.
func (m *message) worstGasCost() (cost uint256.Int, err error) {
	var blobs uint256.Int
	_, over1 := cost.MulOverflow(cost.SetUint64(m.gas), &m.feeCap)
	_, over2 := blobs.MulOverflow(blobs.SetUint64(m.blobGas()), &m.blobFeeCap)
	_, over3 := cost.AddOverflow(&cost, &blobs)
	if over1 || over2 || over3 {
		return cost, fmt.Errorf("%w: required balance exceeds 256 bits", ErrInsufficientFunds)
	}
	return cost, nil
}

// intrinsicGas is the gas that a transaction costs before anything runs (Yellow
// Paper, section 6.2). No sum here can overflow: data and lists are in memory, and
// no count of theirs comes near 2^64 divided by its price.
func (f *fork) intrinsicGas(m *message, zeros, nonZeros uint64) uint64 {
	gas := params.TxGas
	if m.to == nil && f.rules.IsHomestead {
		gas = params.TxGasContractCreation
	}
	nonZeroGas := params.TxDataNonZeroGasFrontier
	if f.rules.IsIstanbul {
		nonZeroGas = params.TxDataNonZeroGasEIP2028
	}
	gas += zeros*params.TxDataZeroGas + nonZeros*nonZeroGas
	if m.to == nil && f.rules.IsShanghai {
		gas += (zeros + nonZeros + 31) / 32 * params.InitCodeWordGas
	}
	if list := m.tx.AccessList(); len(list) > 0 {
		gas += uint64(len(list)) * params.TxAccessListAddressGas
		gas += uint64(list.StorageKeys()) * params.TxAccessListStorageKeyGas
	}
	return gas + uint64(len(m.tx.SetCodeAuthorizations()))*params.CallNewAccountGas
}

// blobHashVersion is the first byte of a blob's versioned hash: a KZG commitment
// (EIP-4844).
const blobHashVersion = 1
