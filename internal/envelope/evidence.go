package envelope

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// WordSize is the length of an encoded Word in bytes.
const WordSize = headSize + common.HashLength + sigSize

// A Word is an envelope without its body: the head, keccak256 of the body as sent,
// and the signature. It proves who signed what.
type Word [WordSize]byte

// WordOf is the word of an envelope. msg was opened before.
func WordOf(msg []byte) Word {
	if len(msg) <= Overhead {
		panic(fmt.Sprintf("envelope: %d bytes are no envelope", len(msg)))
	}
	return newWord(msg)
}

func newWord(msg []byte) (w Word) {
	sum := chain.Keccak256(msg[Overhead:])
	copy(w[:], msg[:headSize])
	copy(w[headSize:], sum[:])
	copy(w[headSize+len(sum):], msg[headSize:Overhead])
	return w
}

// Header is what the word is about. The error matches chain.ErrCorrupt.
func (w *Word) Header() (Header, error) { return readHead(w[:headSize]) }

// sum is keccak256 of the body as sent.
func (w *Word) sum() common.Hash { return common.Hash(w[headSize:]) }

// recover returns the signer. Whatever is wrong with the signature, the bytes are not
// what somebody signed: the error matches chain.ErrCorrupt.
func (w *Word) recover(r Recover) (common.Address, error) {
	sig := [sigSize]byte(w[WordSize-sigSize:])
	if err := checkForm(&sig); err != nil {
		return common.Address{}, err
	}
	signer, err := r(signingHash(w[:headSize], w.sum()), &sig)
	if err != nil {
		return common.Address{}, corrupt(headSize, "signature: %w", err)
	}
	return signer, nil
}

// Evidence is two words of one signer that contradict each other: of one kind, at one
// place, in one term, about different bodies. It convinces who has seen neither body.
type Evidence struct{ First, Second Word }

// Check returns who signed both. The error, which matches chain.ErrCorrupt or
// chain.ErrMismatch, says why it is no evidence. r is PureRecover if nil.
func (e *Evidence) Check(r Recover) (common.Address, error) {
	if r == nil {
		r = PureRecover
	}
	a, err := e.First.Header()
	if err != nil {
		return common.Address{}, err
	}
	b, err := e.Second.Header()
	if err != nil {
		return common.Address{}, err
	}
	if !a.Kind.Once() || !a.Same(&b) || a.Content == b.Content {
		return common.Address{}, fmt.Errorf("%w: %s %s and %s %s do not contradict each other", chain.ErrMismatch, a.Kind, a.Place, b.Kind, b.Place)
	}
	signer, err := e.First.recover(r)
	if err != nil {
		return common.Address{}, err
	}
	second, err := e.Second.recover(r)
	if err != nil {
		return common.Address{}, err
	}
	if signer != second {
		return common.Address{}, fmt.Errorf("%w: signed by %s and by %s", chain.ErrMismatch, signer, second)
	}
	return signer, nil
}

// AppendBinary appends the evidence: both words.
func (e *Evidence) AppendBinary(dst []byte) ([]byte, error) {
	return append(append(dst, e.First[:]...), e.Second[:]...), nil
}

// UnmarshalBinary reads what AppendBinary wrote. It does not check it: see Check. On
// an error, which matches chain.ErrCorrupt, e is unchanged.
func (e *Evidence) UnmarshalBinary(src []byte) error {
	if len(src) != 2*WordSize {
		return &chain.CorruptError{What: "evidence", Offset: int64(len(src)), Err: fmt.Errorf("want %d bytes", 2*WordSize)}
	}
	e.First, e.Second = Word(src[:WordSize]), Word(src[WordSize:])
	return nil
}
