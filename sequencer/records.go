package sequencer

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/rlp"
)

// Kinds of log records, in the order in which a block's life writes them.
const (
	recordOpen      = 1 // chain.Env: a block opens
	recordGroup     = 2 // group: what one fsync acknowledges
	recordFrame     = 3 // chain.Frame: a mini-block is sealed; with Last, the block is closed
	recordHeader    = 4 // chain.Sealed: the block is sealed
	recordClaim     = 5 // chain.Attestation, unsigned: what provers must say of the block
	recordPublished = 6 // chain.Publication: the block is in the data-availability layer
	recordProven    = 7 // number and hash: the proven head moved

	recordBlob     = 8  // storedBlob: an object of the block is in the data-availability layer
	recordOffer    = 9  // chain.SnapshotOffer
	recordEvidence = 10 // Evidence
	recordWord     = 11 // chain.Attestation: the first of its signer that counts for the block
)

// A storedBlob says that an object is in the data-availability layer, so that it is
// not put, and paid for, again after a crash. The commitment tells it from what another
// version of this program makes of the same block.
type storedBlob struct {
	number     uint64 // of the block
	kind       da.Kind
	commitment common.Hash // da.Object.Commitment
	id         chain.BlobID
}

func (b *storedBlob) append(dst []byte) []byte {
	start := len(dst)
	dst = rlp.AppendUint64(dst, b.number)
	dst = rlp.AppendUint64(dst, uint64(b.kind))
	dst = rlp.AppendBytes(dst, b.commitment[:])
	dst = rlp.AppendBytes(dst, b.id)
	return rlp.WrapList(dst, start)
}

// decode copies what it keeps.
func (b *storedBlob) decode(src []byte) error {
	in := rlp.NewReader(src)
	r := in.List()
	b.number = r.Uint64()
	kind := r.Uint64()
	if kind > math.MaxUint8 {
		r.Fail(rlp.ErrSize)
	}
	b.kind = da.Kind(kind)
	r.Fixed(b.commitment[:])
	b.id = bytes.Clone(r.Bytes())
	in.Close(r)
	if err := in.End(); err != nil {
		return &chain.CorruptError{What: "record of a stored blob", Offset: -1, Err: err}
	}
	return nil
}

// A group is the log's form of a commit group: the raw transactions in order, and
// a running hash over all receipts and changes of the block so far, which tells
// after a crash whether execution came to the same again.
type group struct {
	number  uint64 // of the block
	txs     []*chain.Tx
	running common.Hash
}

func (g *group) append(dst []byte) []byte {
	dst = slices.Grow(dst, bodySize(g.txs))
	start := len(dst)
	dst = rlp.AppendUint64(dst, g.number)
	at := len(dst)
	for _, tx := range g.txs {
		dst = chain.AppendTx(dst, tx.Raw())
	}
	dst = rlp.WrapList(dst, at)
	dst = rlp.AppendBytes(dst, g.running[:])
	return rlp.WrapList(dst, start)
}

func (g *group) decode(src []byte) error {
	in := rlp.NewReader(src)
	r := in.List()
	g.number = r.Uint64()
	g.txs = chain.ReadTxs(r)
	r.Fixed(g.running[:])
	in.Close(r)
	if err := in.End(); err != nil {
		return &chain.CorruptError{What: "commit group", Offset: -1, Err: err}
	}
	return nil
}

// runningHash is the hash over what a block did so far. It begins with the
// environment.
type runningHash struct {
	sum common.Hash
	buf []byte
}

func newRunningHash(env *chain.Env) *runningHash {
	b, _ := env.AppendBinary(nil)
	return &runningHash{sum: chain.Keccak256(b)}
}

// add enters an included transaction.
func (h *runningHash) add(r *chain.TxResult) {
	h.buf = r.Receipt.AppendConsensus(h.buf[:0])
	h.buf, _ = r.Changes.AppendBinary(h.buf)
	h.sum = chain.Keccak256(h.sum[:], h.buf)
}

func appendBlockID(dst []byte, id chain.BlockID) []byte {
	start := len(dst)
	dst = rlp.AppendUint64(dst, id.Number)
	dst = rlp.AppendBytes(dst, id.Hash[:])
	return rlp.WrapList(dst, start)
}

func decodeBlockID(src []byte) (id chain.BlockID, err error) {
	in := rlp.NewReader(src)
	r := in.List()
	id.Number = r.Uint64()
	r.Fixed(id.Hash[:])
	in.Close(r)
	if err := in.End(); err != nil {
		return id, &chain.CorruptError{What: "block id", Offset: -1, Err: err}
	}
	return id, nil
}

func unknownRecord(kind byte) error {
	return &chain.CorruptError{What: "log", Offset: -1, Err: fmt.Errorf("record of unknown kind %d", kind)}
}
