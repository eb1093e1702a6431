package altda

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// Config of a Client. URL is required.
type Config struct {
	// URL is where the server is, such as "http://127.0.0.1:3100".
	URL string
	// Mode says who makes the commitment of a Put. A Client reads its own mode only.
	Mode Mode
	// MaxBlob is the largest blob in bytes, for Put and Get. Default 128 MiB.
	MaxBlob int
	// PutTimeout and GetTimeout end an exchange. Defaults 60 and 30 seconds.
	PutTimeout time.Duration
	GetTimeout time.Duration
	// HTTP is what to send requests with; nil is a client of the package's own. Its
	// CheckRedirect is not used.
	HTTP *http.Client
}

// maxBlobDefault is the largest blob that clients and servers take unless told.
const maxBlobDefault = 128 << 20

func (c Config) withDefaults() Config {
	if c.MaxBlob <= 0 {
		c.MaxBlob = maxBlobDefault
	}
	if c.PutTimeout <= 0 {
		c.PutTimeout = time.Minute
	}
	if c.GetTimeout <= 0 {
		c.GetTimeout = 30 * time.Second
	}
	return c
}

// A Client implements chain.DAClient over an alt-DA server. It may be used
// concurrently, and needs no closing.
//
// In mode Keccak a BlobID is the commitment, 33 bytes; in mode Generic it is the
// commitment as received, then keccak256 of the blob.
type Client struct {
	config Config
	rest   *rest.Client
}

var _ chain.DAClient = (*Client)(nil)

// New returns a client. It asks nothing of the server.
func New(config Config) (*Client, error) {
	if !config.Mode.known() {
		return nil, fmt.Errorf("altda: mode %d is not known", config.Mode)
	}
	client, err := rest.New(config.URL, config.HTTP)
	if err != nil {
		return nil, fmt.Errorf("altda: %w", err)
	}
	return &Client{config: config.withDefaults(), rest: client}, nil
}

// Put implements chain.DAClient.
func (c *Client) Put(ctx context.Context, blob []byte) (chain.BlobID, error) {
	if len(blob) > c.config.MaxBlob {
		return nil, fmt.Errorf("%w: altda: blob of %d bytes, at most %d allowed", chain.ErrTooLarge, len(blob), c.config.MaxBlob)
	}
	var (
		known []byte
		path  = "/put"
	)
	if c.config.Mode == Keccak {
		known = appendKeccak(nil, blob)
		path += "/0x" + hex.EncodeToString(known)
	}
	answer, err := c.rest.Do(ctx, rest.Request{
		Op: "put", Method: http.MethodPost, Path: path, Body: blob,
		Timeout: c.config.PutTimeout, Limit: commitmentMax, On400: da.ErrTooLarge,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("altda: %w", err)
	case c.config.Mode == Keccak:
		return known, nil // whatever the answer says
	case len(answer) == 0:
		return nil, fmt.Errorf("%w: altda: put: the answer is empty", da.ErrTransient)
	}
	if err := checkGeneric(answer); err != nil {
		return nil, fmt.Errorf("altda: put: %w", err)
	}
	return da.Bind(answer, blob), nil
}

// Get implements chain.DAClient. An id that no server can have given is ErrNotFound
// without asking.
func (c *Client) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	commitment, hash, ok := c.parse(id)
	if !ok {
		return nil, fmt.Errorf("%w: altda: no commitment of this mode is in an id of %d bytes", chain.ErrNotFound, len(id))
	}
	request := rest.Request{
		Op: "get", Method: http.MethodGet, Path: "/get/0x" + hex.EncodeToString(commitment),
		Timeout: c.config.GetTimeout, Limit: c.config.MaxBlob, On400: da.ErrRefused,
	}
	if c.config.Mode == Keccak {
		// EigenDA's proxy says so of a key that it does not have (common/proxyerrors/4xx.go).
		request.On400 = da.ErrNotFound
	}
	blob, err := c.rest.Do(ctx, request)
	if err == nil {
		err = da.CheckBlob(blob, hash)
	}
	if err != nil {
		return nil, fmt.Errorf("altda: blob %s: %w", hash, err)
	}
	return blob, nil
}

func (c *Client) parse(id chain.BlobID) (commitment []byte, hash common.Hash, ok bool) {
	if c.config.Mode == Keccak {
		hash, ok = parseKeccak(id)
		return id, hash, ok
	}
	commitment, hash, ok = da.Unbind(id)
	return commitment, hash, ok && len(commitment) <= commitmentMax && checkGeneric(commitment) == nil
}
