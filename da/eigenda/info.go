package eigenda

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/internal/rest"
)

// Info is what a proxy says of itself (common/compatibility_config.go).
type Info struct {
	Version string `json:"version"`
	// ChainID is of the L1 that the proxy is connected to; empty for a memstore.
	ChainID string `json:"chain_id"`
	// MaxPayload is the largest blob that it takes, in bytes: good for
	// Config.MaxPayload.
	MaxPayload uint32 `json:"max_payload_size_bytes"`
	// APIs are the interfaces that are on, such as "standard" and "op-generic".
	APIs []string `json:"apis_enabled"`
	// ReadOnly: it has no key to pay with, and takes no blobs.
	ReadOnly bool `json:"read_only_mode"`
}

const infoMax = 64 << 10 // bytes

// Health asks the proxy whether it runs. That says nothing about EigenDA. The errors
// are those of Get.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.ask(ctx, "health")
	return err
}

// Info asks the proxy what it is set up for. The errors are those of Get, ErrCorrupt
// for an answer that is not one.
func (c *Client) Info(ctx context.Context) (*Info, error) {
	body, err := c.ask(ctx, "config")
	if err != nil {
		return nil, err
	}
	return parseInfo(body)
}

func parseInfo(body []byte) (*Info, error) {
	info := new(Info)
	if err := json.Unmarshal(body, info); err != nil {
		return nil, &chain.CorruptError{What: "config of EigenDA's proxy", Offset: -1, Err: err}
	}
	return info, nil
}

func (c *Client) ask(ctx context.Context, what string) ([]byte, error) {
	body, err := c.rest.Do(ctx, rest.Request{
		Op: what, Method: http.MethodGet, Path: "/" + what, Timeout: c.config.GetTimeout, Limit: infoMax,
	})
	if err != nil {
		return nil, fmt.Errorf("eigenda: %w", err)
	}
	return body, nil
}
