package wire

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// Codes of errors, as go-ethereum and the execution API have them.
const (
	CodeReverted       = 3      // execution reverted; the data is what it returned
	CodeTxSyncTimeout  = 4      // EIP-7966: the transaction is known and not executed yet; the data is its hash
	CodePruned         = 4444   // the block is no longer kept (EIP-4444)
	CodeServer         = -32000 // everything without a code of its own
	CodeLimitExceeded  = -32005 // EIP-1474: try again later, or ask for less
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
	CodeClientLimit    = -38026 // the request asks for more than one may (execution API)
)

// An Error is what a client gets: a code, a text, and what a program may read. It
// is an rpc.Error and an rpc.DataError; errors without a code reach clients as
// CodeServer.
type Error struct {
	Code    int
	Message string
	Data    any   // nil for none
	Err     error // what caused it, for errors.Is; may be nil
}

var (
	_ rpc.Error     = (*Error)(nil)
	_ rpc.DataError = (*Error)(nil)
)

func (e *Error) Error() string { return e.Message }

// ErrorCode implements rpc.Error.
func (e *Error) ErrorCode() int { return e.Code }

// ErrorData implements rpc.DataError.
func (e *Error) ErrorData() any { return e.Data }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf is an Error; %w makes the cause.
func Errorf(code int, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// InvalidParams says that the caller's arguments make no sense together.
func InvalidParams(format string, args ...any) *Error {
	return Errorf(CodeInvalidParams, format, args...)
}

// SendError is the error of Backend.Send and Submit as clients look for it: the
// reason in Ethereum's wording ("nonce too low: …", "already known") without our
// sentinel's before it. A node that is full says so with CodeLimitExceeded, upon
// which viem waits and tries again. Errors that have a code, as those of a
// sequencer elsewhere do, and errors of another kind stay as they are; nil is nil.
func SendError(err error) error {
	if coded := rpc.Error(nil); err == nil || errors.As(err, &coded) {
		return err
	}
	for _, kind := range []struct {
		is   error
		code int
		says string // begins the text; empty for the reason alone
	}{
		{chain.ErrInvalidTx, CodeServer, ""},
		{chain.ErrBusy, CodeLimitExceeded, "txpool is full"},
		{chain.ErrTooLarge, CodeServer, "oversized data"},
		{chain.ErrClosed, CodeServer, "node is shutting down"},
	} {
		if !errors.Is(err, kind.is) {
			continue
		}
		text := strings.TrimPrefix(err.Error(), kind.is.Error()+": ")
		if kind.says != "" {
			text = kind.says + ": " + text
		}
		return &Error{Code: kind.code, Message: text, Err: err}
	}
	return err
}

// NotKept makes go-ethereum's error for what was pruned of one that matches
// history.ErrNotKept; others stay as they are.
func NotKept(err error) error {
	if errors.Is(err, history.ErrNotKept) {
		return &Error{Code: CodePruned, Message: "pruned history unavailable", Err: err}
	}
	return err
}

// HeadersOnly is NotKept's error for who wants to be told of what blocks will hold by a node
// that keeps their headers only: that will never be, and it says who can.
func HeadersOnly(what string) error {
	const text = "pruned history unavailable: this node keeps headers only; for %s ask the sequencer, or a full node that is an archive"
	return &Error{Code: CodePruned, Message: fmt.Sprintf(text, what), Err: fmt.Errorf("%s: %w", what, history.ErrNotKept)}
}

// A LimitError says that an argument asks for more than one may. It matches
// chain.ErrTooLarge.
type LimitError struct {
	What string // what there is too much of, and how much may be
}

func (e *LimitError) Error() string { return "exceed max " + e.What }

// Is makes every LimitError match chain.ErrTooLarge.
func (e *LimitError) Is(target error) bool { return target == chain.ErrTooLarge }

// ErrorCode implements rpc.Error.
func (e *LimitError) ErrorCode() int { return CodeInvalidParams }
