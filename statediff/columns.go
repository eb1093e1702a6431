package statediff

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
)

// The body of a diff is a table in columns: like things stand side by side, which
// is what a compressor wants.
const (
	colFlags       = iota // of each account, one byte
	colAddresses          // 20 bytes each, ascending
	colNonces             // deltas, zigzag
	colBalances           // forms of the balances that change
	colBalanceMag         // their magnitudes
	colCodeRefs           // 0 none, else 1 + index in the codes
	colSlotCounts         // of the accounts that have slots
	colKeys               // lengths of the gaps between slot keys
	colKeyMag             // the gaps
	colValues             // forms of the slot values
	colValueMag           // their magnitudes
	colCodeLengths        // bytes, ascending by the codes' hash
	colCodes              // the codes
	columnCount
)

var columnNames = [columnCount]string{"flags", "addresses", "nonces", "balances", "balance magnitudes",
	"code references", "slot counts", "keys", "key magnitudes", "values", "value magnitudes", "code lengths", "codes"}

type columns [columnCount][]byte

// Flags of an account. Whether it existed before is not among them: that is for
// the prior state to say.
const (
	accountExists  = 1 << iota // after
	accountCleared             // storage and fields begin from nothing
	accountNonce               // the nonce changes
	accountBalance             // the balance changes
	accountCode                // the code changes
	accountSlots               // slots change
)

// base is what the fields of an account are compared with: what it was before, or
// an account with nothing where there was none. Of one that was destroyed in the
// span only the code remains, for it often comes back with the account.
func base(a *chain.AccountChange) chain.Account {
	switch {
	case !a.Existed:
		return chain.Account{CodeHash: chain.EmptyCodeHash}
	case a.Cleared:
		return chain.Account{CodeHash: a.Before.CodeHash}
	}
	return a.Before
}

// fresh: storage that the span has not written is empty.
func fresh(a *chain.AccountChange) bool { return a.Cleared || !a.Existed }

// fill makes the columns of canonical Changes, in the memory of t.
func (t *columns) fill(c *chain.Changes) {
	for i := range t {
		t[i] = t[i][:0]
	}
	for i := range c.Accounts {
		t.account(&c.Accounts[i], c.Codes)
	}
	for _, code := range c.Codes {
		t[colCodeLengths] = binary.AppendUvarint(t[colCodeLengths], uint64(len(code.Bytes)))
		t[colCodes] = append(t[colCodes], code.Bytes...)
	}
}

func (t *columns) account(a *chain.AccountChange, codes []chain.Code) {
	var flags byte
	if a.Cleared {
		flags |= accountCleared
	}
	if a.Exists {
		flags |= accountExists | t.fields(a, codes)
	}
	if len(a.Slots) > 0 {
		flags |= accountSlots
		t.slots(a)
	}
	t[colFlags] = append(t[colFlags], flags)
	t[colAddresses] = append(t[colAddresses], a.Address[:]...)
}

// fields adds what differs from the base and returns its flags.
func (t *columns) fields(a *chain.AccountChange, codes []chain.Code) (flags byte) {
	from := base(a)
	if a.After.Nonce != from.Nonce {
		flags |= accountNonce
		t[colNonces] = binary.AppendVarint(t[colNonces], int64(a.After.Nonce-from.Nonce))
	}
	if a.After.Balance != from.Balance {
		flags |= accountBalance
		t[colBalances], t[colBalanceMag] = appendValue(t[colBalances], t[colBalanceMag], &from.Balance, &a.After.Balance)
	}
	if a.After.CodeHash != from.CodeHash {
		flags |= accountCode
		t[colCodeRefs] = binary.AppendUvarint(t[colCodeRefs], codeRef(codes, a.After.CodeHash))
	}
	return flags
}

func (t *columns) slots(a *chain.AccountChange) {
	t[colSlotCounts] = binary.AppendUvarint(t[colSlotCounts], uint64(len(a.Slots)))
	var next uint256.Int // the lowest key that can follow
	for i := range a.Slots {
		s := &a.Slots[i]
		var key, gap uint256.Int
		key.SetBytes32(s.Key[:])
		gap.Sub(&key, &next)
		t[colKeys] = append(t[colKeys], byte(gap.ByteLen()))
		t[colKeyMag] = appendMagnitude(t[colKeyMag], &gap)
		next.AddUint64(&key, 1)
		t[colValues], t[colValueMag] = appendValue(t[colValues], t[colValueMag], &s.Before, &s.After)
	}
}

// codeRef names the code that an account has after: one of the codes that travel
// with the diff, or none.
func codeRef(codes []chain.Code, hash common.Hash) uint64 {
	if hash == chain.EmptyCodeHash {
		return 0
	}
	for lo, hi := 0, len(codes); lo < hi; {
		switch mid := (lo + hi) / 2; codes[mid].Hash.Cmp(hash) {
		case 0:
			return uint64(mid) + 1
		case -1:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	panic(fmt.Sprintf("statediff: canonical changes without code %s", hash))
}

// appendBefore appends what the prior state says about an account and its slots.
// It is never sent: both ends digest it, so that a diff is not decoded against
// another state.
func appendBefore(dst []byte, a *chain.AccountChange) []byte {
	const absent, plain, withCode = 0, 1, 2
	switch {
	case !a.Existed:
		return append(dst, absent)
	case a.Before.CodeHash == chain.EmptyCodeHash:
		dst = append(dst, plain)
	default:
		dst = append(dst, withCode)
		dst = append(dst, a.Before.CodeHash[:]...)
	}
	dst = binary.AppendUvarint(dst, a.Before.Nonce)
	dst = appendSized(dst, &a.Before.Balance)
	if a.Cleared {
		return dst
	}
	for i := range a.Slots {
		dst = appendSized(dst, &a.Slots[i].Before)
	}
	return dst
}

func appendSized(dst []byte, v *uint256.Int) []byte {
	return appendMagnitude(append(dst, byte(v.ByteLen())), v)
}

// appendBody appends the columns, each after its length.
func (t *columns) appendBody(dst []byte) []byte {
	for _, col := range t {
		dst = binary.AppendUvarint(dst, uint64(len(col)))
	}
	for _, col := range t {
		dst = append(dst, col...)
	}
	return dst
}

// split finds the columns in body, views of it, and checks that they can hold
// what the header counts, before memory is taken for it.
func split(body []byte, h *header) (t columns, err error) {
	var (
		in      = reader{rest: body}
		lengths [columnCount]int
	)
	for i := range lengths {
		lengths[i] = in.count()
	}
	for i := range t {
		t[i] = in.bytes(lengths[i])
	}
	if err := in.end(); err != nil {
		return t, corrupt("diff body", len(body)-len(in.rest), err)
	}
	for _, c := range []struct{ column, want int }{
		{colFlags, h.accounts},
		{colAddresses, h.accounts * common.AddressLength},
		{colKeys, h.slots},
		{colValues, h.slots},
	} {
		if len(t[c.column]) != c.want {
			return t, corrupt("diff body", -1, fmt.Errorf("column %s has %d bytes, want %d", columnNames[c.column], len(t[c.column]), c.want))
		}
	}
	if h.codes > len(t[colCodeLengths]) {
		return t, corrupt("diff body", -1, fmt.Errorf("%d codes in a column of %d bytes", h.codes, len(t[colCodeLengths])))
	}
	return t, nil
}
