package history

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"go.etcd.io/bbolt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// formatVersion is the version of the file's format. Change it with the format.
const formatVersion = 2

// A state is what the file knows of itself, written with everything else in one
// transaction. It never changes; a writer makes a new one.
type state struct {
	id      int // of the transaction that wrote it; not kept
	genesis common.Hash
	seed    [16]byte      // of the keys of logs
	head    chain.BlockID // newest block
	heads   []span        // blocks that have a head, ascending, with gaps between
	spans   []span        // of them those that are kept whole
	counts  counts        // of what is kept whole

	txs, hashes, logs runs
}

// A span is a range of blocks, both ends in it.
type span struct{ first, last uint64 }

// counts are sums over blocks.
type counts struct{ blocks, txs, logs uint64 }

// writable is a copy that the next write may change.
func (st *state) writable() *state {
	next := *st
	next.heads, next.spans = slices.Clone(st.heads), slices.Clone(st.spans)
	for _, r := range []*runs{&next.txs, &next.hashes, &next.logs} {
		r.live, r.merges, r.dead = slices.Clone(r.live), slices.Clone(r.merges), slices.Clone(r.dead)
	}
	return &next
}

func (st *state) append(dst []byte) []byte {
	start := len(dst)
	dst = rlp.AppendUint64(dst, formatVersion)
	dst = rlp.AppendBytes(dst, st.genesis[:])
	dst = rlp.AppendBytes(dst, st.seed[:])
	dst = rlp.AppendUint64(dst, st.head.Number)
	dst = rlp.AppendBytes(dst, st.head.Hash[:])
	dst = appendList(dst, st.heads, appendSpan)
	dst = appendList(dst, st.spans, appendSpan)
	for _, n := range []uint64{st.counts.blocks, st.counts.txs, st.counts.logs} {
		dst = rlp.AppendUint64(dst, n)
	}
	for _, r := range []*runs{&st.txs, &st.hashes, &st.logs} {
		dst = r.append(dst)
	}
	return rlp.WrapList(dst, start)
}

// readState reads what append wrote.
func readState(src []byte) (*state, error) {
	var (
		in = rlp.NewReader(src)
		r  = in.List()
		st = new(state)
	)
	if v := r.Uint64(); r.Err() == nil && v != formatVersion {
		return nil, fmt.Errorf("format version %d, known is %d", v, formatVersion)
	}
	r.Fixed(st.genesis[:])
	r.Fixed(st.seed[:])
	st.head.Number = r.Uint64()
	r.Fixed(st.head.Hash[:])
	st.heads = readList(r, readSpan)
	st.spans = readList(r, readSpan)
	for _, n := range []*uint64{&st.counts.blocks, &st.counts.txs, &st.counts.logs} {
		*n = r.Uint64()
	}
	for _, x := range []*runs{&st.txs, &st.hashes, &st.logs} {
		x.read(r)
	}
	in.Close(r)
	return st, in.End()
}

func appendSpan(dst []byte, s span) []byte {
	start := len(dst)
	return rlp.WrapList(rlp.AppendUint64(rlp.AppendUint64(dst, s.first), s.last), start)
}

func readSpan(in *rlp.Reader) (s span) {
	r := in.List()
	s.first, s.last = r.Uint64(), r.Uint64()
	in.Close(r)
	return s
}

func loadState(tx *bbolt.Tx) (*state, error) {
	value, err := get(tx, bucketState, keyState)
	if err != nil {
		return nil, err
	}
	st, err := readState(value)
	if err != nil {
		return nil, corrupt("history: state", err)
	}
	st.id = tx.ID()
	return st, nil
}

func (st *state) save(tx *bbolt.Tx) error { return put(tx, bucketState, keyState, st.append(nil)) }

// get is the value under a key. A key that is not there is corrupt.
func get(tx *bbolt.Tx, bucket, key []byte) ([]byte, error) {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil, corrupt(fmt.Sprintf("history: bucket %s", bucket), errMissing)
	}
	return openValue(bucket, key, b.Get(key))
}

// put keeps value, and appends to it.
func put(tx *bbolt.Tx, bucket, key, value []byte) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return corrupt(fmt.Sprintf("history: bucket %s", bucket), errMissing)
	}
	b.FillPercent = 0.9 // keys ascend; a Rewind may put some between
	return b.Put(key, sealValue(bucket, key, value))
}

// keeps reports whether the block is kept whole.
func keeps(spans []span, number uint64) bool {
	_, ok := slices.BinarySearchFunc(spans, number, func(s span, n uint64) int {
		if s.first <= n && n <= s.last {
			return 0
		}
		return cmp.Compare(s.first, n)
	})
	return ok
}

// keepsAll reports whether all blocks from first to last are kept whole.
func keepsAll(spans []span, first, last uint64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.first <= first && last <= s.last })
}

// extend adds a block above all.
func extend(spans []span, number uint64) []span {
	if n := len(spans); n > 0 && spans[n-1].last+1 == number {
		spans[n-1].last = number
		return spans
	}
	return append(spans, span{number, number})
}

// cutAfter takes the blocks after number away.
func cutAfter(spans []span, number uint64) []span {
	for n := len(spans); n > 0 && spans[n-1].last > number; n = len(spans) {
		if spans[n-1].first <= number {
			spans[n-1].last = number
			break
		}
		spans = spans[:n-1]
	}
	return spans
}

// cutBefore takes the blocks before number away.
func cutBefore(spans []span, number uint64) []span {
	for len(spans) > 0 && spans[0].first < number {
		if spans[0].last >= number {
			spans[0].first = number
			break
		}
		spans = spans[1:]
	}
	return spans
}
