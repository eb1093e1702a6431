package work

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
	"github.com/vivace-chain/vivace/sequencer"
)

// ErrStale: a request's stamp is too old, too far ahead, or was there before. To the
// Client it passes, since each try is stamped anew.
var ErrStale = errors.New("stamp is stale")

// The codes of errors that mean something to a prover. They lie outside of what
// JSON-RPC reserves.
const (
	CodeLeaseLost  = -39001 // prover.ErrLeaseLost
	CodeStale      = -39002 // ErrStale
	CodeNotAllowed = -39003 // sequencer.ErrNotAllowed
	CodeWrong      = -39004 // the attestation contradicts the block, and is kept as evidence
	CodeNotFound   = -39005 // there is no such block, or it is proven
	CodeTooLarge   = -39006 // fetch it from the data-availability layer
)

// errorCodes are how errors travel. The first that matches counts, on both sides.
var errorCodes = []struct {
	err  error
	code int
}{
	{prover.ErrLeaseLost, CodeLeaseLost},
	{ErrStale, CodeStale},
	{sequencer.ErrNotAllowed, CodeNotAllowed},
	{chain.ErrMismatch, CodeWrong},
	{chain.ErrTooLarge, CodeTooLarge},
	{chain.ErrNotFound, CodeNotFound},
	{chain.ErrCorrupt, wire.CodeInvalidParams},
	{chain.ErrBusy, wire.CodeLimitExceeded},
	{da.ErrTransient, wire.CodeLimitExceeded},
	{da.ErrFailover, wire.CodeLimitExceeded},
}

// coded is an error as the door sends it. Errors without a code of their own may pass,
// such as that of a sequencer that ends.
func coded(err error) error {
	if err == nil {
		return nil
	}
	for _, c := range errorCodes {
		if errors.Is(err, c.err) {
			return &wire.Error{Code: c.code, Message: err.Error(), Err: err}
		}
	}
	return &wire.Error{Code: wire.CodeServer, Message: err.Error(), Err: err}
}

// decoded is an error that the door sent, for the Client's caller: what is for a
// prover to know matches what it was, what passes matches da.ErrTransient, and what
// only an operator can mend da.ErrRefused. Never is it chain.ErrCorrupt, which would be
// about a job.
func decoded(code int, message string) error {
	message = da.Excerpt([]byte(message))
	switch code {
	case CodeStale:
		return fmt.Errorf("%w: %w: %s", da.ErrTransient, ErrStale, message)
	case wire.CodeInvalidParams, wire.CodeMethodNotFound, -32600, -32700:
		return fmt.Errorf("%w: code %d: %s", da.ErrRefused, code, message)
	}
	for _, c := range errorCodes {
		if code == c.code {
			return fmt.Errorf("%w: %s", c.err, message)
		}
	}
	return fmt.Errorf("%w: code %d: %s", da.ErrTransient, code, message)
}

// broken is whatever went wrong on the way; it passes.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %v", da.ErrTransient, err)
}
