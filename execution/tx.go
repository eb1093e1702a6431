package execution

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// message is what execution reads of a transaction, made once and kept in chain.Tx,
// or of a Call. What is long is a part of the transaction's bytes.
type message struct {
	signed         *signed         // nil for a Call
	from           *common.Address // of a Call; a transaction's is recovered
	kind           uint8           // EIP-2718
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
// calls find it in tx. A blob transaction must be in its canonical form; the
// network's, with blobs, is refused. Errors match chain.ErrInvalidTx. The result is
// read only. It may be called concurrently.
func Decode(tx *chain.Tx) (*types.Transaction, error) {
	m, err := decode(tx)
	if err != nil {
		return nil, err
	}
	return m.signed.transaction()
}

func decode(tx *chain.Tx) (*message, error) {
	if m, ok := tx.Parsed().(*message); ok {
		return m, nil
	}
	m, err := readMessage(tx.Raw())
	if err != nil {
		return nil, undecodable(tx.Raw(), err)
	}
	tx.SetParsed(m)
	return m, nil
}

// undecodable says in Ethereum's words, which clients know, what readMessage found
// wrong with raw.
func undecodable(raw []byte, err error) error {
	tx := new(types.Transaction)
	if theirs := tx.UnmarshalBinary(raw); theirs != nil {
		err = theirs
	} else if tx.BlobTxSidecar() != nil {
		return ErrSidecar
	}
	return fmt.Errorf("%w: %w", ErrUndecodable, err)
}

// A Bid is what a transaction says about its place among others.
type Bid struct {
	Nonce, Gas     uint64      // Gas is the limit
	FeeCap, TipCap uint256.Int // wei per gas
	Cost           uint256.Int // the most that its sender can pay, with value and blobs, wei
}

// BidOf returns the bid of tx. Errors match chain.ErrInvalidTx: it is undecodable, or
// costs more than 256 bits say. It may be called concurrently.
func BidOf(tx *chain.Tx) (Bid, error) {
	m, err := decode(tx)
	if err != nil {
		return Bid{}, err
	}
	b := Bid{Nonce: m.nonce, Gas: m.gas, FeeCap: m.feeCap, TipCap: m.tipCap}
	gas, over1 := m.gasCostMax()
	_, over2 := b.Cost.AddOverflow(&gas, &m.value)
	if over1 || over2 {
		return Bid{}, fmt.Errorf("%w: cost exceeds 256 bits", ErrInsufficientFunds)
	}
	return b, nil
}

// gasCostMax is the price of all gas at its fee cap and of all blob gas at its own, wei.
func (m *message) gasCostMax() (cost uint256.Int, overflow bool) {
	var blobs uint256.Int
	_, over1 := cost.MulOverflow(cost.SetUint64(m.gas), &m.feeCap)
	_, over2 := blobs.MulOverflow(blobs.SetUint64(m.blobGas()), &m.blobFeeCap)
	_, over3 := cost.AddOverflow(&cost, &blobs)
	return cost, over1 || over2 || over3
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
