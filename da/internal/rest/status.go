package rest

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vivace-chain/vivace/da"
)

// retryAfterMax is the longest pause that a server can ask for.
const retryAfterMax = 10 * time.Minute

// statusError is what an answer with a status other than 200 means.
func statusError(r *Request, code int, header http.Header, body []byte) error {
	said := da.Excerpt(body)
	kind := da.ErrRefused
	switch {
	case code == http.StatusTooManyRequests:
		return &da.BusyError{RetryAfter: retryAfter(header.Get("Retry-After"), time.Now()), Msg: said}
	case code == http.StatusTeapot:
		// A name is given up on a well-formed word only. On a put there is no name yet.
		if dropped := parseDropped(body); dropped != nil && r.Method == http.MethodGet {
			return dropped
		}
		kind = da.ErrTransient
	case code == http.StatusServiceUnavailable:
		kind = da.ErrFailover
	case code == http.StatusBadRequest && r.On400 != nil:
		kind = r.On400
	case code == http.StatusRequestEntityTooLarge:
		kind = da.ErrTooLarge
	case (code == http.StatusNotFound || code == http.StatusGone) && r.Method == http.MethodGet:
		kind = da.ErrNotFound
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		kind = da.ErrTransient
	}
	return &da.StatusError{Op: r.Op, Code: code, Body: said, Kind: kind}
}

// teapot is the body of an answer with status 418: DerivationError of EigenDA's
// api/clients/v2/coretypes/derivation_errors.go.
type teapot struct {
	StatusCode da.DropCode
	Msg        string
}

func parseDropped(body []byte) *da.DroppedError {
	var t teapot
	if err := json.Unmarshal(body, &t); err != nil || t.StatusCode < da.DropUnparsed || t.StatusCode > da.DropUndecodable {
		return nil
	}
	return &da.DroppedError{Code: t.StatusCode, Msg: da.Excerpt([]byte(t.Msg))}
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return min(time.Duration(min(seconds, math.MaxInt32))*time.Second, retryAfterMax)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), retryAfterMax))
	}
	return 0
}

// WriteError answers with the status that a Client reads the same error from.
func WriteError(w http.ResponseWriter, err error) {
	var dropped *da.DroppedError
	code := http.StatusInternalServerError
	switch {
	case errors.As(err, &dropped):
		body, _ := json.Marshal(teapot{dropped.Code, dropped.Msg}) // it cannot fail
		http.Error(w, string(body), http.StatusTeapot)
		return
	case errors.Is(err, da.ErrBusy):
		code = http.StatusTooManyRequests
		if pause := da.RetryAfter(err); pause > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(pause.Seconds()))))
		}
	case errors.Is(err, da.ErrFailover):
		code = http.StatusServiceUnavailable
	case errors.Is(err, da.ErrNotFound):
		code = http.StatusNotFound
	case errors.Is(err, da.ErrTooLarge):
		code = http.StatusRequestEntityTooLarge
	}
	http.Error(w, da.Excerpt([]byte(err.Error())), code)
}

// WriteBlob answers with a blob.
func WriteBlob(w http.ResponseWriter, blob []byte) error {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
	_, err := w.Write(blob)
	return err
}
