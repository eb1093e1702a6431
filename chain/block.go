package chain

import (
	"fmt"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// A Header is an Ethereum block header, no field added. Fields that later forks
// brought are nil before them; they are present as a prefix: none is set when an
// earlier one of the list is nil.
//
// In blocks that we sequence the first 8 bytes of ExtraData, big-endian, are the
// sequencer's term (see Term).
type Header struct {
	ParentHash       common.Hash
	OmmersHash       common.Hash
	Coinbase         common.Address
	StateRoot        common.Hash
	TransactionsRoot common.Hash
	ReceiptsRoot     common.Hash
	LogsBloom        Bloom
	Difficulty       uint256.Int
	Number           uint64
	GasLimit         uint64
	GasUsed          uint64
	Timestamp        uint64      // seconds
	ExtraData        []byte      // at most 32 bytes
	PrevRandao       common.Hash // mixHash before the Merge
	Nonce            [8]byte

	BaseFee               *uint256.Int // London (EIP-1559), wei
	WithdrawalsRoot       *common.Hash // Shanghai (EIP-4895)
	BlobGasUsed           *uint64      // Cancun (EIP-4844)
	ExcessBlobGas         *uint64      // Cancun (EIP-4844)
	ParentBeaconBlockRoot *common.Hash // Cancun (EIP-4788)
	RequestsHash          *common.Hash // Prague (EIP-7685)
}

// Bloom is the 2048-bit filter over log addresses and topics (Yellow Paper,
// section 4.3.1).
type Bloom [256]byte

// Add enters data, an address or a topic.
func (b *Bloom) Add(data []byte) {
	h := Keccak256(data)
	for i := 0; i < 6; i += 2 {
		bit := (uint(h[i])<<8 | uint(h[i+1])) & 2047
		b[255-bit/8] |= 1 << (bit % 8)
	}
}

// Or enters everything that is in x.
func (b *Bloom) Or(x *Bloom) {
	for i := range b {
		b[i] |= x[i]
	}
}

// AppendBinary appends the RLP of the header.
func (h *Header) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendBytes(dst, h.ParentHash[:])
	dst = rlp.AppendBytes(dst, h.OmmersHash[:])
	dst = rlp.AppendBytes(dst, h.Coinbase[:])
	dst = rlp.AppendBytes(dst, h.StateRoot[:])
	dst = rlp.AppendBytes(dst, h.TransactionsRoot[:])
	dst = rlp.AppendBytes(dst, h.ReceiptsRoot[:])
	dst = rlp.AppendBytes(dst, h.LogsBloom[:])
	dst = rlp.AppendUint256(dst, &h.Difficulty)
	dst = rlp.AppendUint64(dst, h.Number)
	dst = rlp.AppendUint64(dst, h.GasLimit)
	dst = rlp.AppendUint64(dst, h.GasUsed)
	dst = rlp.AppendUint64(dst, h.Timestamp)
	dst = rlp.AppendBytes(dst, h.ExtraData)
	dst = rlp.AppendBytes(dst, h.PrevRandao[:])
	dst = rlp.AppendBytes(dst, h.Nonce[:])
	for i, n := 0, h.optional(); i < n; i++ {
		switch i {
		case 0:
			dst = rlp.AppendUint256(dst, h.BaseFee)
		case 1:
			dst = rlp.AppendBytes(dst, h.WithdrawalsRoot[:])
		case 2:
			dst = rlp.AppendUint64(dst, *h.BlobGasUsed)
		case 3:
			dst = rlp.AppendUint64(dst, *h.ExcessBlobGas)
		case 4:
			dst = rlp.AppendBytes(dst, h.ParentBeaconBlockRoot[:])
		case 5:
			dst = rlp.AppendBytes(dst, h.RequestsHash[:])
		}
	}
	return rlp.WrapList(dst, start), nil
}

// optional is the number of fork fields set, counted up to the first nil one.
func (h *Header) optional() int {
	for i, set := range []bool{h.BaseFee != nil, h.WithdrawalsRoot != nil, h.BlobGasUsed != nil,
		h.ExcessBlobGas != nil, h.ParentBeaconBlockRoot != nil, h.RequestsHash != nil} {
		if !set {
			return i
		}
	}
	return 6
}

// UnmarshalBinary reads the RLP of a header. It copies what it keeps; on an
// error, which matches ErrCorrupt, h is unchanged.
func (h *Header) UnmarshalBinary(src []byte) error {
	var (
		out Header
		r   = rlp.NewReader(src)
	)
	out.read(r)
	if err := r.End(); err != nil {
		return corrupt("header", err)
	}
	*h = out
	return nil
}

func (h *Header) read(in *rlp.Reader) {
	r := in.List()
	r.Fixed(h.ParentHash[:])
	r.Fixed(h.OmmersHash[:])
	r.Fixed(h.Coinbase[:])
	r.Fixed(h.StateRoot[:])
	r.Fixed(h.TransactionsRoot[:])
	r.Fixed(h.ReceiptsRoot[:])
	r.Fixed(h.LogsBloom[:])
	h.Difficulty = r.Uint256()
	h.Number = r.Uint64()
	h.GasLimit = r.Uint64()
	h.GasUsed = r.Uint64()
	h.Timestamp = r.Uint64()
	h.ExtraData = common.CopyBytes(r.Bytes())
	r.Fixed(h.PrevRandao[:])
	r.Fixed(h.Nonce[:])
	if r.More() {
		v := r.Uint256()
		h.BaseFee = &v
	}
	if r.More() {
		h.WithdrawalsRoot = readHash(r)
	}
	if r.More() {
		v := r.Uint64()
		h.BlobGasUsed = &v
	}
	if r.More() {
		v := r.Uint64()
		h.ExcessBlobGas = &v
	}
	if r.More() {
		h.ParentBeaconBlockRoot = readHash(r)
	}
	if r.More() {
		h.RequestsHash = readHash(r)
	}
	in.Close(r)
}

func readHash(r *rlp.Reader) *common.Hash {
	var h common.Hash
	r.Fixed(h[:])
	return &h
}

// Hash is the block hash: keccak256 of the header's RLP.
func (h *Header) Hash() common.Hash {
	b, _ := h.AppendBinary(make([]byte, 0, 768)) // it has no failure of its own
	return Keccak256(b)
}

// ID is the block's number and hash.
func (h *Header) ID() BlockID { return BlockID{h.Number, h.Hash()} }

// Term is the sequencer's term, from ExtraData; 0 when there is none.
func (h *Header) Term() uint64 { return termOf(h.ExtraData) }

func termOf(extraData []byte) (term uint64) {
	if len(extraData) < 8 {
		return 0
	}
	for _, b := range extraData[:8] {
		term = term<<8 | uint64(b)
	}
	return term
}

// A BlockID names one block for good.
type BlockID struct {
	Number uint64
	Hash   common.Hash
}

func (id BlockID) String() string { return fmt.Sprintf("%d (%s)", id.Number, id.Hash) }

// A Tx is a transaction as it travels: the raw envelope of EIP-2718 (an RLP list
// for legacy transactions), with what is dear to compute kept beside it. Create
// one with NewTx. The raw bytes never change; the caches may be set and read
// concurrently.
type Tx struct {
	raw    []byte
	hash   common.Hash
	sender atomic.Pointer[common.Address]
	parsed atomic.Pointer[any]
}

// NewTx wraps raw, which from now on belongs to the Tx. It does not look into
// it beyond hashing: whoever executes decides what is valid.
func NewTx(raw []byte) *Tx { return &Tx{raw: raw, hash: Keccak256(raw)} }

// Raw is the envelope. Read only.
func (t *Tx) Raw() []byte { return t.raw }

// Hash is keccak256 of the envelope.
func (t *Tx) Hash() common.Hash { return t.hash }

// Type is the transaction's type (EIP-2718), 0 for a legacy one.
func (t *Tx) Type() uint8 {
	if len(t.raw) == 0 || t.raw[0] >= 0xc0 {
		return 0
	}
	return t.raw[0]
}

// Sender returns the recovered sender that SetSender stored, if any.
func (t *Tx) Sender() (common.Address, bool) {
	if p := t.sender.Load(); p != nil {
		return *p, true
	}
	return common.Address{}, false
}

// SetSender keeps a sender that the caller recovered from the signature.
func (t *Tx) SetSender(a common.Address) { t.sender.Store(&a) }

// Parsed returns the parsed form that SetParsed stored, or nil. Its type is the
// business of the executor that set it.
func (t *Tx) Parsed() any {
	if p := t.parsed.Load(); p != nil {
		return *p
	}
	return nil
}

// SetParsed keeps a parsed form, so that a transaction is decoded once on its
// way from admission to execution.
func (t *Tx) SetParsed(v any) { t.parsed.Store(&v) }

// A Withdrawal is a payment from the consensus layer (EIP-4895).
type Withdrawal struct {
	Index     uint64
	Validator uint64
	Address   common.Address
	Amount    uint64 // Gwei
}

// AppendBinary appends the RLP of the withdrawal.
func (w *Withdrawal) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, w.Index)
	dst = rlp.AppendUint64(dst, w.Validator)
	dst = rlp.AppendBytes(dst, w.Address[:])
	dst = rlp.AppendUint64(dst, w.Amount)
	return rlp.WrapList(dst, start), nil
}

func (w *Withdrawal) read(in *rlp.Reader) {
	r := in.List()
	w.Index = r.Uint64()
	w.Validator = r.Uint64()
	r.Fixed(w.Address[:])
	w.Amount = r.Uint64()
	in.Close(r)
}

// A Block is a header with its body. Withdrawals are nil before Shanghai and not
// nil from it on.
type Block struct {
	Header      *Header
	Txs         []*Tx
	Ommers      []*Header // before the Merge
	Withdrawals []Withdrawal
}

// AppendBinary appends the RLP of the block, as Ethereum's wire and archives
// have it.
func (b *Block) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, _ = b.Header.AppendBinary(dst)
	at := len(dst)
	for _, tx := range b.Txs {
		dst = AppendTx(dst, tx.raw)
	}
	dst = rlp.WrapList(dst, at)
	at = len(dst)
	for _, o := range b.Ommers {
		dst, _ = o.AppendBinary(dst)
	}
	dst = rlp.WrapList(dst, at)
	if b.Withdrawals != nil {
		at = len(dst)
		for i := range b.Withdrawals {
			dst, _ = b.Withdrawals[i].AppendBinary(dst)
		}
		dst = rlp.WrapList(dst, at)
	}
	return rlp.WrapList(dst, start), nil
}

// AppendTx appends an envelope as an item of a block's transaction list: a
// legacy transaction is a list there, a typed one a string (EIP-2718).
func AppendTx(dst, raw []byte) []byte {
	if len(raw) > 0 && raw[0] >= 0xc0 {
		return append(dst, raw...)
	}
	return rlp.AppendBytes(dst, raw)
}

// UnmarshalBinary reads the RLP of a block. It copies what it keeps; on an
// error, which matches ErrCorrupt, b is unchanged.
func (b *Block) UnmarshalBinary(src []byte) error {
	var (
		out Block
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Header = new(Header)
	out.Header.read(r)
	out.Txs = ReadTxs(r)
	ommers := r.List()
	for ommers.More() {
		o := new(Header)
		o.read(ommers)
		out.Ommers = append(out.Ommers, o)
	}
	r.Close(ommers)
	if r.More() {
		out.Withdrawals = readWithdrawals(r)
	}
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("block", err)
	}
	*b = out
	return nil
}

// txSizeMin is the size of the smallest envelope that can be a transaction: the
// list of nine empty items of a legacy one. What is smaller is refused as it is
// read, because a Tx takes many times the memory of so few bytes.
const txSizeMin = 10

// ReadTxs reads a list of transactions, as AppendTx writes its items, into Tx of
// their own memory. An item that is too short, or a string that does not begin
// with a transaction type (0 to 0x7f), makes the reader fail.
func ReadTxs(r *rlp.Reader) []*Tx {
	var out []*Tx
	list := r.List()
	for list.More() {
		raw, typed := []byte(nil), !list.NextIsList()
		if typed {
			raw = list.Bytes()
		} else {
			raw = list.Raw()
		}
		if len(raw) < txSizeMin || typed && raw[0] > 0x7f {
			list.Fail(rlp.ErrSize)
			break
		}
		out = append(out, NewTx(common.CopyBytes(raw)))
	}
	r.Close(list)
	return out
}

func readWithdrawals(r *rlp.Reader) []Withdrawal {
	out := []Withdrawal{}
	list := r.List()
	for list.More() {
		var w Withdrawal
		w.read(list)
		out = append(out, w)
	}
	r.Close(list)
	return out
}
