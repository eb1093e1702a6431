package eigenda

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// MaxPayload is what EigenDA's largest blob, 16 MiB, holds in bytes: 31 of every 32
// bytes, less a header of 32 (encoding/codec/README.md, line 40).
const MaxPayload = 16_252_897

// commitmentMax bounds the answer to a put, in bytes. A certificate is a few KiB and
// grows with the operators that did not sign.
const commitmentMax = 64 << 10

// A Mode says which of the proxy's interfaces to use, and with it the form of
// commitments.
type Mode uint8

// The modes.
const (
	Standard  Mode = iota // version, certificate
	OPGeneric             // 0x01 0x00 version, certificate: what OP's nodes read
)

// Config of a Client. URL is required.
type Config struct {
	// URL is where the proxy is, such as "http://127.0.0.1:3100".
	URL  string
	Mode Mode
	// MaxPayload is the largest blob in bytes, for Put and Get. Default and at most
	// the constant of that name. A proxy may take less: see Client.Info.
	MaxPayload int
	// PutTimeout ends a Put. Default 2 minutes: the proxy tries three times, for 30
	// seconds each, to get a blob certified (docs/help_out.txt). One that is cut off
	// may have been paid for.
	PutTimeout time.Duration
	// GetTimeout ends a Get, Health or Info. Default 30 seconds.
	GetTimeout time.Duration
	// HTTP is what to send requests with; nil is a client of the package's own. Its
	// CheckRedirect is not used.
	HTTP *http.Client
}

func (c Config) withDefaults() Config {
	if c.MaxPayload <= 0 || c.MaxPayload > MaxPayload {
		c.MaxPayload = MaxPayload
	}
	if c.PutTimeout <= 0 {
		c.PutTimeout = 2 * time.Minute
	}
	if c.GetTimeout <= 0 {
		c.GetTimeout = 30 * time.Second
	}
	return c
}

// A Client implements chain.DAClient over a proxy. It may be used concurrently, and
// needs no closing.
type Client struct {
	config Config
	mode   *mode
	rest   *rest.Client
}

var _ chain.DAClient = (*Client)(nil)

// New returns a client. It asks nothing of the proxy.
func New(config Config) (*Client, error) {
	if int(config.Mode) >= len(modes) {
		return nil, fmt.Errorf("eigenda: mode %d is not known", config.Mode)
	}
	client, err := rest.New(config.URL, config.HTTP)
	if err != nil {
		return nil, fmt.Errorf("eigenda: %w", err)
	}
	return &Client{config: config.withDefaults(), mode: &modes[config.Mode], rest: client}, nil
}

// Put implements chain.DAClient. It returns when the proxy has a certificate for the
// blob. The same blob put twice is paid for twice and has two ids.
func (c *Client) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	if len(blob) > c.config.MaxPayload {
		return nil, fmt.Errorf("%w: eigenda: blob of %d bytes, at most %d allowed", chain.ErrTooLarge, len(blob), c.config.MaxPayload)
	}
	answer, err := c.rest.Do(ctx, rest.Request{
		Op: "put", Method: http.MethodPost, Path: "/put" + c.mode.query, Body: blob,
		Timeout: c.config.PutTimeout, Limit: commitmentMax, On400: da.ErrTooLarge,
	})
	if err == nil && len(answer) == 0 {
		err = fmt.Errorf("%w: put: the answer is empty", da.ErrTransient)
	}
	if err != nil {
		return nil, fmt.Errorf("eigenda: %w", err)
	}
	if err := c.mode.check(answer); err != nil {
		return nil, fmt.Errorf("eigenda: put: %w", err)
	}
	return da.Bind(answer, blob), nil
}

// Get implements chain.DAClient. An id that no proxy can have given is ErrNotFound
// without asking.
func (c *Client) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	commitment, hash, ok := da.Unbind(id)
	if !ok || len(commitment) > commitmentMax || c.mode.check(commitment) != nil {
		return nil, fmt.Errorf("%w: eigenda: no commitment of this mode is in an id of %d bytes", chain.ErrNotFound, len(id))
	}
	blob, err := c.rest.Do(ctx, rest.Request{
		Op: "get", Method: http.MethodGet, Path: "/get/0x" + hex.EncodeToString(commitment) + c.mode.query,
		Timeout: c.config.GetTimeout, Limit: c.config.MaxPayload, On400: da.ErrRefused,
	})
	if err == nil {
		err = da.CheckBlob(blob, hash)
	}
	switch {
	case err == nil:
		return blob, nil
	case c.mode.version(commitment) == versionV1 && isInternal(err):
		return nil, fmt.Errorf("%w: eigenda: blob %s: EigenDA V1 is gone, and with it what was put there: %v", chain.ErrNotFound, hash, err)
	}
	return nil, fmt.Errorf("eigenda: blob %s: %w", hash, err)
}

// isInternal reports whether the proxy itself failed.
func isInternal(err error) bool {
	var status *da.StatusError
	return errors.As(err, &status) && status.Code == http.StatusInternalServerError
}
