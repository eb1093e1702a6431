package da

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Layout of the two blobs of a split one; see Chunked.
const (
	partMagic     = "VDP"
	partHead      = len(partMagic) + 1 + 4 + 4 + 8 + common.HashLength
	manifestMagic = "VDM"
	manifestHead  = len(manifestMagic) + 1 + 8 + 4 + 4 + common.HashLength
	chunkVersion  = 1

	// partsMax is how many parts a blob can have.
	partsMax = 4096
	// nameMax is how long the BlobID of a part can be, in bytes.
	nameMax = 1<<16 - 1
)

// A manifest says what the parts of a blob are. All but the last have size bytes of
// it.
type manifest struct {
	total uint64
	size  uint32
	whole common.Hash
	parts []part
}

type part struct {
	id   chain.BlobID
	hash common.Hash // of the part's blob, with its head
}

// count is how many parts total bytes have.
func count(total uint64, size uint32) uint64 {
	n := total / uint64(size)
	if total%uint64(size) > 0 {
		n++
	}
	return n
}

// span is where in the whole part i lies.
func (m *manifest) span(i int) (from, to int) {
	return i * int(m.size), int(min(uint64(i+1)*uint64(m.size), m.total))
}

func (m *manifest) appendPartHead(dst []byte, i int) []byte {
	dst = append(dst, partMagic...)
	dst = append(dst, chunkVersion)
	dst = binary.BigEndian.AppendUint32(dst, uint32(i))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.parts)))
	dst = binary.BigEndian.AppendUint64(dst, m.total)
	return append(dst, m.whole[:]...)
}

// readPart checks a part's blob and returns what it holds of the whole.
func (m *manifest) readPart(i int, blob []byte) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		return nil, &chain.CorruptError{What: fmt.Sprintf("part %d of blob %s", i, m.whole), Offset: -1, Err: err}
	}
	if got := chain.Keccak256(blob); got != m.parts[i].hash {
		return fail(fmt.Errorf("content has hash %s, manifest states %s", got, m.parts[i].hash))
	}
	var head [partHead]byte
	if !bytes.HasPrefix(blob, m.appendPartHead(head[:0], i)) {
		return fail(fmt.Errorf("its head is %x", blob[:min(partHead, len(blob))]))
	}
	from, to := m.span(i)
	if n := len(blob) - partHead; n != to-from {
		return fail(fmt.Errorf("holds %d bytes, not %d", n, to-from))
	}
	return blob[partHead:], nil
}

func (m *manifest) appendBinary(dst []byte) []byte {
	dst = append(dst, manifestMagic...)
	dst = append(dst, chunkVersion)
	dst = binary.BigEndian.AppendUint64(dst, m.total)
	dst = binary.BigEndian.AppendUint32(dst, m.size)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.parts)))
	dst = append(dst, m.whole[:]...)
	for _, p := range m.parts {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.id)))
		dst = append(dst, p.id...)
		dst = append(dst, p.hash[:]...)
	}
	return dst
}

// readManifest reads what appendBinary wrote, of a blob of at most objectMax bytes
// in parts of at most blobMax. It takes memory in proportion to src. Ids are views
// of src. Errors match ErrCorrupt or ErrTooLarge.
func readManifest(src []byte, objectMax, blobMax int) (*manifest, error) {
	if len(src) < manifestHead {
		return nil, corruptManifest(len(src), errors.New("ends inside the head"))
	}
	head, fields := src[:len(manifestMagic)+1], src[len(manifestMagic)+1:]
	if string(head[:len(manifestMagic)]) != manifestMagic || head[len(manifestMagic)] != chunkVersion {
		return nil, corruptManifest(0, fmt.Errorf("begins with %x", head))
	}
	m := &manifest{
		total: binary.BigEndian.Uint64(fields),
		size:  binary.BigEndian.Uint32(fields[8:]),
		whole: common.Hash(fields[16 : 16+common.HashLength]),
	}
	parts := binary.BigEndian.Uint32(fields[12:])
	switch {
	case m.total > uint64(objectMax):
		return nil, fmt.Errorf("%w: split blob of %d bytes, at most %d allowed", chain.ErrTooLarge, m.total, objectMax)
	case uint64(m.size)+uint64(partHead) > uint64(blobMax):
		return nil, fmt.Errorf("%w: parts of %d bytes, at most %d allowed", chain.ErrTooLarge, m.size, blobMax-partHead)
	case m.size == 0 || parts == 0 || parts > partsMax || uint64(parts) != count(m.total, m.size):
		return nil, corruptManifest(len(head), fmt.Errorf("%d bytes in %d parts of %d", m.total, parts, m.size))
	}
	if err := m.readParts(src, int(parts)); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *manifest) readParts(src []byte, n int) error {
	at := manifestHead
	for range n {
		if len(src) < at+2 {
			return corruptManifest(at, errors.New("ends before its last part"))
		}
		name := at + 2
		hash := name + int(binary.BigEndian.Uint16(src[at:]))
		end := hash + common.HashLength
		if len(src) < end {
			return corruptManifest(at, errors.New("ends inside a part"))
		}
		m.parts = append(m.parts, part{id: src[name:hash], hash: common.Hash(src[hash:end])})
		at = end
	}
	if at != len(src) {
		return corruptManifest(at, errors.New("bytes after its last part"))
	}
	return nil
}

func corruptManifest(offset int, err error) error {
	return &chain.CorruptError{What: "manifest of a split blob", Offset: int64(offset), Err: err}
}
