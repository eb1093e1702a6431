package statediff

import (
	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
)

// AppendEncode implements chain.DiffEncoder. The values before are those that
// Changes carry: prior and h are not read and may be nil. Changes that are not
// canonical are ErrCorrupt, those beyond the Config's limits ErrTooLarge; then
// dst and the model are what they were.
func (c *Codec) AppendEncode(dst []byte, changes *chain.Changes, prior chain.StateView, h *chain.Hints) ([]byte, error) {
	if err := changes.Validate(); err != nil {
		return dst, err
	}
	defer c.trim()
	c.columns.fill(changes)
	c.body = c.columns.appendBody(c.body[:0])
	head := c.describe(changes)
	if err := c.checkWeight(&head); err != nil { // before the work of packing
		return dst, err
	}
	start := len(dst)
	dst = c.seal(dst, &head)
	if err := c.checkEncoded(len(dst) - start); err != nil {
		return dst[:start], err
	}
	if !c.config.Stateless {
		c.model = c.model.next(digest(dst[len(dst)-checksumSize:]))
	}
	return dst, nil
}

// describe is the header of changes, whose body is c.body.
func (c *Codec) describe(changes *chain.Changes) header {
	h := header{accounts: len(changes.Accounts), codes: len(changes.Codes), body: len(c.body), stored: len(c.body)}
	h.slots = changes.Len() - h.accounts
	if c.config.Stateless {
		h.flags |= flagStateless
	} else {
		h.position = c.model
	}
	h.before = c.digestBefore(changes)
	return h
}

func (c *Codec) digestBefore(changes *chain.Changes) digest {
	c.before = c.before[:0]
	for i := range changes.Accounts {
		c.before = appendBefore(c.before, &changes.Accounts[i])
	}
	return digestOf(c.before)
}

// seal appends header, body and checksum. The body is packed if that is shorter.
func (c *Codec) seal(dst []byte, h *header) []byte {
	stored := c.body
	if packed := c.pack(c.body); len(packed) < len(c.body) {
		h.flags |= flagZstd
		stored = packed
	}
	h.stored = len(stored)
	start := len(dst)
	dst = h.append(dst)
	dst = append(dst, stored...)
	sum := digestOf(dst[start:])
	return append(dst, sum[:]...)
}

func (c *Codec) pack(body []byte) []byte {
	if c.packer == nil {
		// One goroutine, no checksum beside ours, and the body's size always
		// in the frame's header. The window is smaller than the default's:
		// bodies are small, and the tables are per Codec.
		packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithSingleSegment(true), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("statediff: " + err.Error()) // our options
		}
		c.packer = packer
	}
	c.stored = c.packer.EncodeAll(body, c.stored[:0])
	return c.stored
}
