package realtime

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// A Quantity is a number that clients write either way: 2000 or "0x7d0". One that
// is above 2^64-1 is 2^64-1.
type Quantity uint64

// UnmarshalJSON implements json.Unmarshaler.
func (q *Quantity) UnmarshalJSON(text []byte) error {
	digits, base := string(text), 10
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		hexed, ok := bytes.CutPrefix(text[1:n-1], []byte("0x"))
		if !ok {
			return errors.New("hex string without 0x prefix")
		}
		digits, base = string(hexed), 16
	}
	v, err := strconv.ParseUint(digits, base, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("neither a whole number from 0 on, nor one in hex")
	}
	*q = Quantity(v) // the most there is, when out of range
	return nil
}

// Resume is the last argument of a subscription that continues an earlier one:
// {"from": "0x…"}, the sequence of the first mini-block wanted.
type Resume struct {
	From history.Seq
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Resume) UnmarshalJSON(text []byte) error {
	var in struct {
		From *Quantity `json:"from"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if in.From == nil {
		return errors.New(`no "from"`)
	}
	r.From = history.Seq(*in.From)
	return nil
}

// Addresses are the accounts of a stateChanges subscription; none for all. At most
// wire.LogAddressesMax.
type Addresses map[common.Address]struct{}

// UnmarshalJSON implements json.Unmarshaler. It counts before it decodes.
func (a *Addresses) UnmarshalJSON(text []byte) error {
	if bytes.Count(text, []byte{','}) >= wire.LogAddressesMax {
		return &wire.LimitError{What: fmt.Sprintf("addresses: %d", wire.LogAddressesMax)}
	}
	var list []common.Address
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*a = make(Addresses) // as large as what differs: see bytes
	for _, addr := range list {
		(*a)[addr] = struct{}{}
	}
	return nil
}

func (a Addresses) match(addr common.Address) bool {
	if len(a) == 0 {
		return true
	}
	_, ok := a[addr]
	return ok
}

// bytes is about how much memory they take: a map has an entry's bytes, one to find
// it by, and at worst half of it empty.
func (a Addresses) bytes() int { return len(a) * 2 * (common.AddressLength + 1) }

// A cursor is where the answer of eth_getLogsWithCursor ends: DATA of 12 bytes, the
// block's number and the log's index in it, big-endian.
const cursorDigits = 2 * (8 + 4)

func appendCursor(dst []byte, p history.LogPosition) []byte {
	return fmt.Appendf(dst, "0x%016x%08x", p.Block, p.Index)
}

func parseCursor(s string) (p history.LogPosition, err error) {
	var b [cursorDigits / 2]byte
	if len(s) != 2+cursorDigits || s[:2] != "0x" {
		return p, errors.New("cursor has not the form of one")
	}
	if _, err := hex.Decode(b[:], []byte(s[2:])); err != nil {
		return p, fmt.Errorf("cursor: %w", err)
	}
	for _, c := range b[:8] {
		p.Block = p.Block<<8 | uint64(c)
	}
	for _, c := range b[8:] {
		p.Index = p.Index<<8 | uint32(c)
	}
	return p, nil
}

// A CursorFilter is the argument of eth_getLogsWithCursor: that of eth_getLogs, and
// where to continue.
type CursorFilter struct {
	wire.LogFilter
	Cursor *history.LogPosition // nil at the beginning
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *CursorFilter) UnmarshalJSON(text []byte) error {
	var in struct {
		Cursor *string `json:"cursor"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*f = CursorFilter{}
	if err := f.LogFilter.UnmarshalJSON(text); err != nil {
		return err
	}
	if in.Cursor == nil || *in.Cursor == "" {
		return nil
	}
	p, err := parseCursor(*in.Cursor)
	if err != nil {
		return err
	}
	f.Cursor = &p
	return nil
}
