package da

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// What a client of a layer says went wrong. Test with errors.Is; one error may
// match more than one. An error that ends with the caller's context is the
// context's, and matches none of them.
//
//	matches       means                                       what to do
//	ErrNotFound   there is no such blob (now)                  ask again a few times, then give up
//	ErrTransient  no answer, half an answer, an internal one   again, later and later
//	ErrBusy       the layer wants to be asked less             again, after BusyError.RetryAfter
//	ErrFailover   the layer is down                            another layer, or again later
//	ErrDropped    the blob's name is void for ever             give up: see DroppedError
//	ErrTooLarge   the layer does not take blobs of that size   split: see Chunked
//	ErrCorrupt    not the bytes that were put, or no name      ask again: another source may have them
//	ErrRefused    the layer does not serve such requests       an operator must look
var (
	ErrNotFound  = chain.ErrNotFound
	ErrTooLarge  = chain.ErrTooLarge
	ErrCorrupt   = chain.ErrCorrupt
	ErrBusy      = chain.ErrBusy
	ErrTransient = errors.New("transient failure")
	ErrFailover  = errors.New("layer is down, fail over")
	ErrDropped   = errors.New("blob is dropped")
	ErrRefused   = errors.New("refused")
)

// Final reports whether doing the same again can never go better: the blob is
// dropped or too large, or the object is another one than was wanted. What is not
// there or corrupt may come or heal, so the caller bounds those itself.
func Final(err error) bool {
	return errors.Is(err, ErrDropped) || errors.Is(err, ErrTooLarge) || errors.Is(err, chain.ErrMismatch)
}

// RetryAfter is how long the layer asked to be left alone; zero where it did not.
func RetryAfter(err error) time.Duration {
	var busy *BusyError
	if errors.As(err, &busy) {
		return busy.RetryAfter
	}
	return 0
}

// A BusyError is a layer that wants to be asked less. It matches ErrBusy and
// ErrTransient.
type BusyError struct {
	// RetryAfter is how long to wait; zero when the layer did not say. The clients
	// here believe at most ten minutes.
	RetryAfter time.Duration
	Msg        string // at most 256 bytes
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("layer is busy, again in %s: %q", e.RetryAfter, e.Msg)
}

// Is makes every BusyError match ErrBusy and ErrTransient.
func (e *BusyError) Is(target error) bool { return target == ErrBusy || target == ErrTransient }

// A DropCode says why a name is void.
type DropCode uint8

// The codes of EigenDA, as its proxy sends them with status 418
// (api/clients/v2/coretypes/derivation_errors.go).
const (
	DropUnparsed    DropCode = 1 + iota // the certificate does not parse
	DropStale                           // the certificate was too old when it was posted
	DropInvalid                         // the certificate does not verify
	DropUndecodable                     // the blob does not decode to a payload
)

// A DroppedError says that a rollup must go on as if nothing had been posted under
// the name: everyone who asks gets the same answer, for ever. It matches
// ErrDropped only.
type DroppedError struct {
	Code DropCode
	Msg  string // at most 256 bytes
}

func (e *DroppedError) Error() string {
	return fmt.Sprintf("blob is dropped, code %d: %q", e.Code, e.Msg)
}

// Is makes every DroppedError match ErrDropped.
func (e *DroppedError) Is(target error) bool { return target == ErrDropped }

// A StatusError is an answer over HTTP other than 200. It matches Kind.
type StatusError struct {
	Op   string // what was asked, such as "put"
	Code int    // HTTP status
	Body string // what the answer said, at most 256 bytes
	Kind error  // ErrTransient, ErrFailover, ErrNotFound, ErrTooLarge or ErrRefused
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%v: %s answered with status %d: %q", e.Kind, e.Op, e.Code, e.Body)
}

// Unwrap returns Kind.
func (e *StatusError) Unwrap() error { return e.Kind }

// excerptMax is how much of a stranger's words goes into an error, in bytes.
const excerptMax = 256

// Excerpt is what an error keeps of a layer's words: at most 256 bytes of valid
// UTF-8.
func Excerpt(body []byte) string {
	return strings.ToValidUTF8(string(body[:min(len(body), excerptMax)]), "")
}
