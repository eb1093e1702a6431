package chain

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// CheckResult compares what a header claims with what its block did: gas and blob
// gas used, receipts root, bloom, requests, state root. The roots are computed
// by the caller. A fork's field that is missing, or there too early, differs too.
// The error is a *MismatchError with the first field that differs.
func (h *Header) CheckResult(r *Result, receiptsRoot, stateRoot common.Hash) error {
	if err := mismatch(h.Number, "gasUsed", r.GasUsed, h.GasUsed); err != nil {
		return err
	}
	if h.BlobGasUsed == nil && r.BlobGasUsed > 0 {
		return &MismatchError{h.Number, "blobGasUsed", fmt.Sprint(r.BlobGasUsed), "none"}
	}
	if h.BlobGasUsed != nil {
		if err := mismatch(h.Number, "blobGasUsed", r.BlobGasUsed, *h.BlobGasUsed); err != nil {
			return err
		}
	}
	if err := mismatch(h.Number, "receiptsRoot", receiptsRoot, h.ReceiptsRoot); err != nil {
		return err
	}
	if !bytes.Equal(r.LogsBloom[:], h.LogsBloom[:]) {
		return &MismatchError{h.Number, "logsBloom", fmt.Sprintf("%x", r.LogsBloom), fmt.Sprintf("%x", h.LogsBloom)}
	}
	if (h.RequestsHash != nil) != (r.Requests != nil) {
		return &MismatchError{h.Number, "requestsHash", presence(r.Requests != nil), presence(h.RequestsHash != nil)}
	}
	if h.RequestsHash != nil {
		if err := mismatch(h.Number, "requestsHash", RequestsHash(r.Requests), *h.RequestsHash); err != nil {
			return err
		}
	}
	return mismatch(h.Number, "stateRoot", stateRoot, h.StateRoot)
}

func presence(is bool) string {
	if is {
		return "one"
	}
	return "none"
}

// CheckParent verifies that the header directly follows parent: number, hash,
// later timestamp.
func (h *Header) CheckParent(parent *Header) error {
	if err := mismatch(h.Number, "number", h.Number, parent.Number+1); err != nil {
		return err
	}
	if err := mismatch(h.Number, "parentHash", h.ParentHash, parent.Hash()); err != nil {
		return err
	}
	if h.Timestamp <= parent.Timestamp {
		return &MismatchError{h.Number, "timestamp", fmt.Sprint(h.Timestamp), fmt.Sprintf("more than %d", parent.Timestamp)}
	}
	return nil
}

// EIP-2935: the system contract that keeps ancestor hashes in storage, and how
// many.
var (
	HistoryStorageAddress  = common.HexToAddress("0x0000F90827F1C53a10cb7A02335B175320002935")
	HistoryStorageCodeHash = common.HexToHash("0x6e49e66782037c0555897870e29fa5e552daf4719552131a0abce779daec0a5d")
)

// HistoryServeWindow is the number of ancestor hashes that EIP-2935 keeps.
const HistoryServeWindow = 8191

// ParentHashChange derives the write of EIP-2935 that opens the block after
// parent: parent's hash into its slot of the history contract. prior is the state
// on which the write is put: the one before that block, to have it in front of the
// mini-blocks, as here,
//
//	Merge(ParentHashChange(parent, prior), mini-blocks...) == the block's Changes
//
// or the one after them, to stage it on top. Nothing else writes the slot, but the
// two differ where a transaction sent wei to the contract.
//
// It presumes the contract of the EIP; a Builder defers the write only if the
// code has HistoryStorageCodeHash, and says so by MiniBlock.ParentHashPending.
func ParentHashChange(parent *Header, prior StateView) (*Changes, error) {
	account, ok, err := prior.Account(HistoryStorageAddress)
	if err != nil {
		return nil, err
	}
	if !ok || account.CodeHash != HistoryStorageCodeHash {
		return nil, fmt.Errorf("%w: history contract of EIP-2935 is not deployed", ErrOutOfStep)
	}
	key := HistorySlot(parent.Number)
	before, err := prior.Slot(HistoryStorageAddress, key)
	if err != nil {
		return nil, err
	}
	var (
		hash  = parent.Hash()
		after uint256.Int
	)
	after.SetBytes32(hash[:])
	c := &Changes{Accounts: []AccountChange{{
		Address: HistoryStorageAddress,
		Before:  account, After: account, Existed: true, Exists: true,
		Slots: []SlotChange{{key, before, after}},
	}}}
	c.Normalize()
	return c, nil
}

// HistorySlot is the slot of the history contract that holds the hash of block
// number.
func HistorySlot(number uint64) common.Hash {
	v := uint256.NewInt(number % HistoryServeWindow)
	return v.Bytes32()
}

// BlockHashes answers BLOCKHASH from a chain of headers, newest first, of which
// it computes the hashes once. It is Ancestors, and counts what was asked: see
// Oldest. Headers that do not link are refused by NewBlockHashes.
type BlockHashes struct {
	newest uint64
	hashes []common.Hash
	oldest uint64
}

// NewBlockHashes checks that headers, RLP from the parent backwards, link to each
// other and that the first is the parent of child. It returns the parent too.
func NewBlockHashes(child *Header, headers [][]byte) (*BlockHashes, *Header, error) {
	if len(headers) == 0 {
		return nil, nil, &MissingError{"header", child.ParentHash}
	}
	if uint64(len(headers)) > child.Number {
		return nil, nil, corrupt("witness", fmt.Errorf("%d headers before block %d", len(headers), child.Number))
	}
	var (
		b      = &BlockHashes{newest: child.Number - 1, oldest: child.Number}
		want   = child.ParentHash
		number = child.Number
		parent *Header
	)
	for i, raw := range headers {
		h := new(Header)
		if err := h.UnmarshalBinary(raw); err != nil {
			return nil, nil, err
		}
		number--
		if got := Keccak256(raw); got != want || h.Number != number {
			return nil, nil, corrupt("witness", fmt.Errorf("header %d: got block %d with hash %s, want %d with %s", i, h.Number, got, number, want))
		}
		b.hashes = append(b.hashes, want)
		want = h.ParentHash
		if i == 0 {
			parent = h
		}
	}
	// The last header also vouches for its parent's hash.
	b.hashes = append(b.hashes, want)
	return b, parent, nil
}

// BlockHash implements Ancestors. It is for one goroutine.
func (b *BlockHashes) BlockHash(_ context.Context, number uint64) (common.Hash, error) {
	i := b.newest - number
	if number > b.newest || i >= uint64(len(b.hashes)) {
		return common.Hash{}, &MissingError{"header of block hash", common.BigToHash(uint256.NewInt(number).ToBig())}
	}
	b.oldest = min(b.oldest, number)
	return b.hashes[i], nil
}

// Oldest is the lowest block number whose hash was asked for; the child's own
// number when none was.
func (b *BlockHashes) Oldest() uint64 { return b.oldest }

// WitnessHeaders is the number of headers that a witness for child needs when
// oldest is the lowest block whose hash was read (child's own number for none):
// the parent, and every header whose parentHash, or place in the chain, gives
// one.
func WitnessHeaders(child, oldest uint64) int {
	if oldest+2 >= child {
		return 1
	}
	return int(child - oldest - 1)
}
