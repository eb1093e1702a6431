package work

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/vivace-chain/vivace/da"
)

// A request and an answer, as JSON-RPC 2.0 has them.
type (
	request struct {
		Version string `json:"jsonrpc"`
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  []any  `json:"params"`
	}
	answer struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
)

// callStamped calls a method whose last parameter is a stamp.
func (c *Client) callStamped(ctx context.Context, out any, most int, a ask, params ...any) error {
	stamp, err := a.stamp(c.cfg.ChainID, c.cfg.Signer, time.Now())
	if err != nil {
		return broken(ctx, err) // the key may be elsewhere
	}
	return c.call(ctx, out, most, a.method, append(params, stamp)...)
}

// call calls a method, and reads an answer of at most most bytes into out. See decoded
// for its errors; those of HTTP are like them.
func (c *Client) call(ctx context.Context, out any, most int, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(request{"2.0", 1, "prover_" + method, params})
	if err != nil {
		return err
	}
	limit := c.cfg.Timeout
	if method == "objects" {
		limit = c.cfg.ObjectsTimeout
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	raw, err := c.post(limited, body, most)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("prover_%s: %w", method, err)
	}
	if err := parse(raw, out); err != nil {
		return fmt.Errorf("prover_%s: %w", method, err)
	}
	return nil
}

func (c *Client) post(ctx context.Context, body []byte, most int) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	w, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return nil, transient(err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		excerpt, _ := io.ReadAll(io.LimitReader(w.Body, 1024))
		return nil, refused(w, excerpt)
	}
	if w.ContentLength > int64(most) {
		return nil, transient(fmt.Errorf("an answer of %d bytes, at most %d may be", w.ContentLength, most))
	}
	raw, err := io.ReadAll(io.LimitReader(w.Body, int64(most)+1))
	if err != nil {
		return nil, transient(err)
	}
	if len(raw) > most {
		return nil, transient(fmt.Errorf("an answer of more than %d bytes", most))
	}
	return raw, nil
}

func transient(err error) error { return fmt.Errorf("%w: %v", da.ErrTransient, err) }

// refused is an HTTP status that is not 200.
func refused(w *http.Response, body []byte) error {
	switch code := w.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(w.Header.Get("Retry-After"))
		return &da.BusyError{RetryAfter: time.Duration(min(max(seconds, 0), 600)) * time.Second, Msg: da.Excerpt(body)}
	case code >= 500 || code == http.StatusRequestTimeout:
		return &da.StatusError{Op: "post", Code: code, Body: da.Excerpt(body), Kind: da.ErrTransient}
	default:
		return &da.StatusError{Op: "post", Code: code, Body: da.Excerpt(body), Kind: da.ErrRefused}
	}
}

// parse reads an answer's result into out, or returns its error. What is no answer
// passes: something stands between us and the sequencer, or it is another version's.
func parse(raw []byte, out any) error {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return transient(err)
	}
	if a.Error != nil {
		return decoded(a.Error.Code, a.Error.Message)
	}
	if len(a.Result) == 0 || string(a.Result) == "null" {
		return transient(errors.New("an answer without a result"))
	}
	if err := json.Unmarshal(a.Result, out); err != nil {
		return transient(err)
	}
	return nil
}
