package statediff

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/chain"
)

// digest is a keccak256 cut to 8 bytes: it tells accidents apart, not attacks.
// Against those, links name the digest of whole frames and objects.
type digest [8]byte

func digestOf(parts ...[]byte) digest {
	h := chain.Keccak256(parts...)
	return digest(h[:8])
}

// model is what both ends of a stream carry from one diff to the next.
type model struct {
	sequence uint64 // diffs so far
	history  digest // over all of them
}

// next is the model after a diff with the given checksum.
func (m model) next(checksum digest) model {
	return model{m.sequence + 1, digestOf(m.history[:], checksum[:])}
}

type mark struct {
	name  chain.Mark
	model model
}

// A Codec is one end of a stream of diffs. It is used by one goroutine at a time,
// either for encoding or for decoding.
type Codec struct {
	config Config
	model  model

	marks    []mark // ascending by name
	lastMark chain.Mark

	// Working memory, kept from call to call.
	columns columns
	body    []byte
	stored  []byte
	before  []byte
	packer  *zstd.Encoder // made when first needed
	opener  *zstd.Decoder // made when first needed
}

var _ DiffEncoder = (*Codec)(nil)

// New returns a Codec at the beginning of a stream.
func New(config Config) *Codec {
	return &Codec{config: config.withDefaults()}
}

// Mark implements chain.DiffEncoder.
func (c *Codec) Mark() chain.Mark {
	if len(c.marks) == c.config.Marks {
		c.marks = slices.Delete(c.marks, 0, 1)
	}
	c.lastMark++
	c.marks = append(c.marks, mark{c.lastMark, c.model})
	return c.lastMark
}

// Rollback implements chain.DiffEncoder. The mark itself stays known.
func (c *Codec) Rollback(m chain.Mark) error {
	i, ok := slices.BinarySearchFunc(c.marks, m, func(have mark, want chain.Mark) int {
		return cmp.Compare(have.name, want)
	})
	if !ok {
		return fmt.Errorf("%w: mark %d of the diff stream", chain.ErrNotFound, m)
	}
	c.model = c.marks[i].model
	c.marks = c.marks[:i+1]
	return nil
}

// modelSize is the length of an encoded model in bytes.
const modelSize = 16

// AppendModel appends the model, 16 bytes: what a snapshot or a log keeps, so
// that another Codec can go on from here.
func (c *Codec) AppendModel(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.model.sequence)
	return append(dst, c.model.history[:]...)
}

// SetModel puts the Codec where the one was that AppendModel was called on. All
// marks are forgotten. The error matches ErrCorrupt when src is not a model; then
// nothing changes.
func (c *Codec) SetModel(src []byte) error {
	if len(src) != modelSize {
		return corrupt("diff model", 0, fmt.Errorf("%d bytes, want %d", len(src), modelSize))
	}
	c.model = model{binary.BigEndian.Uint64(src), digest(src[8:])}
	c.marks = nil
	return nil
}

// keepMax is how much working memory, in bytes, each buffer may keep between
// calls: a rare huge diff shall not be paid for ever.
const keepMax = 4 << 20

func (c *Codec) trim() {
	for _, b := range []*[]byte{&c.body, &c.stored, &c.before} {
		if cap(*b) > keepMax {
			*b = nil
		}
	}
	for i := range c.columns {
		if cap(c.columns[i]) > keepMax {
			c.columns[i] = nil
		}
	}
}

func corrupt(what string, offset int, err error) error {
	return &chain.CorruptError{What: what, Offset: int64(offset), Err: err}
}
