package work

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover/attest"
)

// prefix keeps requests apart from all else that a prover's key signs.
const prefix = "\x19vivace work v1\n"

// A Stamp says who makes a request; see the package comment.
type Stamp struct {
	Time      hexutil.Uint64 `json:"time"` // Unix milliseconds
	Nonce     hexutil.Uint64 `json:"nonce"`
	Signature Signature      `json:"signature"`
}

// A Signature is R ‖ S ‖ V.
type Signature [65]byte

// MarshalText implements encoding.TextMarshaler.
func (s Signature) MarshalText() ([]byte, error) { return hexutil.Bytes(s[:]).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler. It takes 65 bytes in hex, no
// others.
func (s *Signature) UnmarshalText(text []byte) error {
	return hexutil.UnmarshalFixedText("signature", text, s[:])
}

// An ask is what a stamp is about: the method without the namespace, and its
// arguments.
type ask struct {
	method string
	number uint64
	text   string
}

// askObjects is the ask for a page of objects.
func askObjects(number, from uint64) *ask {
	return &ask{method: "objects", number: number, text: string(binary.BigEndian.AppendUint64(nil, from))}
}

func (a *ask) hash(chainID uint64, time, nonce uint64) common.Hash {
	b := make([]byte, 0, 128)
	b = append(b, prefix...)
	b = binary.BigEndian.AppendUint64(b, chainID)
	b = append(append(b, byte(len(a.method))), a.method...)
	b = binary.BigEndian.AppendUint64(b, time)
	b = binary.BigEndian.AppendUint64(b, nonce)
	b = binary.BigEndian.AppendUint64(b, a.number)
	return chain.Keccak256(append(b, a.text...))
}

// stamp signs an ask now.
func (a *ask) stamp(chainID uint64, s attest.Signer, now time.Time) (Stamp, error) {
	ms, nonce := uint64(now.UnixMilli()), rand.Uint64()
	sig, err := s.Sign(a.hash(chainID, ms, nonce))
	if err != nil {
		return Stamp{}, fmt.Errorf("sign %s: %w", a.method, err)
	}
	return Stamp{hexutil.Uint64(ms), hexutil.Uint64(nonce), sig}, nil
}
