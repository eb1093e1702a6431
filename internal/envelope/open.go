package envelope

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// A Grant is what a key may sign.
type Grant struct {
	Kinds []Kind // nil: all
	Terms TermRange
}

// A TermRange is the terms from First to Last, both included. A Last of 0 is no end:
// the zero TermRange is all terms.
type TermRange struct{ First, Last uint64 }

func (r TermRange) has(term uint64) bool {
	return r.First <= term && (r.Last == 0 || term <= r.Last)
}

// Config says what a Checker lets pass.
type Config struct {
	ChainID uint64
	Genesis common.Hash // hash of block 0
	// Signers are the keys that are believed. At least one.
	Signers map[common.Address]Grant
	Limits  *Limits // default: DefaultLimits
	Recover Recover // default: PureRecover
}

// A Checker opens envelopes. All methods may be called concurrently.
type Checker struct {
	cfg   Config
	fence atomic.Pointer[fence]
}

// A fence is a block that is known to be of a term: nothing of an earlier term is
// good from there on.
type fence struct{ number, term uint64 }

// NewChecker makes a Checker. It copies what it keeps.
func NewChecker(cfg Config) (*Checker, error) {
	if len(cfg.Signers) == 0 {
		return nil, errors.New("envelope: Config.Signers is empty: nothing would ever be believed")
	}
	cfg.Signers = maps.Clone(cfg.Signers)
	if cfg.Limits == nil {
		cfg.Limits = defaultLimits
	}
	limits := *cfg.Limits
	cfg.Limits = &limits
	if cfg.Recover == nil {
		cfg.Recover = PureRecover
	}
	return &Checker{cfg: cfg}, nil
}

// Fence says that a block, known by a header that was checked, is of term: an
// envelope of an earlier term is ErrTerm at that block and after. What came before,
// under the earlier term, stays good. A term that is not newer than the one known
// does nothing.
func (c *Checker) Fence(number, term uint64) {
	for {
		old := c.fence.Load()
		if old != nil && term <= old.term {
			return
		}
		if c.fence.CompareAndSwap(old, &fence{number, term}) {
			return
		}
	}
}

// Peek is the function Peek with the Checker's limits, and tells another chain, which
// is ErrForeign, and a term that is over, ErrTerm. It takes no memory, unless it
// returns an error.
func (c *Checker) Peek(msg []byte) (Header, error) {
	h, err := Peek(msg, c.cfg.Limits)
	if err != nil {
		return Header{}, err
	}
	if h.ChainID != c.cfg.ChainID || h.Genesis != c.cfg.Genesis {
		return Header{}, fmt.Errorf("%w: chain %d, genesis %s", ErrForeign, h.ChainID, h.Genesis)
	}
	if f := c.fence.Load(); f != nil && h.Term < f.term && h.Place.Number >= f.number {
		return Header{}, fmt.Errorf("%w: %s %s of term %d, and block %d is of term %d", ErrTerm, h.Kind, h.Place, h.Term, f.number, f.term)
	}
	return h, nil
}

// Verify checks everything but the body's meaning: that msg is what one of the
// Signers signed, byte for byte. It unpacks nothing. The errors are those of Peek,
// ErrSigner and ErrTerm.
func (c *Checker) Verify(msg []byte) (Header, common.Address, error) {
	h, _, signer, err := c.verify(msg)
	return h, signer, err
}

// verify is Verify; sum is keccak256 of the body as sent.
func (c *Checker) verify(msg []byte) (h Header, sum common.Hash, signer common.Address, err error) {
	if h, err = c.Peek(msg); err != nil {
		return Header{}, sum, signer, err
	}
	word := newWord(msg)
	if signer, err = word.recover(c.cfg.Recover); err == nil {
		err = c.allow(&h, signer)
	}
	if err != nil {
		return Header{}, sum, common.Address{}, err
	}
	return h, word.sum(), signer, nil
}

// allow says whether signer may sign that.
func (c *Checker) allow(h *Header, signer common.Address) error {
	grant, ok := c.cfg.Signers[signer]
	switch {
	case !ok || grant.Kinds != nil && !slices.Contains(grant.Kinds, h.Kind):
		return fmt.Errorf("%w: %s %s by %s", ErrSigner, h.Kind, h.Place, signer)
	case !grant.Terms.has(h.Term):
		return fmt.Errorf("%w: %s %s of term %d by %s", ErrTerm, h.Kind, h.Place, h.Term, signer)
	}
	return nil
}

// An Opened is an envelope that was opened.
type Opened struct {
	Header
	Signer   common.Address
	Envelope []byte // as it came
	Body     []byte // unpacked; a view of Envelope if it was not packed
}

// Fault is a proven fault of the one who signed o; see FaultError.
func (o *Opened) Fault(err error) error {
	return &FaultError{Header: o.Header, Signer: o.Signer, Err: err}
}

// Open verifies msg and unpacks its body. msg belongs to the Opened from then on. The
// errors are those of Verify, and a FaultError for a body that is not what the signed
// head says.
func (c *Checker) Open(msg []byte) (Opened, error) {
	h, content, signer, err := c.verify(msg)
	if err != nil {
		return Opened{}, err
	}
	o := Opened{Header: h, Signer: signer, Envelope: msg, Body: msg[Overhead:]}
	if h.Packed {
		if o.Body, err = unpack(o.Body, int(h.Decoded)); err != nil {
			return Opened{}, o.Fault(&chain.CorruptError{What: "packed body", Offset: -1, Err: err})
		}
		content = chain.Keccak256(o.Body)
	}
	if content != h.Content {
		return Opened{}, o.Fault(&chain.MismatchError{Block: h.Place.Number, Field: "content", Got: content.Hex(), Want: h.Content.Hex()})
	}
	return o, nil
}
