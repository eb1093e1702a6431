package statediff

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
)

// Decode implements chain.DiffEncoder. Beside the contract's errors it returns
// those of prior, wrapped.
//
//  1. Sizes, checksum, place in the stream: nothing is allocated yet.
//  2. The keys are read, and for each of them prior: had it other values than
//     the encoder's, the diff is out of step.
//  3. The values after are computed.
//  4. Canonical form: the Changes are valid and their columns, made again, are
//     those that were read. One rule stands for many: no second way to write a
//     number, a no-op, a code nobody uses.
func (c *Codec) Decode(dst *chain.Changes, src []byte, prior chain.StateView) error {
	if err := c.checkEncoded(len(src)); err != nil {
		return err
	}
	h, stored, sum, err := readHeader(src)
	if err != nil {
		return err
	}
	if err := c.checkStep(&h); err != nil {
		return err
	}
	if err := c.checkWeight(&h); err != nil {
		return err
	}
	defer c.trim()
	body, err := c.unpack(&h, stored)
	if err != nil {
		return err
	}
	table, err := split(body, &h)
	if err != nil {
		return err
	}
	changes, err := c.rebuild(&h, &table, prior)
	if err != nil {
		return err
	}
	if err := c.checkCanonical(&table, changes); err != nil {
		return err
	}
	*dst = *changes
	if !c.config.Stateless {
		c.model = c.model.next(sum)
	}
	return nil
}

func (c *Codec) checkStep(h *header) error {
	switch {
	case h.stateless() != c.config.Stateless:
		return fmt.Errorf("%w: diff is stateless: %t, codec: %t", chain.ErrOutOfStep, h.stateless(), c.config.Stateless)
	case h.stateless():
		return nil
	case h.position.sequence != c.model.sequence:
		return fmt.Errorf("%w: diff is number %d of its stream, want %d", chain.ErrOutOfStep, h.position.sequence, c.model.sequence)
	case h.position.history != c.model.history:
		return fmt.Errorf("%w: diff %d follows %x, want %x", chain.ErrOutOfStep, h.position.sequence, h.position.history, c.model.history)
	}
	return nil
}

// unpack returns the body, h.body bytes: stored itself or c's working memory.
func (c *Codec) unpack(h *header, stored []byte) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, corrupt("diff body", -1, err) }
	if h.flags&flagZstd == 0 {
		if h.body != h.stored {
			return fail(fmt.Errorf("%d bytes stored for %d", h.stored, h.body))
		}
		return stored, nil
	}
	var frame zstd.Header
	if err := frame.Decode(stored); err != nil {
		return fail(err)
	}
	if frame.Skippable || !frame.HasFCS || frame.FrameContentSize != uint64(h.body) || h.stored >= h.body {
		return fail(fmt.Errorf("zstd frame of %d bytes states %d, want %d", h.stored, frame.FrameContentSize, h.body))
	}
	if c.opener == nil {
		// The destination's capacity is the limit, and it is at most
		// MaxDecoded.
		opener, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic("statediff: " + err.Error()) // our options
		}
		c.opener = opener
	}
	if cap(c.body) < h.body {
		c.body = make([]byte, 0, h.body)
	}
	body, err := c.opener.DecodeAll(stored, c.body[:0:h.body])
	if err != nil {
		return fail(err)
	}
	if len(body) != h.body {
		return fail(fmt.Errorf("%d bytes, want %d", len(body), h.body))
	}
	return body, nil
}

// rebuild makes the Changes in memory of their own.
func (c *Codec) rebuild(h *header, table *columns, prior chain.StateView) (*chain.Changes, error) {
	var in [columnCount]reader
	for i := range in {
		in[i].rest = table[i]
	}
	out := new(chain.Changes)
	readCodes(&in, h, out)
	if err := readKeys(&in, h, out, prior); err != nil {
		return nil, err
	}
	if err := columnError(&in, colFlags, colAddresses, colSlotCounts, colKeys, colKeyMag, colCodeLengths, colCodes); err != nil {
		return nil, err
	}
	if got := c.digestBefore(out); got != h.before {
		return nil, fmt.Errorf("%w: prior state digests to %x, the diff was made against %x", chain.ErrOutOfStep, got, h.before)
	}
	for i := range out.Accounts {
		readAfter(&in, table[colFlags][i], &out.Accounts[i], out.Codes)
	}
	if err := columnError(&in, colNonces, colBalances, colBalanceMag, colCodeRefs, colValues, colValueMag); err != nil {
		return nil, err
	}
	return out, nil
}

// columnError ends the given columns and reports what was not right. Whoever saw
// an error stopped reading: bytes left over are the lesser news.
func columnError(in *[columnCount]reader, which ...int) error {
	for _, check := range []func(*reader) error{(*reader).failure, (*reader).end} {
		for _, i := range which {
			if err := check(&in[i]); err != nil {
				return corrupt("diff body", -1, fmt.Errorf("column %s: %w", columnNames[i], err))
			}
		}
	}
	return nil
}

// readCodes copies the codes and hashes them. A code's hash is never sent.
func readCodes(in *[columnCount]reader, h *header, out *chain.Changes) {
	if h.codes == 0 {
		return
	}
	out.Codes = make([]chain.Code, h.codes)
	all := slices.Clone(in[colCodes].rest)
	in[colCodes].rest = all
	for i := range out.Codes {
		b := in[colCodes].bytes(in[colCodeLengths].count())
		if in[colCodes].err != nil {
			return
		}
		out.Codes[i] = chain.Code{Hash: chain.Keccak256(b), Bytes: b}
	}
}

// readKeys reads addresses and slot keys, and what prior has under them.
func readKeys(in *[columnCount]reader, h *header, out *chain.Changes, prior chain.StateView) error {
	if h.accounts == 0 {
		return nil
	}
	out.Accounts = make([]chain.AccountChange, h.accounts)
	slots := make([]chain.SlotChange, h.slots)
	for i := range out.Accounts {
		a := &out.Accounts[i]
		copy(a.Address[:], in[colAddresses].bytes(len(a.Address)))
		if i > 0 && out.Accounts[i-1].Address.Cmp(a.Address) >= 0 {
			return corrupt("diff body", -1, fmt.Errorf("account %s out of order", a.Address))
		}
		var err error
		if a.Before, a.Existed, err = prior.Account(a.Address); err != nil {
			return fmt.Errorf("prior state of the diff: account %s: %w", a.Address, err)
		}
		flags := in[colFlags].byte()
		a.Exists, a.Cleared = flags&accountExists != 0, flags&accountCleared != 0
		if flags&accountSlots == 0 {
			continue
		}
		n := in[colSlotCounts].count()
		if n > len(slots) {
			in[colSlotCounts].fail(fmt.Errorf("%d slots, %d left", n, len(slots)))
			return nil
		}
		a.Slots, slots = slots[:n:n], slots[n:]
		if err := readSlotKeys(in, a, prior); err != nil {
			return err
		}
	}
	return nil
}

func readSlotKeys(in *[columnCount]reader, a *chain.AccountChange, prior chain.StateView) error {
	var next uint256.Int // the lowest key that can follow
	for i := range a.Slots {
		s := &a.Slots[i]
		gap := readMagnitude(&in[colKeyMag], int(in[colKeys].byte()))
		key, overflow := next.AddOverflow(&next, &gap)
		if overflow {
			in[colKeyMag].fail(errOverflow)
		}
		if in[colKeyMag].err != nil || in[colKeys].err != nil {
			return nil
		}
		s.Key = key.Bytes32()
		next.AddUint64(key, 1)
		if fresh(a) {
			continue
		}
		var err error
		if s.Before, err = prior.Slot(a.Address, s.Key); err != nil {
			return fmt.Errorf("prior state of the diff: slot %s of %s: %w", s.Key, a.Address, err)
		}
	}
	return nil
}

// readAfter computes what the account and its slots are after.
func readAfter(in *[columnCount]reader, flags byte, a *chain.AccountChange, codes []chain.Code) {
	if a.Exists {
		a.After = base(a)
		if flags&accountNonce != 0 {
			a.After.Nonce += uint64(in[colNonces].varint())
		}
		if flags&accountBalance != 0 {
			a.After.Balance = readValue(&in[colBalances], &in[colBalanceMag], &a.After.Balance)
		}
		if flags&accountCode != 0 {
			readCodeRef(&in[colCodeRefs], a, codes)
		}
	}
	for i := range a.Slots {
		s := &a.Slots[i]
		s.After = readValue(&in[colValues], &in[colValueMag], &s.Before)
	}
}

func readCodeRef(r *reader, a *chain.AccountChange, codes []chain.Code) {
	switch ref := r.uvarint(); {
	case ref == 0:
		a.After.CodeHash = chain.EmptyCodeHash
	case ref > uint64(len(codes)):
		r.fail(fmt.Errorf("code %d of %d", ref, len(codes)))
	default:
		a.After.CodeHash = codes[ref-1].Hash
	}
}

// checkCanonical is step 4 of Decode.
func (c *Codec) checkCanonical(table *columns, changes *chain.Changes) error {
	if err := changes.Validate(); err != nil {
		return err
	}
	c.columns.fill(changes)
	for i := range table {
		if !bytes.Equal(table[i], c.columns[i]) {
			return corrupt("diff body", -1, fmt.Errorf("column %s is not canonical", columnNames[i]))
		}
	}
	return nil
}
