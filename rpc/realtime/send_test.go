package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

const (
	realtimeSend = "realtime_sendRawTransaction"
	syncSend     = "eth_sendRawTransactionSync"
)

func call(client *rpc.Client, method string, args ...any) (map[string]any, error) {
	var out map[string]any
	err := client.Call(&out, method, args...)
	return out, err
}

func raw(tx *chain.Tx) hexutil.Bytes { return tx.Raw() }

// requireError checks what a client sees of an error.
func requireError(t *testing.T, err error, code int, text string, data any) {
	t.Helper()
	require.Error(t, err)
	require.Contains(t, err.Error(), text)
	coded := rpc.Error(nil)
	require.ErrorAs(t, err, &coded)
	require.Equal(t, code, coded.ErrorCode())
	var got any
	if withData := rpc.DataError(nil); errors.As(err, &withData) {
		got = withData.ErrorData()
	}
	require.Equal(t, data, got)
}

func TestReceiptInTheAnswer(t *testing.T) {
	for _, method := range []string{realtimeSend, syncSend} {
		t.Run(method, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{}, false)
			client := d.dial()
			d.node.Seal()
			first := d.emit(0, 1, 2, 0)
			receipt, err := call(client, method, raw(first))
			require.NoError(t, err)
			require.Equal(t, first.Hash().Hex(), receipt["transactionHash"])
			require.Equal(t, "0x1", receipt["status"])
			require.Equal(t, "0x2", receipt["blockNumber"])
			require.Equal(t, "0x0", receipt["transactionIndex"])
			require.Contains(t, receipt, "blockHash")
			require.Nil(t, receipt["blockHash"])
			log := receipt["logs"].([]any)[0].(map[string]any)
			require.Nil(t, log["blockHash"])
			require.Equal(t, "0x0", log["logIndex"])

			second, err := call(client, method, raw(d.emit(0, 1, 3, 0)))
			require.NoError(t, err)
			require.Equal(t, "0x1", second["transactionIndex"])

			// Who sends again gets the same receipt, now with what the seal brought
			// and otherwise unchanged.
			header := d.node.Seal()
			again, err := call(client, method, raw(first))
			require.NoError(t, err)
			require.Equal(t, header.Hash().Hex(), again["blockHash"])
			again["blockHash"] = nil
			again["logs"].([]any)[0].(map[string]any)["blockHash"] = nil
			require.Equal(t, receipt, again)
		})
	}
}

func TestSentAgainWhileItWaits(t *testing.T) {
	d := open(t, rpctest.Options{Hold: true}, Config{}, false)
	client := d.dial()
	tx := d.emit(0, 1, 2, 0)
	done := make(chan error)
	for range 2 {
		go func() {
			receipt, err := call(client, realtimeSend, raw(tx))
			if err == nil && receipt["transactionHash"] != tx.Hash().Hex() {
				err = fmt.Errorf("receipt %v", receipt)
			}
			done <- err
		}()
	}
	eventually(t, "in the pool", func() bool {
		waiting, err := d.node.PoolTx(context.Background(), tx.Hash())
		return err == nil && waiting != nil
	})
	time.Sleep(20 * time.Millisecond) // for the second to meet the first
	d.node.Mini()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
}

func TestTimeout(t *testing.T) {
	d := open(t, rpctest.Options{Hold: true}, Config{
		SyncTimeout: 30 * time.Millisecond, SyncTimeoutMax: 60 * time.Millisecond, RealtimeTimeout: 40 * time.Millisecond,
	}, false)
	client := d.dial()
	// The second of two sends waits for the first.
	first := raw(d.node.Transfer(0, common.Address{1}, 1))
	for _, args := range [][]any{{first}, {first, 20}, {first, "0x14"}, {first, nil}} {
		begin := time.Now()
		_, err := call(client, realtimeSend, args...)
		requireError(t, err, wire.CodeServer, "realtime transaction expired", chain.Keccak256(first).Hex())
		require.EqualError(t, err, Expired, "MegaETH's words, and no others")
		require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
	}
	_, err := call(client, syncSend, first, 20)
	requireError(t, err, 4, "wasn't processed in 20ms", chain.Keccak256(first).Hex())

	for i, test := range []struct {
		args []any
		text string
	}{
		{nil, "30ms"},
		{[]any{nil}, "30ms"},
		{[]any{0}, "30ms"},
		{[]any{"0x0"}, "30ms"},
		{[]any{20}, "20ms"},
		{[]any{"0x14"}, "20ms"},
		{[]any{3_600_000}, "60ms"},
		{[]any{"0xffffffffffffffffff"}, "60ms"},
	} {
		tx := d.node.Transfer(1+i, common.Address{1}, 1)
		begin := time.Now()
		_, err := call(client, syncSend, append([]any{raw(tx)}, test.args...)...)
		requireError(t, err, 4, "wasn't processed in "+test.text, tx.Hash().Hex())
		wait, parseErr := time.ParseDuration(test.text)
		require.NoError(t, parseErr)
		require.GreaterOrEqual(t, time.Since(begin), wait)
	}
	for _, bad := range []any{-1, 1.5, "20", "x", true, []int{1}} {
		_, err := call(client, syncSend, raw(d.node.Transfer(9, common.Address{1}, 1)), bad)
		requireError(t, err, wire.CodeInvalidParams, "invalid argument 1", nil)
	}
	// What timed out waits, and executes all the same.
	pool, err := d.node.Pool(context.Background())
	require.NoError(t, err)
	require.Len(t, pool.Pending, 9)
	d.node.Mini()
	for _, waited := range pool.Pending {
		_, _, err := d.node.History().Tx(waited.Tx.Hash())
		require.NoError(t, err)
	}
}

func TestNonceGap(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{RealtimeTimeout: 5 * time.Second}, false)
	client := d.dial()
	first, second, third := d.emit(0, 1, 1, 0), d.emit(0, 1, 2, 0), d.emit(0, 1, 3, 0)

	_, err := call(client, syncSend, raw(second))
	requireError(t, err, 6, "nonce gap", "0x0")
	waiting, err := d.node.PoolTx(context.Background(), second.Hash())
	require.NoError(t, err)
	require.Nil(t, waiting, "EIP-7966: not added to the pool")

	_, err = call(client, syncSend, raw(first))
	require.NoError(t, err)
	_, err = call(client, syncSend, raw(third))
	requireError(t, err, 6, "nonce gap", "0x1")

	// realtime_sendRawTransaction waits for the one before.
	done := make(chan error)
	go func() {
		_, err := call(client, realtimeSend, raw(third))
		done <- err
	}()
	eventually(t, "in the pool", func() bool {
		waiting, err := d.node.PoolTx(context.Background(), third.Hash())
		return err == nil && waiting != nil
	})
	_, err = call(client, syncSend, raw(second))
	require.NoError(t, err)
	require.NoError(t, <-done)
}

func TestGapThatThePoolFills(t *testing.T) {
	d := open(t, rpctest.Options{Hold: true}, Config{SyncTimeout: 20 * time.Millisecond}, false)
	client := d.dial()
	first, second := d.emit(0, 1, 1, 0), d.emit(0, 1, 2, 0)
	_, err := d.node.Send(context.Background(), first.Raw())
	require.NoError(t, err)
	_, err = call(client, syncSend, raw(second))
	requireError(t, err, 4, "wasn't processed", second.Hash().Hex())
}

func TestRefusals(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	tx := d.node.Transfer(0, common.Address{1}, 1)
	for _, test := range []struct {
		name string
		err  error
		sync int
		text string
		data any
	}{
		{"full", fmt.Errorf("%w: pool", chain.ErrBusy), 5, "txpool is full", tx.Hash().Hex()},
		{"closed", fmt.Errorf("stopped: %w", chain.ErrClosed), 5, "shutting down", tx.Hash().Hex()},
		{"too large", fmt.Errorf("%w: 1 byte", chain.ErrTooLarge), wire.CodeServer, "oversized data", nil},
		{"invalid", fmt.Errorf("%w: nonce too low", chain.ErrInvalidTx), wire.CodeServer, "nonce too low", nil},
		{"elsewhere", &wire.Error{Code: -32003, Message: "no", Data: "why"}, -32003, "no", "why"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.node.Refuse(test.err)
			defer d.node.Refuse(nil)
			_, err := call(client, syncSend, raw(tx))
			requireError(t, err, test.sync, test.text, test.data)
			_, err = call(client, realtimeSend, raw(tx))
			require.ErrorContains(t, err, test.text)
		})
	}
	for _, method := range []string{realtimeSend, syncSend} {
		_, err := call(client, method, hexutil.Bytes{1, 2, 3})
		requireError(t, err, wire.CodeServer, "decoded", nil)
		_, err = call(client, method)
		requireError(t, err, wire.CodeInvalidParams, "missing value", nil)
	}
}

// TestBlobs: clients send blob transactions with their blobs.
func TestBlobs(t *testing.T) {
	network, envelope := blobTx(t)
	hash := chain.Keccak256(envelope).Hex()
	for _, form := range []hexutil.Bytes{network, envelope} {
		d := open(t, rpctest.Options{Hold: true}, Config{}, false)
		client := d.dial()
		_, err := call(client, syncSend, form, 1)
		requireError(t, err, 4, "wasn't processed", hash)
		d.node.Refuse(chain.ErrBusy)
		_, err = call(client, syncSend, form)
		requireError(t, err, 5, "txpool is full", hash)
		d.node.Refuse(nil)
		d.node.Mini()
		for _, method := range []string{realtimeSend, syncSend} {
			receipt, err := call(client, method, form)
			require.NoError(t, err)
			require.Equal(t, hash, receipt["transactionHash"])
			require.Equal(t, "0x3", receipt["type"])
		}
	}
	for _, method := range []string{realtimeSend, syncSend} {
		d := open(t, rpctest.Options{}, Config{}, false)
		_, err := call(d.dial(), method, network[:len(network)-1])
		requireError(t, err, wire.CodeServer, "rlp", nil)
	}
}

// blobTx is account 0's first transaction, with a blob, as clients send it and as
// blocks have it.
func blobTx(t *testing.T) (network, envelope hexutil.Bytes) {
	t.Helper()
	d := open(t, rpctest.Options{}, Config{}, false)
	blob := new(kzg4844.Blob)
	commitment, err := kzg4844.BlobToCommitment(blob)
	require.NoError(t, err)
	proof, err := kzg4844.ComputeBlobProof(blob, commitment)
	require.NoError(t, err)
	sidecar := types.NewBlobTxSidecar(types.BlobSidecarVersion0,
		[]kzg4844.Blob{*blob}, []kzg4844.Commitment{commitment}, []kzg4844.Proof{proof})
	tx, err := types.SignNewTx(rpctest.AccountAt(0).Key, types.LatestSigner(d.node.ChainConfig()), &types.BlobTx{
		ChainID: uint256.MustFromBig(d.node.ChainConfig().ChainID), Gas: 21_000, To: common.Address{1},
		GasTipCap: uint256.NewInt(1e9), GasFeeCap: uint256.NewInt(1e11), BlobFeeCap: uint256.NewInt(1e9),
		BlobHashes: sidecar.BlobHashes(), Sidecar: sidecar,
	})
	require.NoError(t, err)
	network, err = tx.MarshalBinary()
	require.NoError(t, err)
	envelope, err = tx.WithoutBlobTxSidecar().MarshalBinary()
	require.NoError(t, err)
	return network, envelope
}

// Who sends again what waits rests until it is executed.
func TestSentAgainRests(t *testing.T) {
	d := open(t, rpctest.Options{Hold: true}, Config{}, false)
	tx := d.node.Transfer(0, common.Address{1}, 1)
	_, err := d.node.Send(t.Context(), tx.Raw())
	require.NoError(t, err)
	rests := 0
	ctx := sched.WithRest(t.Context(), func() { rests++; d.node.Mini() })
	receipt, err := d.service.submit(ctx, tx.Raw(), time.Minute)
	require.NoError(t, err)
	require.NotNil(t, receipt)
	require.Equal(t, 1, rests)
}

// A caller who is gone is not told that the time is over.
func TestCallerGone(t *testing.T) {
	d := open(t, rpctest.Options{Hold: true}, Config{}, false)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := d.service.submit(ctx, d.node.Transfer(0, common.Address{1}, 1).Raw(), time.Minute)
	require.ErrorIs(t, err, context.Canceled)
}

func BenchmarkSend(b *testing.B) {
	for _, method := range []string{realtimeSend, syncSend} {
		b.Run(method, func(b *testing.B) {
			d := open(b, rpctest.Options{}, Config{}, false)
			txs := make([]hexutil.Bytes, b.N)
			for i := range txs {
				txs[i] = raw(d.node.Transfer(0, common.Address{1}, 1))
			}
			eth, rt := d.service.Eth(false), d.service.Realtime()
			b.ResetTimer()
			for i := range b.N {
				var (
					receipt json.Marshaler
					err     error
				)
				if method == syncSend {
					receipt, err = eth.SendRawTransactionSync(b.Context(), txs[i], nil)
				} else {
					receipt, err = rt.SendRawTransaction(b.Context(), txs[i], nil)
				}
				if err != nil {
					b.Fatal(err)
				}
				if _, err := json.Marshal(receipt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
