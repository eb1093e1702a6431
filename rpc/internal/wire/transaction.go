package wire

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// A Transaction is one with its place in a block, if it has one.
type Transaction struct {
	hash  common.Hash
	from  common.Address
	tx    *types.Transaction
	place *Place // nil if it is in no block
}

// A Place is where a transaction is in the chain.
type Place struct {
	Env   *chain.Env   // of the block
	Hash  *common.Hash // of the block; nil until it is sealed
	Index int          // in the block
}

// placeIn is that of transaction i of b.
func placeIn(b *history.Block, i int) Place {
	p := Place{Env: b.Env, Index: i}
	if b.Sealed() {
		p.Hash = &b.Hash
	}
	return p
}

// NewTransaction is transaction i of b, as NewTransactionAt has it.
func NewTransaction(config *params.ChainConfig, b *history.Block, i int) (*Transaction, error) {
	return NewTransactionAt(config, placeIn(b, i), b.Txs[i])
}

// NewTransactionAt is a transaction at its place. An unsealed block's has blockNumber
// and transactionIndex, and a null blockHash. Errors match chain.ErrInvalidTx: a
// transaction that cannot be decoded or has no sender. It keeps what at points to.
func NewTransactionAt(config *params.ChainConfig, at Place, tx *chain.Tx) (*Transaction, error) {
	t, err := newTransaction(config, at.Env, tx)
	if err != nil {
		return nil, err
	}
	t.place = &at
	return t, nil
}

// NewPendingTransaction is a transaction that is in no block: blockHash, blockNumber
// and transactionIndex are null. env, of a block that it could be in, says which
// signatures are understood. The errors are NewTransaction's.
func NewPendingTransaction(config *params.ChainConfig, env *chain.Env, tx *chain.Tx) (*Transaction, error) {
	return newTransaction(config, env, tx)
}

func newTransaction(config *params.ChainConfig, env *chain.Env, tx *chain.Tx) (*Transaction, error) {
	decoded, err := execution.Decode(tx)
	if err != nil {
		return nil, err
	}
	from, err := Sender(config, env, tx)
	if err != nil {
		return nil, err
	}
	return &Transaction{hash: tx.Hash(), from: from, tx: decoded}, nil
}

// Sender is who signed tx, from the cache in tx if it is there, else by recovery,
// which fills the cache. Errors match chain.ErrInvalidTx.
func Sender(config *params.ChainConfig, env *chain.Env, tx *chain.Tx) (common.Address, error) {
	if from, ok := tx.Sender(); ok {
		return from, nil
	}
	decoded, err := execution.Decode(tx)
	if err != nil {
		return common.Address{}, err
	}
	signer := types.MakeSigner(config, new(big.Int).SetUint64(env.Number), env.Timestamp)
	from, err := signer.Sender(decoded)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", execution.ErrInvalidSender, err)
	}
	tx.SetSender(from)
	return from, nil
}

// gasPrice is what a unit of gas costs the sender at a base fee: the price of a
// legacy transaction, min(tip + base fee, fee cap) with a dynamic fee.
func gasPrice(tx *types.Transaction, baseFee *uint256.Int) *big.Int {
	if tx.Type() < types.DynamicFeeTxType || baseFee == nil {
		return tx.GasFeeCap()
	}
	price := tx.GasTipCap()
	price.Add(price, baseFee.ToBig())
	if feeCap := tx.GasFeeCap(); feeCap.Cmp(price) < 0 {
		return feeCap
	}
	return price
}

// MarshalJSON implements json.Marshaler; nil is null.
func (t *Transaction) MarshalJSON() ([]byte, error) {
	if t == nil {
		return []byte("null"), nil
	}
	return t.AppendJSON(make([]byte, 0, 1024+2*len(t.tx.Data()))), nil
}

// AppendJSON appends the JSON of t, which is not nil.
func (t *Transaction) AppendJSON(dst []byte) []byte {
	var (
		o       = object(dst)
		tx      = t.tx
		v, r, s = tx.RawSignatureValues()
	)
	o.open()
	price := t.appendPlace(&o)
	o.bytes("from", t.from[:])
	o.uint64("gas", tx.Gas())
	o.big("gasPrice", price)
	if tx.Type() >= types.DynamicFeeTxType {
		o.big("maxFeePerGas", tx.GasFeeCap())
		o.big("maxPriorityFeePerGas", tx.GasTipCap())
	}
	if tx.Type() == types.BlobTxType {
		o.big("maxFeePerBlobGas", tx.BlobGasFeeCap())
	}
	o.bytes("hash", t.hash[:])
	o.bytes("input", tx.Data())
	o.uint64("nonce", tx.Nonce())
	o.addressOrNull("to", tx.To())
	o.big("value", tx.Value())
	o.uint64("type", uint64(tx.Type()))
	appendTyped(&o, tx)
	o.big("v", v)
	o.big("r", r)
	o.big("s", s)
	if tx.Type() != types.LegacyTxType {
		o.uint64("yParity", v.Uint64())
	}
	o.close()
	return o
}

// appendPlace appends where the transaction is, and returns the gas price that is
// paid there, or at most, as long as it is nowhere.
func (t *Transaction) appendPlace(o *object) *big.Int {
	p := t.place
	if p == nil {
		o.null("blockHash")
		o.null("blockNumber")
		o.null("blockTimestamp")
		o.null("transactionIndex")
		return t.tx.GasFeeCap()
	}
	o.hashOrNull("blockHash", p.Hash)
	o.uint64("blockNumber", p.Env.Number)
	o.uint64("blockTimestamp", p.Env.Timestamp)
	o.uint64("transactionIndex", uint64(p.Index))
	return gasPrice(t.tx, p.Env.BaseFee)
}

// appendTyped appends what only some types of transaction have: the chain id,
// which a legacy one may lack (EIP-155), and lists.
func appendTyped(o *object, tx *types.Transaction) {
	if id := tx.ChainId(); tx.Type() != types.LegacyTxType || id.Sign() != 0 {
		o.big("chainId", id)
	}
	if tx.Type() != types.LegacyTxType {
		appendAccessList(o, tx.AccessList())
	}
	if hashes := tx.BlobHashes(); len(hashes) > 0 {
		o.hashes("blobVersionedHashes", hashes)
	}
	if list := tx.SetCodeAuthorizations(); len(list) > 0 {
		appendAuthorizations(o, list)
	}
}

func appendAccessList(o *object, list types.AccessList) {
	o.key("accessList")
	*o = append(*o, '[')
	for i := range list {
		o.comma()
		o.open()
		o.bytes("address", list[i].Address[:])
		o.hashes("storageKeys", list[i].StorageKeys)
		o.close()
	}
	*o = append(*o, ']')
}

func appendAuthorizations(o *object, list []types.SetCodeAuthorization) {
	o.key("authorizationList")
	*o = append(*o, '[')
	for i := range list {
		a := &list[i]
		o.comma()
		o.open()
		o.uint256("chainId", &a.ChainID)
		o.bytes("address", a.Address[:])
		o.uint64("nonce", a.Nonce)
		o.uint64("yParity", uint64(a.V))
		o.uint256("r", &a.R)
		o.uint256("s", &a.S)
		o.close()
	}
	*o = append(*o, ']')
}
