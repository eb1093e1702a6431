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
			if !keeps(st.heads, p.Block) {
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
