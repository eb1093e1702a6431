package envelope

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Why an envelope is refused, beside chain.ErrCorrupt and chain.ErrTooLarge; see the
// package comment for whose fault each is.
var (
	// ErrForeign: the envelope is of another chain. It matches chain.ErrMismatch.
	ErrForeign = fmt.Errorf("envelope of another chain: %w", chain.ErrMismatch)
	// ErrSigner: the signature is good, but nobody allowed to sign this made it. It
	// matches chain.ErrMismatch.
	ErrSigner = fmt.Errorf("envelope of a stranger: %w", chain.ErrMismatch)
	// ErrTerm: the signer does not reign in that term, or the term was over by that
	// block. It matches chain.ErrOutOfStep.
	ErrTerm = fmt.Errorf("envelope of a term that is not its signer's: %w", chain.ErrOutOfStep)
	// ErrFault: the envelope is truly signed, and not what it says. See FaultError.
	ErrFault = errors.New("fault of the signer")
)

// A FaultError is a signer's proven fault: an allowed key signed a body that is not
// what the head says, or not what its kind demands. It matches ErrFault and what Err
// matches.
type FaultError struct {
	Header Header
	Signer common.Address
	Err    error
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%s %s signed by %s: %v", e.Header.Kind, e.Header.Place, e.Signer, e.Err)
}

// Is makes every FaultError match ErrFault.
func (e *FaultError) Is(target error) bool { return target == ErrFault }

// Unwrap returns what is wrong with it.
func (e *FaultError) Unwrap() error { return e.Err }

func corrupt(offset int, format string, args ...any) error {
	return &chain.CorruptError{What: "envelope", Offset: int64(offset), Err: fmt.Errorf(format, args...)}
}
