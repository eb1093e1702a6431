package work

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover"
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

// The codes of JSON-RPC and Ethereum (EIP-1474) that are used here.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeMethodNotFound = -32601
	codeInvalidParams  = -32602
	codeLimitExceeded  = -32005
	codeServer         = -32000
)

// An Error is what a caller of the API gets: go-ethereum's rpc.Error, which brings
// Code to the client.
type Error struct {
	Code    int
	Message string
	Err     error // the cause, for errors.Is
}

func (e *Error) Error() string { return e.Message }

// ErrorCode implements go-ethereum's rpc.Error.
func (e *Error) ErrorCode() int { return e.Code }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func tooLong(what string, length, most int) error {
	err := fmt.Errorf("%w: %s has %d bytes, at most %d may be", chain.ErrTooLarge, what, length, most)
	return &Error{codeInvalidParams, err.Error(), err}
}

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
	{chain.ErrCorrupt, codeInvalidParams},
	{chain.ErrBusy, codeLimitExceeded},
	{da.ErrTransient, codeLimitExceeded},
	{da.ErrFailover, codeLimitExceeded},
}

// coded is an error as the door sends it. Errors without a code of their own may pass,
// such as that of a sequencer that ends.
func coded(err error) error {
	if err == nil {
		return nil
	}
	for _, c := range errorCodes {
		if errors.Is(err, c.err) {
			return &Error{c.code, err.Error(), err}
		}
	}
	return &Error{codeServer, err.Error(), err}
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
	case codeInvalidParams, codeMethodNotFound, codeInvalidRequest, codeParse:
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
