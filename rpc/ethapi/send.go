package ethapi

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// errUnknownAccount is what go-ethereum says when it is to sign for an account of
// which it has no key. Here that is every one.
var errUnknownAccount = errors.New("unknown account")

// SendRawTransaction is eth_sendRawTransaction: it hands the transaction over and
// does not wait for it. Blob transactions may come with their blobs, which are
// checked against the hashes and dropped; see wire.Envelope. Unlike go-ethereum's
// default, a legacy transaction that is signed for no chain is taken: deterministic
// deployers are such.
func (a *API) SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (common.Hash, error) {
	envelope, err := wire.Envelope(raw)
	if err != nil {
		return common.Hash{}, err
	}
	hash, err := a.backend.Send(ctx, envelope)
	return hash, wire.SendError(err)
}

// SendTransaction is eth_sendTransaction, which needs a key.
func (a *API) SendTransaction(json.RawMessage) (common.Hash, error) {
	return common.Hash{}, errUnknownAccount
}

// SignTransaction is eth_signTransaction, which needs a key.
func (a *API) SignTransaction(json.RawMessage) (any, error) { return nil, errUnknownAccount }

// Sign is eth_sign, which needs a key.
func (a *API) Sign(common.Address, hexutil.Bytes) (hexutil.Bytes, error) {
	return nil, errUnknownAccount
}

// PendingTransactions is eth_pendingTransactions: those of the node's own accounts,
// of which there are none.
func (a *API) PendingTransactions() []*wire.Transaction { return []*wire.Transaction{} }
