package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
)

// A remote is a role of which only the door is known.
type remote struct {
	name   string
	url    string
	client *rpc.Client
}

func dialRemote(ctx context.Context, name, url string) (*remote, error) {
	client, err := rpc.DialContext(ctx, url)
	if err != nil {
		return nil, err
	}
	return &remote{name, url, client}, nil
}

// codeBusy is a door's for a full pool: limit exceeded (EIP-1474).
const codeBusy = -32005

// submit sends a transaction and waits for its receipt, of which it returns the status.
func (r *remote) submit(ctx context.Context, raw []byte) (*chain.Receipt, error) {
	var receipt struct {
		Status hexutil.Uint64 `json:"status"`
	}
	err := r.client.CallContext(ctx, &receipt, "realtime_sendRawTransaction", hexutil.Bytes(raw))
	var coded rpc.Error
	if errors.As(err, &coded) && coded.ErrorCode() == codeBusy {
		return nil, fmt.Errorf("%w: %w", chain.ErrBusy, err)
	}
	return &chain.Receipt{Status: uint64(receipt.Status)}, err
}

func (r *remote) pendingNonce(who common.Address) (uint64, error) {
	var n hexutil.Uint64
	err := r.client.Call(&n, "eth_getTransactionCount", who, "pending")
	return uint64(n), err
}

// A sealed is what a door says of a block.
type sealed struct {
	Number    hexutil.Uint64 `json:"number"`
	Hash      common.Hash    `json:"hash"`
	StateRoot common.Hash    `json:"stateRoot"`
}

// block asks for a block by its number or tag. The error matches chain.ErrNotFound if
// there is none.
func (r *remote) block(at any) (*sealed, error) {
	var b *sealed
	if err := r.client.Call(&b, "eth_getBlockByNumber", at, false); err != nil {
		return nil, fmt.Errorf("%s: block %v: %w", r.name, at, err)
	}
	if b == nil {
		return nil, fmt.Errorf("%s: %w: block %v", r.name, chain.ErrNotFound, at)
	}
	return b, nil
}

// reached reports whether the block of a tag is number, or after it.
func (r *remote) reached(tag string, number uint64) bool {
	b, err := r.block(tag)
	return err == nil && uint64(b.Number) >= number
}

// metrics reads the numbers without labels of the role's page for Prometheus.
func (r *remote) metrics() (map[string]float64, error) {
	response, err := http.Get(r.url + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	out := make(map[string]float64)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		var value float64
		if ok && !strings.HasPrefix(name, "#") && json.Unmarshal([]byte(text), &value) == nil {
			out[name] = value
		}
	}
	return out, lines.Err()
}
