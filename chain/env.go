package chain

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// Env is the environment of a block: all that transactions can ask about it.
// It is fixed when the block opens and never changes after.
type Env struct {
	Number     uint64
	Timestamp  uint64 // seconds
	GasLimit   uint64
	Coinbase   common.Address
	Difficulty uint256.Int  // zero after the Merge
	PrevRandao common.Hash  // from the Merge on
	BaseFee    *uint256.Int // London, wei; nil before
	ExtraData  []byte       // the sequencer's term and what Config adds

	ExcessBlobGas         *uint64      // Cancun; nil before
	ParentBeaconBlockRoot *common.Hash // Cancun; nil before
	Withdrawals           []Withdrawal // Shanghai; nil before
	Ommers                []*Header    // before the Merge, for the rewards
}

// Env returns the environment that the block's header and body state.
func (b *Block) Env() *Env {
	h := b.Header
	return &Env{
		Number: h.Number, Timestamp: h.Timestamp, GasLimit: h.GasLimit, Coinbase: h.Coinbase,
		Difficulty: h.Difficulty, PrevRandao: h.PrevRandao, BaseFee: h.BaseFee, ExtraData: h.ExtraData,
		ExcessBlobGas: h.ExcessBlobGas, ParentBeaconBlockRoot: h.ParentBeaconBlockRoot,
		Withdrawals: b.Withdrawals, Ommers: b.Ommers,
	}
}

// Term is the term of the sequencer that opened the block; see Header.Term.
func (e *Env) Term() uint64 { return termOf(e.ExtraData) }

// AppendBinary appends the RLP of the environment: the header fields it has in
// common with a Header, in the header's order, then the lists.
func (e *Env) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, e.Number)
	dst = rlp.AppendUint64(dst, e.Timestamp)
	dst = rlp.AppendUint64(dst, e.GasLimit)
	dst = rlp.AppendBytes(dst, e.Coinbase[:])
	dst = rlp.AppendUint256(dst, &e.Difficulty)
	dst = rlp.AppendBytes(dst, e.PrevRandao[:])
	dst = rlp.AppendBytes(dst, e.ExtraData)
	dst = appendOptional(dst, e.BaseFee != nil, func(dst []byte) []byte { return rlp.AppendUint256(dst, e.BaseFee) })
	dst = appendOptional(dst, e.ExcessBlobGas != nil, func(dst []byte) []byte { return rlp.AppendUint64(dst, *e.ExcessBlobGas) })
	dst = appendOptional(dst, e.ParentBeaconBlockRoot != nil, func(dst []byte) []byte { return rlp.AppendBytes(dst, e.ParentBeaconBlockRoot[:]) })
	dst = appendOptional(dst, e.Withdrawals != nil, func(dst []byte) []byte {
		at := len(dst)
		for i := range e.Withdrawals {
			dst, _ = e.Withdrawals[i].AppendBinary(dst)
		}
		return rlp.WrapList(dst, at)
	})
	at := len(dst)
	for _, o := range e.Ommers {
		dst, _ = o.AppendBinary(dst)
	}
	dst = rlp.WrapList(dst, at)
	return rlp.WrapList(dst, start), nil
}

// appendOptional appends a list of one item, or of none.
func appendOptional(dst []byte, set bool, item func([]byte) []byte) []byte {
	at := len(dst)
	if set {
		dst = item(dst)
	}
	return rlp.WrapList(dst, at)
}

func readOptional(r *rlp.Reader, item func(*rlp.Reader)) {
	list := r.List()
	if list.More() {
		item(list)
	}
	r.Close(list)
}

// UnmarshalBinary reads what AppendBinary wrote. It copies what it keeps; on an
// error, which matches ErrCorrupt, e is unchanged.
func (e *Env) UnmarshalBinary(src []byte) error {
	var (
		out Env
		r   = rlp.NewReader(src)
	)
	out.read(r)
	if err := r.End(); err != nil {
		return corrupt("block environment", err)
	}
	*e = out
	return nil
}

func (e *Env) read(in *rlp.Reader) {
	r := in.List()
	e.Number = r.Uint64()
	e.Timestamp = r.Uint64()
	e.GasLimit = r.Uint64()
	r.Fixed(e.Coinbase[:])
	e.Difficulty = r.Uint256()
	r.Fixed(e.PrevRandao[:])
	e.ExtraData = common.CopyBytes(r.Bytes())
	readOptional(r, func(r *rlp.Reader) { v := r.Uint256(); e.BaseFee = &v })
	readOptional(r, func(r *rlp.Reader) { v := r.Uint64(); e.ExcessBlobGas = &v })
	readOptional(r, func(r *rlp.Reader) { e.ParentBeaconBlockRoot = readHash(r) })
	readOptional(r, func(r *rlp.Reader) { e.Withdrawals = readWithdrawals(r) })
	ommers := r.List()
	for ommers.More() {
		o := new(Header)
		o.read(ommers)
		e.Ommers = append(e.Ommers, o)
	}
	r.Close(ommers)
	in.Close(r)
}

// Ancestors knows the hashes of the blocks before the one that executes, for
// BLOCKHASH and EIP-2935.
//
// The hash of the direct parent may be a future: while the root of block N is
// still being computed, block N+1 is open and its Ancestors block in
// BlockHash(ctx, N) until the hash exists or ctx ends. Only who needs that hash
// waits. An error that matches ErrUnknown says that the hash is not to be had
// here (a witness that does not hold the header); it aborts execution and is
// never read as zero.
type Ancestors interface {
	// BlockHash may be called concurrently. The caller has checked that number
	// is one of the 256 before the block, or the parent.
	BlockHash(ctx context.Context, number uint64) (common.Hash, error)
}

// AncestorsFunc makes a function Ancestors.
type AncestorsFunc func(ctx context.Context, number uint64) (common.Hash, error)

// BlockHash calls f.
func (f AncestorsFunc) BlockHash(ctx context.Context, number uint64) (common.Hash, error) {
	return f(ctx, number)
}
