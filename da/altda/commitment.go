package altda

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A Mode says which commitments are made (op-alt-da/commitment.go).
type Mode uint8

// The modes. Their numbers are the first bytes of commitments.
const (
	Keccak  Mode = 0 // 0x00, keccak256 of the blob
	Generic Mode = 1 // 0x01, byte of the layer, anything
)

func (m Mode) known() bool { return m <= Generic }

// commitmentMax bounds the answer to a put, in bytes.
const commitmentMax = 64 << 10

// layerByte follows 0x01 in the commitments of this package's Server, and of OP's.
const layerByte = 0xff

func appendKeccak(dst, blob []byte) []byte {
	hash := chain.Keccak256(blob)
	return append(append(dst, byte(Keccak)), hash[:]...)
}

func parseKeccak(commitment []byte) (common.Hash, bool) {
	if len(commitment) != 1+common.HashLength || commitment[0] != byte(Keccak) {
		return common.Hash{}, false
	}
	return common.Hash(commitment[1:]), true
}

// checkGeneric looks at the form of a generic commitment. The error matches
// ErrCorrupt.
func checkGeneric(commitment []byte) error {
	if len(commitment) < 3 || commitment[0] != byte(Generic) {
		return &chain.CorruptError{
			What: "generic commitment", Offset: 0,
			Err: fmt.Errorf("%d bytes that begin with %x", len(commitment), commitment[:min(2, len(commitment))]),
		}
	}
	return nil
}
