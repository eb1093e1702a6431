package wire

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// A Header is the header of a sealed block.
type Header struct {
	header *chain.Header
	hash   common.Hash
}

// NewHeader is the header of a sealed block. It keeps h.
func NewHeader(h *chain.Header) *Header { return &Header{h, h.Hash()} }

// MarshalJSON implements json.Marshaler; nil is null.
func (h *Header) MarshalJSON() ([]byte, error) {
	if h == nil {
		return []byte("null"), nil
	}
	return h.AppendJSON(make([]byte, 0, 2048)), nil
}

// AppendJSON appends the JSON of h, which is not nil.
func (h *Header) AppendJSON(dst []byte) []byte {
	o := object(dst)
	o.open()
	h.appendFields(&o)
	o.close()
	return o
}

func (h *Header) appendFields(o *object) {
	head := h.header
	o.uint64("number", head.Number)
	o.bytes("hash", h.hash[:])
	o.bytes("parentHash", head.ParentHash[:])
	o.bytes("nonce", head.Nonce[:])
	o.bytes("mixHash", head.PrevRandao[:])
	o.bytes("sha3Uncles", head.OmmersHash[:])
	o.bytes("logsBloom", head.LogsBloom[:])
	o.bytes("stateRoot", head.StateRoot[:])
	o.bytes("miner", head.Coinbase[:])
	o.uint256("difficulty", &head.Difficulty)
	o.bytes("extraData", head.ExtraData)
	o.uint64("gasLimit", head.GasLimit)
	o.uint64("gasUsed", head.GasUsed)
	o.uint64("timestamp", head.Timestamp)
	o.bytes("transactionsRoot", head.TransactionsRoot[:])
	o.bytes("receiptsRoot", head.ReceiptsRoot[:])
	if head.BaseFee != nil {
		o.uint256("baseFeePerGas", head.BaseFee)
	}
	if head.WithdrawalsRoot != nil {
		o.bytes("withdrawalsRoot", head.WithdrawalsRoot[:])
	}
	if head.BlobGasUsed != nil {
		o.uint64("blobGasUsed", *head.BlobGasUsed)
	}
	if head.ExcessBlobGas != nil {
		o.uint64("excessBlobGas", *head.ExcessBlobGas)
	}
	if head.ParentBeaconBlockRoot != nil {
		o.bytes("parentBeaconBlockRoot", head.ParentBeaconBlockRoot[:])
	}
	if head.RequestsHash != nil {
		o.bytes("requestsHash", head.RequestsHash[:])
	}
}

// A Block is a block with its transactions.
type Block struct {
	config *params.ChainConfig
	block  *history.Block
	full   []*Transaction // nil for hashes
	parent *common.Hash   // of an unsealed block, where it is known
}

// NewBlock is a block with its transactions, in full or by hash. An unsealed one has
// null in hash, nonce, size, the roots, and parentHash unless WithParent sets it;
// its gas and blooms are those of the transactions so far. It keeps b. The errors
// are NewTransaction's.
func NewBlock(config *params.ChainConfig, b *history.Block, full bool) (*Block, error) {
	out := &Block{config: config, block: b}
	if !full {
		return out, nil
	}
	out.full = make([]*Transaction, len(b.Txs))
	for i := range b.Txs {
		t, err := NewTransaction(config, b, i)
		if err != nil {
			return nil, err
		}
		out.full[i] = t
	}
	return out, nil
}

// WithParent gives an unsealed block the hash of its parent, if that is sealed.
func (b *Block) WithParent(hash common.Hash) *Block {
	b.parent = &hash
	return b
}

// MarshalJSON implements json.Marshaler; nil is null.
func (b *Block) MarshalJSON() ([]byte, error) {
	if b == nil {
		return []byte("null"), nil
	}
	size := 2560 + 69*len(b.block.Txs)
	for _, t := range b.full {
		size += 1024 + 2*len(t.tx.Data())
	}
	return b.AppendJSON(make([]byte, 0, size)), nil
}

// AppendJSON appends the JSON of b, which is not nil.
func (b *Block) AppendJSON(dst []byte) []byte {
	o := object(dst)
	o.open()
	if b.block.Sealed() {
		head := Header{b.block.Header, b.block.Hash}
		head.appendFields(&o)
		o.uint64("size", blockSize(b.block))
	} else {
		b.appendUnsealed(&o)
	}
	o.key("transactions")
	if b.full != nil {
		o = appendArray(o, b.full)
	} else {
		o = append(o, '[')
		for _, tx := range b.block.Txs {
			hash := tx.Hash()
			o.comma()
			o.data(hash[:])
		}
		o = append(o, ']')
	}
	appendOmmers(&o, b.block.Env.Ommers)
	if list := b.block.Env.Withdrawals; list != nil {
		appendWithdrawals(&o, list)
	}
	o.close()
	return o
}

// appendUnsealed appends what a header has before it is one.
func (b *Block) appendUnsealed(o *object) {
	var (
		env  = b.block.Env
		used = usage(b.block)
	)
	o.uint64("number", env.Number)
	o.null("hash")
	o.hashOrNull("parentHash", b.parent)
	o.null("nonce")
	o.bytes("mixHash", env.PrevRandao[:])
	o.bytes("sha3Uncles", chain.EmptyOmmersHash[:])
	o.bytes("logsBloom", used.bloom[:])
	o.null("stateRoot")
	o.bytes("miner", env.Coinbase[:])
	o.uint256("difficulty", &env.Difficulty)
	o.bytes("extraData", env.ExtraData)
	o.uint64("gasLimit", env.GasLimit)
	o.uint64("gasUsed", used.gas)
	o.uint64("timestamp", env.Timestamp)
	o.null("transactionsRoot")
	o.null("receiptsRoot")
	if env.BaseFee != nil {
		o.uint256("baseFeePerGas", env.BaseFee)
	}
	if env.Withdrawals != nil {
		o.null("withdrawalsRoot")
	}
	if env.ExcessBlobGas != nil {
		o.uint64("blobGasUsed", used.blobGas)
		o.uint64("excessBlobGas", *env.ExcessBlobGas)
	}
	if env.ParentBeaconBlockRoot != nil {
		o.bytes("parentBeaconBlockRoot", env.ParentBeaconBlockRoot[:])
	}
	if b.config.IsPrague(new(big.Int).SetUint64(env.Number), env.Timestamp) {
		o.null("requestsHash")
	}
	o.null("size")
}

// used is what the transactions of a block consumed so far.
type used struct {
	gas, blobGas uint64
	bloom        chain.Bloom
}

func usage(b *history.Block) (u used) {
	for i, r := range b.Receipts {
		u.gas = r.CumulativeGasUsed
		u.bloom.Or(&r.LogsBloom)
		if r.Type == types.BlobTxType {
			if tx, err := execution.Decode(b.Txs[i]); err == nil {
				u.blobGas += tx.BlobGas()
			}
		}
	}
	return u
}

func appendOmmers(o *object, ommers []*chain.Header) {
	hashes := make([]common.Hash, len(ommers))
	for i, h := range ommers {
		hashes[i] = h.Hash()
	}
	o.hashes("uncles", hashes)
}

func appendWithdrawals(o *object, list []chain.Withdrawal) {
	o.key("withdrawals")
	*o = append(*o, '[')
	for i := range list {
		w := &list[i]
		o.comma()
		o.open()
		o.uint64("index", w.Index)
		o.uint64("validatorIndex", w.Validator)
		o.bytes("address", w.Address[:])
		o.uint64("amount", w.Amount)
		o.close()
	}
	*o = append(*o, ']')
}

// An Uncle is the header of an ommer, with the size of a block of nothing else.
type Uncle struct{ block *history.Block }

// NewUncle is ommer h of a block before the Merge. It keeps h.
func NewUncle(h *chain.Header) *Uncle {
	return &Uncle{&history.Block{Env: (&chain.Block{Header: h}).Env(), Header: h, Hash: h.Hash()}}
}

// MarshalJSON implements json.Marshaler; nil is null.
func (u *Uncle) MarshalJSON() ([]byte, error) {
	if u == nil {
		return []byte("null"), nil
	}
	o := make(object, 0, 2048)
	o.open()
	head := Header{u.block.Header, u.block.Hash}
	head.appendFields(&o)
	o.uint64("size", blockSize(u.block))
	o.hashes("uncles", nil)
	o.close()
	return o, nil
}

// blockSize is the size of the RLP of a sealed block, in bytes, computed without
// writing it: a block may have 8 MiB.
func blockSize(b *history.Block) uint64 {
	var txs, ommers int
	for _, tx := range b.Txs {
		n := len(tx.Raw())
		if typed := n > 0 && tx.Raw()[0] < 0xc0; typed {
			n += stringHeader(n) // never one byte, which would have no header
		}
		txs += n
	}
	for _, h := range b.Env.Ommers {
		raw, _ := h.AppendBinary(nil)
		ommers += len(raw)
	}
	var raw []byte
	raw, _ = b.Header.AppendBinary(raw)
	size := len(raw) + txs + stringHeader(txs) + ommers + stringHeader(ommers)
	if list := b.Env.Withdrawals; list != nil {
		var paid int
		for i := range list {
			raw, _ = list[i].AppendBinary(raw[:0])
			paid += len(raw)
		}
		size += paid + stringHeader(paid)
	}
	return uint64(size + stringHeader(size))
}

// stringHeader is the length of the header of an RLP string, or list, of n bytes.
func stringHeader(n int) int {
	if n < 56 {
		return 1
	}
	length := 1
	for ; n > 0; n >>= 8 {
		length++
	}
	return length
}
