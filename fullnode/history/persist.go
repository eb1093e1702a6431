package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/vivace-chain/vivace/chain"
)

// Persist returns when the sealed blocks up to number are on disk: synced, so that
// they are there after any crash. It writes many blocks in one transaction of the file,
// and also prunes and tidies there. Readers and the writer go on meanwhile.
func (s *Store) Persist(ctx context.Context, number uint64) error {
	if err := s.lockFile(ctx); err != nil {
		return err
	}
	defer s.unlockFile()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		blocks, err := s.unpersisted(number)
		if len(blocks) == 0 || err != nil {
			return err
		}
		kept, err := s.disk.save(blocks, s.cfg.KeepBlocks, !s.cfg.HeadersOnly)
		if err != nil {
			return err
		}
		s.persisted(blocks, kept)
	}
}

// lockFile waits for the right to write to the file.
func (s *Store) lockFile(ctx context.Context) error {
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-s.closing:
		return chain.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) unlockFile() { <-s.writing }

// persistBytes is about how much, decoded, is written in one transaction: it is in
// memory twice meanwhile.
const persistBytes = 64 << 20

// unpersisted are the oldest blocks that are to be written, up to number.
func (s *Store) unpersisted(number uint64) (blocks []*Block, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, chain.ErrClosed
	}
	size := 0
	for _, b := range s.mem {
		if b.sealed == nil || b.env.Number > number || size > persistBytes {
			break
		}
		blocks = append(blocks, b.sealed)
		size += b.bytes
	}
	return blocks, nil
}

// persisted takes blocks out of the memory, and what was pruned out of what is known.
func (s *Store) persisted(blocks []*Block, kept []span) {
	_, age := s.cache.get(0)
	for _, b := range blocks {
		s.cache.add(b, age)
	}
	if len(kept) > 0 && kept[0].first > s.oldestKept() {
		s.cfg.Logger.Debug("history pruned blocks", "oldest", kept[0].first)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mem = slices.Delete(s.mem, 0, len(blocks))
	if len(kept) > 0 {
		s.spans = cutBefore(s.spans, kept[0].first)
		s.cache.prune(kept[0].first)
	}
}

// oldestKept is the oldest block that is kept, if any is.
func (s *Store) oldestKept() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.spans) == 0 {
		return 0
	}
	return s.spans[0].first
}

// Rewind forgets the blocks after number, sealed or not, in memory and on disk: the
// writer lost them, or will bring them again. It is durable when it returns.
// Subscribers get an error if they got any of them. See Check for what is left.
func (s *Store) Rewind(number uint64) error {
	if err := s.lockFile(context.Background()); err != nil {
		return err
	}
	defer s.unlockFile()
	before, after := s.Head(), chain.BlockID{}
	if before.Number > number {
		var err error
		if after, err = s.disk.rewind(number); err != nil {
			return err
		}
		s.cfg.Logger.Info("history takes back blocks", "first", number+1, "last", before.Number)
	}
	s.mu.Lock()
	i := 0
	for ; i < len(s.mem) && s.mem[i].env.Number <= number; i++ {
		if b := s.mem[i].sealed; b != nil {
			after = chain.BlockID{Number: b.Number(), Hash: b.Hash}
		}
	}
	from := s.cutMemory(i)
	if before.Number > number {
		s.head, s.heads, s.spans = after, cutAfter(s.heads, number), cutAfter(s.spans, number)
		from = number + 1
	}
	s.cache.rewind(number)
	s.mu.Unlock()
	if from > 0 {
		s.feed.post(entry{dropped: true, from: from})
	}
	return nil
}

// save writes blocks, which are above all there are, whole or as far as their headers go,
// prunes what is more than keep, and returns what is kept whole.
func (d *disk) save(blocks []*Block, keep uint64, whole bool) (kept []span, err error) {
	records := make([]*record, len(blocks))
	for i, b := range blocks {
		records[i] = d.codec.encode(b)
	}
	err = d.write(func(tx *bbolt.Tx) (*state, error) {
		old, err := loadState(tx)
		if err != nil {
			return nil, err
		}
		st := old.writable()
		for i, b := range blocks {
			if err := records[i].put(tx); err != nil {
				return nil, err
			}
			st.include(b, whole)
		}
		if keep > 0 {
			if err := d.prune(tx, st, keep, 2*len(blocks)+16); err != nil {
				return nil, err
			}
		}
		kept = st.spans
		return st, st.indexBlocks(tx, blocks, keep)
	})
	return kept, err
}

// include takes a block into the sums.
func (st *state) include(b *Block, whole bool) {
	st.head = chain.BlockID{Number: b.Number(), Hash: b.Hash}
	st.heads = extend(st.heads, b.Number())
	if !whole {
		return
	}
	st.spans = extend(st.spans, b.Number())
	st.counts.blocks++
	st.counts.txs += uint64(len(b.Txs))
	for _, r := range b.Receipts {
		st.counts.logs += uint64(len(r.Logs))
	}
}

// exclude takes a block out of the sums.
func (st *state) exclude(h *head) {
	st.counts.blocks--
	for _, c := range h.chunks {
		st.counts.txs -= uint64(c.txs)
		st.counts.logs -= uint64(c.logs)
	}
}

// indexBlocks adds blocks to the indexes, and keeps them in order.
func (st *state) indexBlocks(tx *bbolt.Tx, blocks []*Block, keep uint64) error {
	var oldest, span uint64 = 0, math.MaxUint64
	if keep > 0 && len(st.spans) > 0 {
		oldest, span = st.spans[0].first, max(keep/4, 1)
	}
	first, last := blocks[0].Number(), blocks[len(blocks)-1].Number()
	for _, x := range []struct {
		name         []byte
		runs         *runs
		postings     []posting
		oldest, span uint64
	}{
		{bucketTxs, &st.txs, txPostings(blocks), oldest, span},
		{bucketHashes, &st.hashes, hashPostings(blocks), 0, math.MaxUint64}, // stays, as the heads do
		{bucketLogs, &st.logs, logPostings(st.seed, blocks), oldest, span},
	} {
		b, err := openPages(tx, x.name)
		if err != nil {
			return err
		}
		slices.SortFunc(x.postings, posting.compare)
		x.postings = slices.Compact(x.postings)
		before := x.runs.written()
		if err := x.runs.add(b, x.postings, first, last); err != nil {
			return err
		}
		added := int(x.runs.written()-before)/pageSize + 1
		if err := x.runs.maintain(b, x.oldest, x.span, added); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the oldest blocks, at most most, as far as they are more than keep.
// Their heads stay.
func (d *disk) prune(tx *bbolt.Tx, st *state, keep uint64, most int) error {
	for range most {
		if len(st.spans) == 0 {
			break
		}
		number := st.spans[0].first
		if number+keep > st.head.Number {
			break
		}
		h, err := d.loadHead(tx, number)
		if err != nil {
			return err
		}
		for i := range h.chunks {
			if err := tx.Bucket(bucketChunks).Delete(chunkKey(number, i)); err != nil {
				return err
			}
		}
		st.exclude(h)
		st.spans = cutBefore(st.spans, number+1)
	}
	return nil
}

// rewind removes the blocks after number and returns the newest that is left.
func (d *disk) rewind(number uint64) (id chain.BlockID, err error) {
	err = d.write(func(tx *bbolt.Tx) (*state, error) {
		old, err := loadState(tx)
		if err != nil {
			return nil, err
		}
		st := old.writable()
		for _, key := range keysFrom(tx.Bucket(bucketHeads), blockKey(number+1)) {
			if n := binary.BigEndian.Uint64(key); keeps(st.spans, n) {
				h, err := d.loadHead(tx, n)
				if err != nil {
					return nil, err
				}
				st.exclude(h)
			}
		}
		for _, name := range [][]byte{bucketHeads, bucketChunks} {
			b := tx.Bucket(name)
			for _, key := range keysFrom(b, blockKey(number+1)) {
				if err := b.Delete(key); err != nil {
					return nil, err
				}
			}
		}
		st.heads, st.spans = cutAfter(st.heads, number), cutAfter(st.spans, number)
		for _, r := range []*runs{&st.txs, &st.hashes, &st.logs} {
			r.rewind(number)
		}
		if st.head, err = d.newest(tx, st); err != nil {
			return nil, err
		}
		id = st.head
		return st, nil
	})
	return id, err
}

// newest is the newest block that has a head.
func (d *disk) newest(tx *bbolt.Tx, st *state) (chain.BlockID, error) {
	if len(st.heads) == 0 {
		return chain.BlockID{Hash: st.genesis}, nil
	}
	h, err := d.loadHead(tx, st.heads[len(st.heads)-1].last)
	if err != nil {
		return chain.BlockID{}, err
	}
	return h.block.Header.ID(), nil
}

func keysFrom(b *bbolt.Bucket, from []byte) (keys [][]byte) {
	c := b.Cursor()
	for key, _ := c.Seek(from); key != nil; key, _ = c.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	return keys
}

func blockKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func chunkKey(number uint64, i int) []byte {
	return binary.BigEndian.AppendUint32(blockKey(number), uint32(i))
}

// put writes the record. Its slices belong to the transaction then.
func (r *record) put(tx *bbolt.Tx) error {
	if err := put(tx, bucketHeads, blockKey(r.number), r.head); err != nil {
		return err
	}
	for i, packed := range r.chunks {
		if err := put(tx, bucketChunks, chunkKey(r.number, i), packed); err != nil {
			return err
		}
	}
	return nil
}
