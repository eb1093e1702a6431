package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// FramesMax is how many mini-blocks a block has at most. Who makes blocks ends one before
// it would have more; who follows may refuse more, and holds what is not sealed yet.
const FramesMax = 4096

// A Frame is one mini-block on its way to those who follow by diffs. Frames form
// a stream: each names the digest of the one before, over block borders, so that
// a gap, a repetition or another sequencer's frame shows.
type Frame struct {
	Number  uint64      // of the block
	Index   uint32      // of the mini-block in the block, from 0
	Term    uint64      // of the sequencer
	Parent  common.Hash // digest of the frame before; the genesis block's hash for the first
	GasUsed uint64      // in the block, up to the end of the mini-block
	TxCount uint32      // transactions in the mini-block
	// Last: the block has no mini-block after this one; its header follows.
	Last bool
	// ParentHashPending is MiniBlock.ParentHashPending.
	ParentHashPending bool
	// Env is the block's environment; in the frame with Index 0 only.
	Env  *Env
	Diff []byte // what the DiffEncoder made of the mini-block's Changes
}

// AppendBinary appends the RLP of the frame.
func (f *Frame) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, f.Number)
	dst = rlp.AppendUint64(dst, uint64(f.Index))
	dst = rlp.AppendUint64(dst, f.Term)
	dst = rlp.AppendBytes(dst, f.Parent[:])
	dst = rlp.AppendUint64(dst, f.GasUsed)
	dst = rlp.AppendUint64(dst, uint64(f.TxCount))
	dst = rlp.AppendBool(dst, f.Last)
	dst = rlp.AppendBool(dst, f.ParentHashPending)
	dst = appendOptional(dst, f.Env != nil, func(dst []byte) []byte {
		dst, _ = f.Env.AppendBinary(dst)
		return dst
	})
	dst = rlp.AppendBytes(dst, f.Diff)
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote. Diff is a view of src. On an
// error, which matches ErrCorrupt, f is unchanged.
func (f *Frame) UnmarshalBinary(src []byte) error {
	var (
		out Frame
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Number = r.Uint64()
	out.Index = readUint32(r)
	out.Term = r.Uint64()
	r.Fixed(out.Parent[:])
	out.GasUsed = r.Uint64()
	out.TxCount = readUint32(r)
	out.Last = r.Bool()
	out.ParentHashPending = r.Bool()
	readOptional(r, func(r *rlp.Reader) { out.Env = new(Env); out.Env.read(r) })
	out.Diff = r.Bytes()
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("frame", err)
	}
	if (out.Index == 0) != (out.Env != nil) {
		return corrupt("frame", fmt.Errorf("environment present is %t in mini-block %d", out.Env != nil, out.Index))
	}
	if out.Env != nil && out.Env.Number != out.Number || out.Index > 0 && out.ParentHashPending {
		return corrupt("frame", fmt.Errorf("environment does not fit block %d", out.Number))
	}
	*f = out
	return nil
}

func readUint32(r *rlp.Reader) uint32 {
	v := r.Uint64()
	if v > 1<<32-1 {
		r.Fail(rlp.ErrSize)
	}
	return uint32(v)
}

// Digest is keccak256 of the frame's encoding.
func (f *Frame) Digest() common.Hash {
	b, _ := f.AppendBinary(nil) // it has no failure of its own
	return Keccak256(b)
}

// A MiniBody is what a mini-block's Frame leaves out: its transactions and what they
// did. Who follows the state alone does not need it. It is checked against
// transactionsRoot and receiptsRoot when the block is sealed.
type MiniBody struct {
	Number uint64      // of the block
	Index  uint32      // of the mini-block in the block
	Frame  common.Hash // digest of the mini-block's frame
	Txs    []*Tx
	// Receipts of Txs, as ReadReceipts leaves them: see CompleteReceipts.
	Receipts []*Receipt
}

// AppendBinary appends the RLP of the body.
func (m *MiniBody) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, m.Number)
	dst = rlp.AppendUint64(dst, uint64(m.Index))
	dst = rlp.AppendBytes(dst, m.Frame[:])
	at := len(dst)
	for _, tx := range m.Txs {
		dst = AppendTx(dst, tx.raw)
	}
	dst = rlp.WrapList(dst, at)
	dst = AppendReceipts(dst, m.Receipts)
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote and copies what it keeps. On an
// error, which matches ErrCorrupt, m is unchanged.
func (m *MiniBody) UnmarshalBinary(src []byte) error {
	var (
		out MiniBody
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Number = r.Uint64()
	out.Index = readUint32(r)
	r.Fixed(out.Frame[:])
	out.Txs = ReadTxs(r)
	out.Receipts = ReadReceipts(r, len(out.Txs))
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("mini-block's body", err)
	}
	if len(out.Txs) != len(out.Receipts) {
		return corrupt("mini-block's body", fmt.Errorf("%d transactions and %d receipts", len(out.Txs), len(out.Receipts)))
	}
	*m = out
	return nil
}

// A Publication says where in the data-availability layer the objects of a sealed
// block are.
type Publication struct {
	Block   BlockID
	Body    BlobID // the block's RLP
	Witness BlobID
	Diff    BlobID // the block's Changes, self-contained
}

// AppendBinary appends the RLP of the publication.
func (p *Publication) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, p.Block.Number)
	dst = rlp.AppendBytes(dst, p.Block.Hash[:])
	for _, id := range []BlobID{p.Body, p.Witness, p.Diff} {
		dst = rlp.AppendBytes(dst, id)
	}
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote and copies what it keeps. On an
// error, which matches ErrCorrupt, p is unchanged.
func (p *Publication) UnmarshalBinary(src []byte) error {
	var (
		out Publication
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Block.Number = r.Uint64()
	r.Fixed(out.Block.Hash[:])
	for _, id := range []*BlobID{&out.Body, &out.Witness, &out.Diff} {
		*id = common.CopyBytes(r.Bytes())
	}
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("publication", err)
	}
	*p = out
	return nil
}

// A SnapshotOffer says where a snapshot is, and where in the feed one goes on from
// it.
type SnapshotOffer struct {
	Block BlockID
	Feed  uint64 // number of the feed's first message after the block's last frame
	Blob  BlobID
	// Chunks is the digest of the blob's Chunks, by which anybody's copy of it can be
	// checked, whatever the layer's names are. Zero: it is not said.
	Chunks common.Hash
}

// AppendBinary appends the RLP of the offer. It ends before Chunks if that is zero.
func (s *SnapshotOffer) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = rlp.AppendUint64(dst, s.Block.Number)
	dst = rlp.AppendBytes(dst, s.Block.Hash[:])
	dst = rlp.AppendUint64(dst, s.Feed)
	dst = rlp.AppendBytes(dst, s.Blob)
	if s.Chunks != (common.Hash{}) {
		dst = rlp.AppendBytes(dst, s.Chunks[:])
	}
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote and copies what it keeps. On an
// error, which matches ErrCorrupt, s is unchanged.
func (s *SnapshotOffer) UnmarshalBinary(src []byte) error {
	var (
		out SnapshotOffer
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.Block.Number = r.Uint64()
	r.Fixed(out.Block.Hash[:])
	out.Feed = r.Uint64()
	out.Blob = common.CopyBytes(r.Bytes())
	said := r.More()
	if said {
		r.Fixed(out.Chunks[:])
	}
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("snapshot offer", err)
	}
	if said && out.Chunks == (common.Hash{}) {
		return corrupt("snapshot offer", errors.New("zero chunks are left out"))
	}
	*s = out
	return nil
}

// An Attestation is a prover's signed word that it executed a block from its
// witness and found the header's claims true, and that the published diff decodes
// to exactly the changes of that execution. It covers what users read, not only
// the root.
type Attestation struct {
	ChainID       uint64
	Term          uint64
	Block         BlockID
	ParentHash    common.Hash
	PreRoot       common.Hash
	PostRoot      common.Hash
	ReceiptsRoot  common.Hash
	BlockDigest   common.Hash // keccak256 of the block's RLP
	ChangesDigest common.Hash // Changes.Digest
	WitnessDigest common.Hash // keccak256 of the witness object's payload
	DiffDigest    common.Hash // keccak256 of the diff object's payload
	Program       common.Hash // what checked: a hash that names program and version
	Signature     [65]byte    // secp256k1 [R || S || V] over SigningHash
}

func (a *Attestation) hashes() []*common.Hash {
	return []*common.Hash{&a.Block.Hash, &a.ParentHash, &a.PreRoot, &a.PostRoot, &a.ReceiptsRoot,
		&a.BlockDigest, &a.ChangesDigest, &a.WitnessDigest, &a.DiffDigest, &a.Program}
}

func (a *Attestation) appendUnsigned(dst []byte) []byte {
	dst = rlp.AppendUint64(dst, a.ChainID)
	dst = rlp.AppendUint64(dst, a.Term)
	dst = rlp.AppendUint64(dst, a.Block.Number)
	for _, h := range a.hashes() {
		dst = rlp.AppendBytes(dst, h[:])
	}
	return dst
}

// SigningHash is what Signature signs: keccak256 of a fixed prefix, which no
// transaction and no header begins with, and the RLP of all other fields.
func (a *Attestation) SigningHash() common.Hash {
	return Keccak256([]byte("\x19vivace attestation v1\n"), rlp.WrapList(a.appendUnsigned(nil), 0))
}

// AppendBinary appends the RLP of the attestation.
func (a *Attestation) AppendBinary(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = a.appendUnsigned(dst)
	dst = rlp.AppendBytes(dst, a.Signature[:])
	return rlp.WrapList(dst, start), nil
}

// UnmarshalBinary reads what AppendBinary wrote. On an error, which matches
// ErrCorrupt, a is unchanged. It does not look at the signature.
func (a *Attestation) UnmarshalBinary(src []byte) error {
	var (
		out Attestation
		in  = rlp.NewReader(src)
		r   = in.List()
	)
	out.ChainID = r.Uint64()
	out.Term = r.Uint64()
	out.Block.Number = r.Uint64()
	for _, h := range out.hashes() {
		r.Fixed(h[:])
	}
	r.Fixed(out.Signature[:])
	in.Close(r)
	if err := in.End(); err != nil {
		return corrupt("attestation", err)
	}
	*a = out
	return nil
}

// A Genesis is where a chain begins: its id, the header of block 0 and the state
// that the header's root commits to, as Changes of the empty state.
type Genesis struct {
	ChainID uint64
	Header  *Header
	State   *Changes
}
