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
	for _, rule := range []func(*message) error{
		f.checkType, f.checkFees, f.checkNonceMax, f.checkGasCap, f.checkGasLimit, f.checkBlobs, f.checkAuthorizations, f.checkInitCode,
	} {
		if err := rule(c.message); err != nil {
			return c, err
		}
	}
	if err := f.checkDataGas(&c); err != nil {
		return c, err
	}
	if err := f.checkGasCost(&c); err != nil {
		return c, err
	}
	c.from, err = f.sender(tx, c.message)
	return c, err
}

// checkType verifies that the fork knows the type, and the chain id, which a
// sender that comes from the cache does not imply.
func (f *fork) checkType(m *message) error {
	id, protected := m.protection()
	active := false
	switch m.kind {
	case types.LegacyTxType:
		if !protected {
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
		return fmt.Errorf("%w: type %d in block %d", ErrTxTypeUnsupported, m.kind, f.env.Number)
	}
	if !id.Eq(&f.chainID) {
		return fmt.Errorf("%w: have %s want %s", ErrInvalidChainID, id.Dec(), f.chainID.Dec())
	}
	return nil
}

func (f *fork) checkFees(m *message) error {
	if !f.rules.IsLondon || f.free(m) {
		return nil
	}
	if m.feeCap.Lt(&m.tipCap) {
		return fmt.Errorf("%w: %smaxPriorityFeePerGas: %s, maxFeePerGas: %s", ErrTipAboveFeeCap, m.whose(", "), &m.tipCap, &m.feeCap)
	}
	if m.feeCap.Lt(f.env.BaseFee) {
		return fmt.Errorf("%w: %smaxFeePerGas: %s, baseFee: %s", ErrFeeCapTooLow, m.whose(", "), &m.feeCap, f.env.BaseFee)
	}
	return nil
}

// whose names the sender in errors about a Call, as Ethereum's messages do. A
// transaction's sender is not recovered before the cheap rules hold.
func (m *message) whose(end string) string {
	if m.from == nil {
		return ""
	}
	return "address " + m.from.Hex() + end
}

// checkNonceMax is EIP-2681.
func (f *fork) checkNonceMax(m *message) error {
	if m.nonce == math.MaxUint64 && !f.lenient.nonce {
		return fmt.Errorf("%w: %snonce: %d", ErrNonceMax, m.whose(", "), m.nonce)
	}
	return nil
}

// checkGasCap is EIP-7825.
func (f *fork) checkGasCap(m *message) error {
	if f.rules.IsOsaka && m.gas > params.MaxTxGas && !f.lenient.gas {
		return fmt.Errorf("%w (cap: %d, tx: %d)", ErrGasLimitTooHigh, params.MaxTxGas, m.gas)
	}
	return nil
}

func (f *fork) checkGasLimit(m *message) error {
	if m.gas > f.env.GasLimit && !f.lenient.gas {
		return fmt.Errorf("%w: tx: %d, block: %d", ErrExceedsGasLimit, m.gas, f.env.GasLimit)
	}
	return nil
}

// checkBlobs is EIP-4844, with the cap per transaction of EIP-7594.
func (f *fork) checkBlobs(m *message) error {
	if !m.isBlob() {
		return nil
	}
	most := f.blobs.max
	if f.lenient.gas {
		most = math.MaxInt
	}
	if f.rules.IsOsaka {
		most = min(most, params.BlobTxMaxBlobs)
	}
	switch {
	case m.to == nil:
		return ErrBlobCreate
	case len(m.blobHashes) == 0:
		return ErrMissingBlobHashes
	case len(m.blobHashes) > most:
		return ErrTooManyBlobs
	}
	for i := range m.blobHashes {
		if m.blobHashes[i][0] != blobHashVersion {
			return fmt.Errorf("blob %d has %w", i, ErrBlobHashVersion)
		}
	}
	if m.blobFeeCap.Lt(&f.blobBaseFee) && !f.blobsFree(m) {
		return fmt.Errorf("%w: %sblobGasFeeCap: %s, blobBaseFee: %s", ErrBlobFeeCapTooLow, m.whose(" "), &m.blobFeeCap, &f.blobBaseFee)
	}
	return nil
}

// checkAuthorizations is the part of EIP-7702 that makes a transaction invalid. A
// single authorization that is not valid is skipped instead. (That it creates no
// contract is a matter of a transaction's encoding, and so with blobs; a Call can
// say such things.)
func (f *fork) checkAuthorizations(m *message) error {
	switch {
	case m.kind != types.SetCodeTxType:
		return nil
	case m.to == nil:
		return fmt.Errorf("%w (sender %s)", ErrSetCodeCreate, m.from)
	case len(m.authorizations) == 0 && m.from == nil:
		return ErrEmptyAuthList
	case len(m.authorizations) == 0:
		return fmt.Errorf("%w (sender %s)", ErrEmptyAuthList, m.from)
	}
	return nil
}

// checkInitCode is EIP-3860.
func (f *fork) checkInitCode(m *message) error {
	if n := len(m.data); m.to == nil && f.rules.IsShanghai && n > params.MaxInitCodeSize {
		return fmt.Errorf("%w: code size %d limit %d", ErrInitCodeTooLarge, n, params.MaxInitCodeSize)
	}
	return nil
}

// checkDataGas verifies that the gas pays for the message itself, and notes how
// much that is.
func (f *fork) checkDataGas(c *checked) error {
	zeros, nonZeros := c.countData()
	c.intrinsicGas = f.intrinsicGas(c.message, zeros, nonZeros)
	if c.gas < c.intrinsicGas {
		return fmt.Errorf("%w: have %d, want %d", ErrIntrinsicGas, c.gas, c.intrinsicGas)
	}
	if f.rules.IsPrague { // EIP-7623
		tokens := zeros + nonZeros*params.TxTokenPerNonZeroByte
		c.floorGas = params.TxGas + tokens*params.TxCostFloorPerToken
		if c.gas < c.floorGas {
			return fmt.Errorf("%w: have %d, want %d", ErrFloorDataGas, c.gas, c.floorGas)
		}
	}
	return nil
}

func (m *message) countData() (zeros, nonZeros uint64) {
	zeros = uint64(bytes.Count(m.data, []byte{0}))
	return zeros, uint64(len(m.data)) - zeros
}

// checkGasCost notes the price of all gas at its fee cap, and of all blob gas at its
// own. Nobody owns more than 2^256-1 wei.
func (f *fork) checkGasCost(c *checked) error {
	var overflow bool
	if c.gasCost, overflow = c.gasCostMax(); overflow {
		return fmt.Errorf("%w: %srequired balance exceeds 256 bits", ErrInsufficientFunds, c.whose(" "))
	}
	return nil
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
	if list := m.accessList; len(list) > 0 {
		gas += uint64(len(list)) * params.TxAccessListAddressGas
		gas += uint64(list.StorageKeys()) * params.TxAccessListStorageKeyGas
	}
	return gas + uint64(len(m.authorizations))*params.CallNewAccountGas
}

// blobHashVersion is the first byte of a blob's versioned hash: a KZG commitment
// (EIP-4844).
const blobHashVersion = 1
