package wire_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func gethBlobFee(h *types.Header) *big.Int { return eip4844.CalcBlobFee(config, h) }

func TestSendError(t *testing.T) {
	elsewhere := &wire.Error{Code: -32000, Message: "busy: from elsewhere", Err: chain.ErrBusy}
	for _, test := range []struct {
		err  error
		code int
		text string
	}{
		{fmt.Errorf("%w: nonce too low: tx: 1 state: 2", chain.ErrInvalidTx), -32000, "nonce too low: tx: 1 state: 2"},
		{fmt.Errorf("%w: already known", chain.ErrInvalidTx), -32000, "already known"},
		{fmt.Errorf("%w: have 1 want 2", execution.ErrInsufficientFunds), -32000, "insufficient funds for gas * price + value: have 1 want 2"},
		{fmt.Errorf("%w: 100 wait", chain.ErrBusy), -32005, "txpool is full: 100 wait"},
		{fmt.Errorf("%w: 200000 bytes", chain.ErrTooLarge), -32000, "oversized data: 200000 bytes"},
		{chain.ErrClosed, -32000, "node is shutting down: closed"},
		{elsewhere, -32000, "busy: from elsewhere"},
	} {
		err := wire.SendError(test.err)
		coded, ok := err.(rpc.Error)
		if !ok || coded.ErrorCode() != test.code || err.Error() != test.text || !errors.Is(err, test.err) {
			t.Errorf("%v: got %#v", test.err, err)
		}
	}
	other := errors.New("other")
	if wire.SendError(nil) != nil || wire.SendError(other) != other {
		t.Error("what is no reason was altered")
	}
}

func TestErrorf(t *testing.T) {
	err := wire.InvalidParams("%w: %d keys", chain.ErrTooLarge, 5)
	if err.ErrorCode() != -32602 || err.Error() != "too large: 5 keys" || !errors.Is(err, chain.ErrTooLarge) || err.ErrorData() != nil {
		t.Errorf("got %#v", err)
	}
}

// sidecar is a blob transaction with its blob, in the network's form.
func sidecar(t testing.TB, alter func(*types.BlobTx)) []byte {
	t.Helper()
	blob := new(kzg4844.Blob)
	commitment := kzg4844.Commitment{0xc0} // of the zero polynomial
	tx := &types.BlobTx{
		ChainID: uint256.MustFromBig(config.ChainID), Gas: 21000, GasFeeCap: uint256.NewInt(1), GasTipCap: uint256.NewInt(1), Value: new(uint256.Int),
		BlobFeeCap: uint256.NewInt(1),
		Sidecar:    types.NewBlobTxSidecar(types.BlobSidecarVersion0, []kzg4844.Blob{*blob}, []kzg4844.Commitment{commitment}, []kzg4844.Proof{{0xc0}}),
	}
	tx.BlobHashes = tx.Sidecar.BlobHashes()
	alter(tx)
	raw, err := sign(t, types.BlobTxType, tx).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEnvelope(t *testing.T) {
	network := sidecar(t, func(*types.BlobTx) {})
	envelope, err := wire.Envelope(network)
	if err != nil {
		t.Fatal(err)
	}
	full := new(types.Transaction)
	if err := full.UnmarshalBinary(network); err != nil {
		t.Fatal(err)
	}
	tx := chain.NewTx(envelope)
	if tx.Hash() != full.Hash() || len(envelope) > 500 {
		t.Errorf("got %d bytes with hash %s, want hash %s", len(envelope), tx.Hash(), full.Hash())
	}
	if _, err := execution.Decode(tx); err != nil {
		t.Errorf("not canonical: %v", err)
	}
	for _, raw := range [][]byte{nil, {}, {2, 1}, {0xc0}, envelope} {
		if got, err := wire.Envelope(raw); err != nil || string(got) != string(raw) {
			t.Errorf("%x: got %x, %v", raw, got, err)
		}
	}
	for name, raw := range map[string][]byte{
		"hash of another blob": sidecar(t, func(tx *types.BlobTx) { tx.BlobHashes = []common.Hash{{1}} }),
		"a blob too few":       sidecar(t, func(tx *types.BlobTx) { tx.BlobHashes = append(tx.BlobHashes, tx.BlobHashes...) }),
		"truncated":            network[:len(network)-1],
	} {
		if _, err := wire.Envelope(raw); !errors.Is(err, chain.ErrInvalidTx) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
