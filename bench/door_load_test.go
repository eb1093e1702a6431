package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"golang.org/x/sync/errgroup"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// The load at the door: ETH transfers of many senders, signed before the clock runs.
// Each sender has a lane of its own, in the order of its nonces.
const doorSenders = 256

// A doorSender sends to an account that nobody else sends to.
type doorSender struct {
	key     *ecdsa.PrivateKey
	address common.Address
	to      common.Address
	nonce   uint64
	last    common.Hash // of its newest transaction
}

func newDoorSenders() []*doorSender {
	senders := make([]*doorSender, doorSenders)
	for i := range senders {
		secret := chain.Keccak256(fmt.Appendf(nil, "vivace bench sender %d", i))
		key, err := crypto.ToECDSA(secret[:])
		if err != nil {
			panic(err) // one seed in 2^128
		}
		recipient := chain.Keccak256(fmt.Appendf(nil, "vivace bench recipient %d", i))
		senders[i] = &doorSender{key: key, address: crypto.PubkeyToAddress(key.PublicKey), to: common.BytesToAddress(recipient[12:])}
	}
	return senders
}

// sign makes the sender's next n transactions, of one wei each.
func (s *doorSender) sign(n int) [][]byte {
	signer := types.LatestSignerForChainID(big.NewInt(genesis.DevChainID))
	raws := make([][]byte, n)
	for i := range raws {
		tx := types.MustSignNewTx(s.key, signer, &types.DynamicFeeTx{
			ChainID: big.NewInt(genesis.DevChainID), Nonce: s.nonce, To: &s.to, Value: common.Big1, Gas: params.TxGas,
			GasFeeCap: big.NewInt(10_000 * params.GWei), GasTipCap: big.NewInt(params.GWei),
		})
		raws[i], _ = tx.MarshalBinary() // it was made from values
		s.nonce, s.last = s.nonce+1, tx.Hash()
	}
	return raws
}

// doorClient is HTTP as a good client uses it: connections that stay.
func doorClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}}
}

// post sends one JSON-RPC message, and returns the answer.
func post(ctx context.Context, client *http.Client, url string, body []byte, buf *bytes.Buffer) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	buf.Reset()
	if _, err := io.Copy(buf, res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK || bytes.Contains(buf.Bytes(), []byte(`"error"`)) {
		return nil, fmt.Errorf("%s: %.300s", res.Status, buf.Bytes())
	}
	return buf.Bytes(), nil
}

// A rpcCall is a JSON-RPC request.
type rpcCall struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

func marshal(calls []rpcCall) []byte {
	var v any = calls
	if len(calls) == 1 {
		v = calls[0]
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return b
}

// bodies are the requests that one worker sends one after the other: its senders'
// transactions, batch of them in each, with the method.
func bodies(senders []*doorSender, perSender, batch int, method string) [][]byte {
	lanes := make([][][]byte, len(senders))
	for i, s := range senders {
		lanes[i] = s.sign(perSender)
	}
	var (
		out   [][]byte
		calls []rpcCall
	)
	for n := range perSender {
		for i := range lanes {
			calls = append(calls, rpcCall{"2.0", len(calls) + 1, method, []any{hexutil.Bytes(lanes[i][n])}})
			if len(calls) == batch {
				out, calls = append(out, marshal(calls)), calls[:0]
			}
		}
	}
	if len(calls) > 0 {
		out = append(out, marshal(calls))
	}
	return out
}

// flood sends what every worker has, as fast as answers come back, and returns when
// all senders' nonces say that everything has executed.
func flood(ctx context.Context, url string, work [][][]byte, senders []*doorSender) error {
	client := doorClient(len(work))
	defer client.CloseIdleConnections()
	g, inner := errgroup.WithContext(ctx)
	for _, bodies := range work {
		g.Go(func() error {
			var buf bytes.Buffer
			for _, body := range bodies {
				if _, err := post(inner, client, url, body, &buf); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return awaitNonces(ctx, client, url, senders)
}

// awaitNonces polls until every sender's nonce is what it signed up to.
func awaitNonces(ctx context.Context, client *http.Client, url string, senders []*doorSender) error {
	return await(ctx, senders, func(some []*doorSender) (through int, err error) {
		var calls []rpcCall
		for i, s := range some {
			calls = append(calls, rpcCall{"2.0", i, "eth_getTransactionCount", []any{s.address, "latest"}})
		}
		nonces, err := ask[hexutil.Uint64](ctx, client, url, calls)
		for through < len(nonces) && uint64(nonces[through]) >= some[through].nonce {
			through++
		}
		return through, err
	})
}

// awaitReceipts polls until every sender's last transaction is in a block.
func awaitReceipts(ctx context.Context, url string, senders []*doorSender) error {
	client := doorClient(1)
	defer client.CloseIdleConnections()
	return await(ctx, senders, func(some []*doorSender) (through int, err error) {
		var calls []rpcCall
		for i, s := range some {
			calls = append(calls, rpcCall{"2.0", i, "eth_getTransactionReceipt", []any{s.last}})
		}
		receipts, err := ask[*struct{ BlockHash *common.Hash }](ctx, client, url, calls)
		for through < len(receipts) && receipts[through] != nil && receipts[through].BlockHash != nil {
			through++
		}
		return through, err
	})
}

// await polls until all senders are through. It asks for one until that one is, and
// then for the rest: who is slow is not also kept busy with questions.
func await(ctx context.Context, senders []*doorSender, question func([]*doorSender) (through int, err error)) error {
	for len(senders) > 0 {
		n, err := question(senders[:1])
		if n == 1 {
			n, err = question(senders)
		}
		if err != nil {
			return err
		}
		if senders = senders[n:]; n > 0 {
			continue
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("sender %s still waits: %w", senders[0].address, ctx.Err())
		}
	}
	return nil
}

// ask sends a batch and returns the results in the order of the calls.
func ask[T any](ctx context.Context, client *http.Client, url string, calls []rpcCall) ([]T, error) {
	body, err := json.Marshal(calls)
	if err != nil {
		return nil, err
	}
	answer, err := post(ctx, client, url, body, new(bytes.Buffer))
	if err != nil {
		return nil, err
	}
	var results []struct {
		ID     int
		Result T
	}
	if err := json.Unmarshal(answer, &results); err != nil {
		return nil, err
	}
	out := make([]T, len(results))
	for _, r := range results {
		if r.ID < 0 || r.ID >= len(out) {
			return nil, errors.New("an answer to a call that was not made")
		}
		out[r.ID] = r.Result
	}
	return out, nil
}

// checkBalances compares what the recipients have with what was sent: one wei for
// each transaction.
func checkBalances(ctx context.Context, url string, senders []*doorSender) error {
	client := doorClient(1)
	defer client.CloseIdleConnections()
	var calls []rpcCall
	for i, s := range senders {
		calls = append(calls, rpcCall{"2.0", i, "eth_getBalance", []any{s.to, "latest"}})
	}
	balances, err := ask[hexutil.Big](ctx, client, url, calls)
	if err != nil {
		return err
	}
	for i, s := range senders {
		if got := balances[i].ToInt(); !got.IsUint64() || got.Uint64() != s.nonce {
			return fmt.Errorf("recipient %d has %s wei, want %d", i, got, s.nonce)
		}
	}
	return nil
}

// paced sends the work at a rate, in an open loop: each request is due at a fixed
// time, and its latency counts from then if an earlier answer was late, or else from
// when it was sent: Go's timers are up to a millisecond late, which is not the server's.
// It returns the latencies, and those from when each request was due, timers included.
func paced(ctx context.Context, url string, work [][][]byte, rate int) (all, fromDue []time.Duration, err error) {
	var (
		client = doorClient(len(work))
		start  = time.Now().Add(50 * time.Millisecond)
		mu     sync.Mutex
	)
	defer client.CloseIdleConnections()
	g, ctx := errgroup.WithContext(ctx)
	for w, bodies := range work {
		g.Go(func() error {
			var (
				buf  bytes.Buffer
				took = make([]time.Duration, 0, len(bodies))
				late = make([]time.Duration, 0, len(bodies))
			)
			for i, body := range bodies {
				due := start.Add(time.Duration(i*len(work)+w) * time.Second / time.Duration(rate))
				from := due
				if wait := time.Until(from); wait > 0 {
					time.Sleep(wait)
					from = time.Now()
				}
				if _, err := post(ctx, client, url, body, &buf); err != nil {
					return err
				}
				end := time.Now()
				took, late = append(took, end.Sub(from)), append(late, end.Sub(due))
			}
			mu.Lock()
			defer mu.Unlock()
			all, fromDue = append(all, took...), append(fromDue, late...)
			return nil
		})
	}
	return all, fromDue, g.Wait()
}

// percentile of sorted durations.
func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p/100))]
}
