package wire

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/fees"
)

// A Receipt is the outcome of a transaction and its place.
type Receipt struct {
	receipt   *chain.Receipt
	place     Place
	txHash    common.Hash
	from      common.Address
	to        *common.Address // nil for a creation
	created   *common.Address // of a creation
	price     uint256.Int     // per gas, wei
	blobGas   uint64
	blobPrice *uint256.Int // nil but for type 3
}

// NewReceipt is the receipt of transaction i of b, as NewReceiptAt has it. An error
// may also match chain.ErrNotFound: b has no such receipt.
func NewReceipt(config *params.ChainConfig, b *history.Block, i int) (*Receipt, error) {
	if i >= len(b.Receipts) {
		return nil, fmt.Errorf("receipt %d of block %d: %w", i, b.Env.Number, chain.ErrNotFound)
	}
	return NewReceiptAt(config, placeIn(b, i), b.Txs[i], b.Receipts[i])
}

// NewReceiptAt is the receipt of a transaction at its place. What the kept receipt
// lacks is derived: sender and recipient, effective gas price, contract address, blob
// gas and its price. Errors match chain.ErrInvalidTx: a transaction that cannot be
// decoded or has no sender. It keeps kept, and what at points to.
func NewReceiptAt(config *params.ChainConfig, at Place, tx *chain.Tx, kept *chain.Receipt) (*Receipt, error) {
	decoded, err := execution.Decode(tx)
	if err != nil {
		return nil, err
	}
	from, err := Sender(config, at.Env, tx)
	if err != nil {
		return nil, err
	}
	r := &Receipt{
		receipt: kept, place: at,
		txHash: tx.Hash(), from: from, to: decoded.To(), price: kept.EffectiveGasPrice,
	}
	if r.price.IsZero() {
		r.price.SetFromBig(gasPrice(decoded, at.Env.BaseFee))
	}
	if r.to == nil {
		created := crypto.CreateAddress(from, decoded.Nonce())
		r.created = &created
	}
	if decoded.Type() == types.BlobTxType && at.Env.ExcessBlobGas != nil {
		r.blobGas = decoded.BlobGas()
		r.blobPrice = fees.BlobBaseFee(config, at.Env.Timestamp, *at.Env.ExcessBlobGas)
	}
	return r, nil
}

// NewReceipts are the receipts of all transactions of b, with NewReceipt's errors.
func NewReceipts(config *params.ChainConfig, b *history.Block) (Receipts, error) {
	list := make(Receipts, len(b.Txs))
	for i := range b.Txs {
		r, err := NewReceipt(config, b, i)
		if err != nil {
			return nil, err
		}
		list[i] = r
	}
	return list, nil
}

// MarshalJSON implements json.Marshaler; nil is null.
func (r *Receipt) MarshalJSON() ([]byte, error) {
	if r == nil {
		return []byte("null"), nil
	}
	return r.AppendJSON(make([]byte, 0, r.size())), nil
}

// size is about how many bytes the JSON takes, and seldom less.
func (r *Receipt) size() int {
	size := 1280
	for i := range r.receipt.Logs {
		size += logSize(&r.receipt.Logs[i])
	}
	return size
}

// AppendJSON appends the JSON of r, which is not nil.
func (r *Receipt) AppendJSON(dst []byte) []byte {
	o := object(dst)
	o.open()
	o.uint64("type", uint64(r.receipt.Type))
	if r.receipt.HasPostState {
		o.bytes("root", r.receipt.PostState[:])
	} else {
		o.uint64("status", r.receipt.Status)
	}
	o.uint64("cumulativeGasUsed", r.receipt.CumulativeGasUsed)
	o.bytes("logsBloom", r.receipt.LogsBloom[:])
	r.appendLogs(&o)
	o.bytes("transactionHash", r.txHash[:])
	o.uint64("transactionIndex", uint64(r.place.Index))
	o.hashOrNull("blockHash", r.place.Hash)
	o.uint64("blockNumber", r.place.Env.Number)
	o.bytes("from", r.from[:])
	o.addressOrNull("to", r.to)
	o.addressOrNull("contractAddress", r.created)
	o.uint64("gasUsed", r.receipt.GasUsed)
	o.uint256("effectiveGasPrice", &r.price)
	if r.blobPrice != nil {
		o.uint64("blobGasUsed", r.blobGas)
		o.uint256("blobGasPrice", r.blobPrice)
	}
	o.close()
	return o
}

func (r *Receipt) appendLogs(o *object) {
	o.key("logs")
	*o = append(*o, '[')
	for i := range r.receipt.Logs {
		o.comma()
		l := Log{
			log: &r.receipt.Logs[i], number: r.place.Env.Number, timestamp: r.place.Env.Timestamp, hash: r.place.Hash,
			txHash: r.txHash, txIndex: uint32(r.place.Index), index: r.receipt.FirstLogIndex + uint32(i),
		}
		*o = l.AppendJSON(*o)
	}
	*o = append(*o, ']')
}

// Receipts is a list of them; nil is null.
type Receipts []*Receipt

// MarshalJSON implements json.Marshaler.
func (l Receipts) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("null"), nil
	}
	size := 2
	for _, r := range l {
		size += r.size() + 1
	}
	return appendArray(make([]byte, 0, size), l), nil
}
