package history

import (
	"crypto/sha256"

	"github.com/ethereum/go-ethereum/common"
	"go.etcd.io/bbolt"
)

func txPostings(blocks []*Block) (out []posting) {
	for _, b := range blocks {
		for i, tx := range b.Txs {
			hash := tx.Hash()
			out = append(out, posting{keyOf(hash[:]), b.Number(), uint32(i)})
		}
	}
	return out
}

func hashPostings(blocks []*Block) (out []posting) {
	for _, b := range blocks {
		out = append(out, posting{keyOf(b.Hash[:]), b.Number(), 0})
	}
	return out
}

// logPostings has each log under its address, and under each topic with its position.
func logPostings(seed [16]byte, blocks []*Block) (out []posting) {
	for _, b := range blocks {
		for _, r := range b.Receipts {
			for i := range r.Logs {
				l, at := &r.Logs[i], r.FirstLogIndex+uint32(i)
				out = append(out, posting{addressKey(seed, l.Address), b.Number(), at})
				for position, topic := range l.Topics {
					out = append(out, posting{topicKey(seed, position, topic), b.Number(), at})
				}
			}
		}
	}
	return out
}

// Addresses and topics are as their makers want them, so their keys are hashes, and
// with a secret of the store: else one could make a million logs that a search for
// something else looks at in vain.
func addressKey(seed [16]byte, addr common.Address) uint64 {
	var src [16 + 1 + common.AddressLength]byte
	copy(src[:], seed[:])
	src[16] = 'a'
	copy(src[17:], addr[:])
	sum := sha256.Sum256(src[:])
	return keyOf(sum[:])
}

func topicKey(seed [16]byte, position int, topic common.Hash) uint64 {
	var src [16 + 1 + common.HashLength]byte
	copy(src[:], seed[:])
	src[16] = '0' + byte(position)
	copy(src[17:], topic[:])
	sum := sha256.Sum256(src[:])
	return keyOf(sum[:])
}

// lookup collects the places that an index has for a key, newest runs first.
func (r *runs) lookup(b *pages, key uint64) (places []LogPosition, err error) {
	for i := len(r.live) - 1; i >= 0; i-- {
		c := runCursor{pages: b, run: r.live[i].id}
		for err = c.seek(posting{key: key}); err == nil && !c.end && c.at.key == key; err = c.next() {
			places = append(places, LogPosition{c.at.block, c.at.index})
		}
		if err != nil {
			return nil, err
		}
	}
	return places, nil
}

// txPlaces are the places where a transaction may be.
func (d *disk) txPlaces(hash common.Hash) (places []LogPosition, err error) {
	err = d.view(func(tx *bbolt.Tx, st *state) error {
		b, err := openPages(tx, bucketTxs)
		if err == nil {
			places, err = st.txs.lookup(b, keyOf(hash[:]))
		}
		return err
	})
	return places, err
}

// number is the number of the block with the hash.
func (d *disk) number(hash common.Hash) (number uint64, ok bool, err error) {
	err = d.view(func(tx *bbolt.Tx, st *state) error {
		b, err := openPages(tx, bucketHashes)
		if err != nil {
			return err
		}
		places, err := st.hashes.lookup(b, keyOf(hash[:]))
		for _, p := range places {
			if tx.Bucket(bucketHeads).Get(blockKey(p.Block)) == nil {
				continue // taken back
			}
			h, err := d.loadHead(tx, p.Block)
			if err != nil {
				return err
			}
			if h.block.Header.Hash() == hash {
				number, ok = p.Block, true
				return nil
			}
		}
		return err
	})
	return number, ok, err
}

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
		if !keeps(st.spans, number) && tx.Bucket(bucketHeads).Get(blockKey(number)) == nil {
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
	return d.codec.decode(r) // which takes long
}

// load copies the record from the file.
func (d *disk) load(tx *bbolt.Tx, r *record) error {
	h, err := d.loadHead(tx, r.number)
	if err != nil {
		return err
	}
	if r.head, err = get(tx, bucketHeads, blockKey(r.number)); err != nil {
		return err
	}
	r.head = common.CopyBytes(r.head)
	for i := range h.chunks {
		body, err := get(tx, bucketBodies, chunkKey(r.number, i))
		if err != nil {
			return err
		}
		receipts, err := get(tx, bucketReceipts, chunkKey(r.number, i))
		if err != nil {
			return err
		}
		r.bodies = append(r.bodies, common.CopyBytes(body))
		r.receipts = append(r.receipts, common.CopyBytes(receipts))
	}
	return nil
}
