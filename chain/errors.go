package chain

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Sentinel errors. Test with errors.Is; the errors that packages return wrap
// one of these and say what and where.
var (
	// ErrNotFound: the thing asked for is known not to be there.
	ErrNotFound = errors.New("not found")
	// ErrUnknown: a view cannot say whether the thing exists, for example
	// because the witness behind it does not hold the path. Unknown is never
	// absent.
	ErrUnknown = errors.New("unknown to this view")
	// ErrCorrupt: bytes are not what was once written: torn, truncated, flipped
	// or not canonical.
	ErrCorrupt = errors.New("corrupt")
	// ErrTooLarge: a stated or actual size exceeds its limit. Seen before memory
	// is taken.
	ErrTooLarge = errors.New("too large")
	// ErrOutOfStep: a stateful stream was given something other than the next
	// item, or a prior state other than the one it was made against.
	ErrOutOfStep = errors.New("out of step")
	// ErrMismatch: a computed value differs from the one claimed. See
	// MismatchError.
	ErrMismatch = errors.New("mismatch")
	// ErrSuperfluous: a witness holds something that verification did not need.
	ErrSuperfluous = errors.New("superfluous")
	// ErrInvalidBlock: the block breaks a rule of the protocol.
	ErrInvalidBlock = errors.New("invalid block")
	// ErrInvalidTx: the transaction cannot be included now, in any block. The
	// wrapped text is Ethereum's usual wording.
	ErrInvalidTx = errors.New("invalid transaction")
	// ErrBlockFull: the transaction is valid but does not fit into what is left
	// of the open block.
	ErrBlockFull = errors.New("gas limit reached")
	// ErrBusy: a bounded queue is full; try again later.
	ErrBusy = errors.New("busy")
	// ErrClosed: the object was closed, committed or discarded before the call.
	ErrClosed = errors.New("closed")
)

// A MismatchError is a claim that does not hold. It matches ErrMismatch.
type MismatchError struct {
	Block uint64 // number of the block
	Field string // the header's field, in Ethereum's spelling, or the thing compared
	Got   string // what was computed
	Want  string // what was claimed
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("block %d: %s: got %s, want %s", e.Block, e.Field, e.Got, e.Want)
}

// Is makes every MismatchError match ErrMismatch.
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }

func mismatch[T comparable](block uint64, field string, got, want T) error {
	if got == want {
		return nil
	}
	return &MismatchError{block, field, fmt.Sprint(got), fmt.Sprint(want)}
}

// A CorruptError says what is corrupt, where, and how that was seen. It matches
// ErrCorrupt.
type CorruptError struct {
	What   string // the noun: "changes", "witness", "log segment 3"
	Offset int64  // byte offset, or -1
	Err    error  // the evidence
}

func (e *CorruptError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("corrupt %s: %v", e.What, e.Err)
	}
	return fmt.Sprintf("corrupt %s at byte %d: %v", e.What, e.Offset, e.Err)
}

// Is makes every CorruptError match ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap returns the evidence.
func (e *CorruptError) Unwrap() error { return e.Err }

func corrupt(what string, err error) error {
	if err == nil {
		return nil
	}
	return &CorruptError{What: what, Offset: -1, Err: err}
}

// A MissingError names what a partial view was asked for and does not hold. It
// matches ErrUnknown.
type MissingError struct {
	What string      // "account", "slot", "code", "trie node", "header"
	Hash common.Hash // of the thing, or of its key
}

func (e *MissingError) Error() string { return fmt.Sprintf("missing %s %s", e.What, e.Hash) }

// Is makes every MissingError match ErrUnknown.
func (e *MissingError) Is(target error) bool { return target == ErrUnknown }
