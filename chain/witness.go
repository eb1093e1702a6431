package chain

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// An AccessSet is everything outside the transactions and the block environment
// that sequential execution of a span by the specification reads or writes:
// accounts (sender, recipient, coinbase, absent ones, those touched in frames
// that reverted, system contracts, those whose access was paid before a
// failure), slots, codes and ancestors. It is defined by the meaning of the EVM,
// not by what an engine happened to touch: prefetches and aborted incarnations
// are not in it.
//
// Where the specification leaves a choice (is an account read before the gas for
// reading it is found to be missing?), go-ethereum's core/vm decides.
type AccessSet struct {
	Accounts  []AccountAccess // ascending by address
	Ancestors []uint64        // block numbers whose hash was read by BLOCKHASH, ascending
}

// An AccountAccess is what a span read or wrote at one address. That it is there
// says that the account itself was.
type AccountAccess struct {
	Address common.Address
	// Code: the code that the account had before the span was read (executed,
	// copied, measured or inspected), not only its hash. False for an account
	// without code.
	Code  bool
	Slots []common.Hash // ascending
}

// Normalize sorts, and merges entries of the same address.
func (s *AccessSet) Normalize() {
	slices.SortStableFunc(s.Accounts, func(a, b AccountAccess) int { return bytes.Compare(a.Address[:], b.Address[:]) })
	out := s.Accounts[:0]
	for _, a := range s.Accounts {
		if n := len(out); n > 0 && out[n-1].Address == a.Address {
			out[n-1].Code = out[n-1].Code || a.Code
			out[n-1].Slots = slices.Concat(out[n-1].Slots, a.Slots) // not in place: callers may cut all Slots from one array
			continue
		}
		out = append(out, a)
	}
	s.Accounts = out
	for i := range s.Accounts {
		a := &s.Accounts[i]
		slices.SortFunc(a.Slots, func(x, y common.Hash) int { return bytes.Compare(x[:], y[:]) })
		a.Slots = slices.Compact(a.Slots)
	}
	slices.Sort(s.Ancestors)
	s.Ancestors = slices.Compact(s.Ancestors)
}

// Diff names the first difference between s and t, both normalized, or returns
// the empty string.
func (s *AccessSet) Diff(t *AccessSet) string {
	for i := range max(len(s.Accounts), len(t.Accounts)) {
		switch {
		case i >= len(s.Accounts):
			return fmt.Sprintf("account %s only in the second", t.Accounts[i].Address)
		case i >= len(t.Accounts):
			return fmt.Sprintf("account %s only in the first", s.Accounts[i].Address)
		}
		a, b := &s.Accounts[i], &t.Accounts[i]
		switch {
		case bytes.Compare(a.Address[:], b.Address[:]) < 0:
			return fmt.Sprintf("account %s only in the first", a.Address)
		case a.Address != b.Address:
			return fmt.Sprintf("account %s only in the second", b.Address)
		case a.Code != b.Code:
			return fmt.Sprintf("account %s: code read %t and %t", a.Address, a.Code, b.Code)
		case !slices.Equal(a.Slots, b.Slots):
			return fmt.Sprintf("account %s: slots %v and %v", a.Address, a.Slots, b.Slots)
		}
	}
	if !slices.Equal(s.Ancestors, t.Ancestors) {
		return fmt.Sprintf("ancestors %v and %v", s.Ancestors, t.Ancestors)
	}
	return ""
}

// A Witness is what a verifier without state needs to execute one block and
// compute its root: the parent's header (for the root before), the headers
// between it and the oldest ancestor read, the codes, and the trie nodes, each
// under its own hash. Nothing less, and nothing more: verification refuses a
// witness with something it did not use.
//
// In canonical form Headers, at most as many as BLOCKHASH reaches back, run from
// the parent backwards; Codes and Nodes ascend by their bytes, without repetition.
type Witness struct {
	Headers [][]byte // RLP, Headers[0] the parent's
	Codes   [][]byte
	Nodes   [][]byte // RLP of trie nodes that are referenced by hash
}

// witnessHeadersMax bounds the headers of a Witness: BLOCKHASH reaches 256 blocks
// back.
const witnessHeadersMax = 256

// Normalize sorts Codes and Nodes and drops repetitions.
func (w *Witness) Normalize() {
	for _, list := range []*[][]byte{&w.Codes, &w.Nodes} {
		slices.SortFunc(*list, bytes.Compare)
		*list = slices.CompactFunc(*list, bytes.Equal)
	}
}

// AppendBinary appends RLP: [ [header...], [code...], [node...] ].
func (w *Witness) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	for _, list := range [][][]byte{w.Headers, w.Codes, w.Nodes} {
		at := len(dst)
		for _, item := range list {
			dst = rlp.AppendBytes(dst, item)
		}
		dst = rlp.WrapList(dst, at)
	}
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote; lists out of order are refused.
// It copies src once. On an error, which matches ErrCorrupt, w is unchanged.
func (w *Witness) UnmarshalBinary(src []byte) error {
	var (
		out   Witness
		in    = rlp.NewReader(bytes.Clone(src))
		r     = in.List()
		lists = []*[][]byte{&out.Headers, &out.Codes, &out.Nodes}
	)
	for i, dst := range lists {
		list := r.List()
		for list.More() {
			b := list.Bytes()
			switch n := len(*dst); {
			case i == 0 && n == witnessHeadersMax:
				list.Fail(rlp.ErrSize)
			case i > 0 && n > 0 && bytes.Compare((*dst)[n-1], b) >= 0:
				list.Fail(rlp.ErrNotCanonical)
			}
			*dst = append(*dst, b)
		}
		r.Close(list)
	}
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("witness", err)
	}
	*w = out
	return nil
}
