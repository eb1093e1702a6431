package history

import (
	"github.com/ethereum/go-ethereum/common"
	"go.etcd.io/bbolt"
)

// loadHead reads a head, which is there.
func (d *disk) loadHead(tx *bbolt.Tx, number uint64) (*head, error) {
	value, err := get(tx, bucketHeads, blockKey(number))
	if err != nil {
		return nil, err
	}
	return d.codec.decodeHead(number, value)
}

// head reads the head of a block that is not in memory.
func (d *disk) head(number uint64) (h *head, err error) {
	err = d.view(func(tx *bbolt.Tx, st *state) error {
		if !keeps(st.heads, number) {
			return notKept(number)
		}
		h, err = d.loadHead(tx, number)
		return err
	})
	return h, err
}

// block reads a block that is not in memory.
func (d *disk) block(number uint64) (*Block, error) {
	r := &record{number: number}
	err := d.view(func(tx *bbolt.Tx, st *state) error {
		if !keeps(st.spans, number) {
			return notKept(number)
		}
		return d.load(tx, r)
	})
	if err != nil {
		return nil, err
	}
	b, err := d.codec.decode(r) // which takes long
	return b, d.tell(err)
}

// load copies the record from the file.
func (d *disk) load(tx *bbolt.Tx, r *record) error {
	value, err := get(tx, bucketHeads, blockKey(r.number))
	if err != nil {
		return err
	}
	r.head = common.CopyBytes(value)
	h, err := d.codec.decodeHead(r.number, value)
	if err != nil {
		return err
	}
	for i := range h.chunks {
		packed, err := get(tx, bucketChunks, chunkKey(r.number, i))
		if err != nil {
			return err
		}
		r.chunks = append(r.chunks, common.CopyBytes(packed))
	}
	return nil
}

// packed copies a chunk from the file.
func (d *disk) packed(number uint64, i int) (out []byte, err error) {
	err = d.view(func(tx *bbolt.Tx, st *state) error {
		if !keeps(st.spans, number) {
			return notKept(number)
		}
		value, err := get(tx, bucketChunks, chunkKey(number, i))
		out = append(out, value...)
		return err
	})
	return out, err
}
