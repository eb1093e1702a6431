package history

import (
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
)

// Sentinel errors.
var (
	// ErrNotKept: the block is part of the chain, and not kept here: it was pruned, or
	// the node was not there.
	ErrNotKept = errors.New("not kept")
	// ErrDropped: mini-blocks that a subscriber got were given up. See DroppedError.
	ErrDropped = errors.New("mini-blocks were dropped")
)

// A LagError says that a subscriber fell out of what the feed keeps, or asked for
// what it no longer keeps. It matches chain.ErrOutOfStep.
type LagError struct {
	Missed uint64 // events; 0 if that is not known, as by SubscribeFrom
	Oldest Seq    // from which SubscribeFrom works: of the oldest mini-block that is kept; 0 if none is
}

func (e *LagError) Error() string {
	if e.Missed == 0 {
		return fmt.Sprintf("events missed, the oldest mini-block kept is %d", e.Oldest)
	}
	return fmt.Sprintf("%d events missed, the oldest mini-block kept is %d", e.Missed, e.Oldest)
}

// Is makes every LagError match chain.ErrOutOfStep.
func (e *LagError) Is(target error) bool { return target == chain.ErrOutOfStep }

// A DroppedError says that the writer gave up the mini-blocks of block First and of those
// after it (see Store.Drop). Others may come instead. It matches ErrDropped.
type DroppedError struct{ First uint64 }

func (e *DroppedError) Error() string {
	return fmt.Sprintf("%v: block %d and later", ErrDropped, e.First)
}

// Is makes every DroppedError match ErrDropped.
func (e *DroppedError) Is(target error) bool { return target == ErrDropped }

func notFound(number uint64) error { return fmt.Errorf("block %d: %w", number, chain.ErrNotFound) }

func notKept(number uint64) error { return fmt.Errorf("block %d: %w", number, ErrNotKept) }

func notKeptAll(first, last uint64) error {
	return fmt.Errorf("blocks %d to %d: %w", first, last, ErrNotKept)
}

func outOfStep(number uint64, format string, args ...any) error {
	return fmt.Errorf("history: block %d: %w: %s", number, chain.ErrOutOfStep, fmt.Sprintf(format, args...))
}

func mismatch(number uint64, field string, got, want fmt.Stringer) error {
	return &chain.MismatchError{Block: number, Field: field, Got: got.String(), Want: want.String()}
}
