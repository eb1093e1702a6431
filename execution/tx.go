package execution

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// message is what execution reads of a transaction, made once and kept in chain.Tx,
// or of a Call.
type message struct {
	tx             *types.Transaction // decoded; nil for a Call
	from           *common.Address    // of a Call; a transaction's is recovered
	kind           uint8              // EIP-2718
	nonce          uint64
	gas            uint64
	to             *common.Address // nil for a creation
	value          uint256.Int
	data           []byte
	feeCap         uint256.Int // gas price of a message without dynamic fee
	tipCap         uint256.Int
	accessList     types.AccessList
	blobFeeCap     uint256.Int
	blobHashes     []common.Hash                // of type 3
	authorizations []types.SetCodeAuthorization // of type 4
}

// Decode returns the transaction inside the envelope. It is decoded once: later
// calls, also by the engine, find it in tx. A blob transaction must be in its
// canonical form; the network's, with blobs, is refused. Errors match
// chain.ErrInvalidTx. The result is read only. It may be called concurrently.
func Decode(tx *chain.Tx) (*types.Transaction, error) {
	m, err := decode(tx)
	if err != nil {
		return nil, err
	}
	return m.tx, nil
}

func decode(tx *chain.Tx) (*message, error) {
	if m, ok := tx.Parsed().(*message); ok {
		return m, nil
	}
	inner := new(types.Transaction)
	if err := inner.UnmarshalBinary(tx.Raw()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	m, err := newMessage(inner)
	if err != nil {
		return nil, err
	}
	tx.SetParsed(m)
	return m, nil
}

func newMessage(tx *types.Transaction) (*message, error) {
	if tx.BlobTxSidecar() != nil {
		return nil, ErrSidecar
	}
	m := &message{
		tx: tx, kind: tx.Type(), nonce: tx.Nonce(), gas: tx.Gas(), to: tx.To(), data: tx.Data(),
		accessList: tx.AccessList(), blobHashes: tx.BlobHashes(), authorizations: tx.SetCodeAuthorizations(),
	}
	for _, field := range []struct {
		name string
		dst  *uint256.Int
		src  *big.Int
	}{
		{"value", &m.value, tx.Value()},
		{"maxFeePerGas", &m.feeCap, tx.GasFeeCap()},
		{"maxPriorityFeePerGas", &m.tipCap, tx.GasTipCap()},
		{"maxFeePerBlobGas", &m.blobFeeCap, tx.BlobGasFeeCap()},
	} {
		if field.src != nil && field.dst.SetFromBig(field.src) {
			return nil, fmt.Errorf("%w: %s exceeds 256 bits", ErrUndecodable, field.name)
		}
	}
	return m, nil
}

// gasPrice is what a unit of gas costs the sender, in wei, where the base fee is
// baseFee (nil before London).
func (m *message) gasPrice(baseFee *uint256.Int) uint256.Int {
	if baseFee == nil {
		return m.feeCap
	}
	var price uint256.Int
	if _, overflow := price.AddOverflow(baseFee, &m.tipCap); overflow || price.Gt(&m.feeCap) {
		return m.feeCap
	}
	return price
}

func (m *message) isBlob() bool { return m.kind == types.BlobTxType }

func (m *message) blobGas() uint64 {
	return uint64(len(m.blobHashes)) * params.BlobTxBlobGasPerBlob
}

// Sender returns who signed tx, from the cache in tx if it is there, which is
// trusted, and otherwise by recovery, which fills the cache. env says which forks
// are active. Errors match chain.ErrInvalidTx. It may be called concurrently.
func (e *Sequential) Sender(tx *chain.Tx, env *chain.Env) (common.Address, error) {
	m, err := decode(tx)
	if err != nil {
		return common.Address{}, err
	}
	return sender(tx, m, e.signer(env))
}

func (e *Sequential) signer(env *chain.Env) types.Signer {
	return types.MakeSigner(e.config.Chain, new(big.Int).SetUint64(env.Number), env.Timestamp)
}

func sender(tx *chain.Tx, m *message, signer types.Signer) (common.Address, error) {
	if addr, ok := tx.Sender(); ok {
		return addr, nil
	}
	addr, err := signer.Sender(m.tx)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrInvalidSender, err)
	}
	tx.SetSender(addr)
	return addr, nil
}
