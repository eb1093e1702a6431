package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/examples/internal/cli"
)

// SIGTERM under load: what executed is answered with a receipt, what comes later finds
// no door, the process ends well, and the next one has everything, in sealed blocks, and
// nothing else.
func TestDrain(t *testing.T) {
	bin, port := build(t), freePort(t)
	url := "http://127.0.0.1:" + port
	args := append(places(t), "-http.port", port, "-base-fee", "1000000000")
	load, err := cli.DevLoad()
	require.NoError(t, err)

	s := start(t, filepath.Join(bin, "sequencer"), args...)
	s.line(t, "sequencer of chain")
	var (
		clients []*client
		wg      sync.WaitGroup
		mu      sync.Mutex
		answers []string
	)
	for _, lane := range load.Lanes(8) {
		c := &client{url: url, lane: lane, nonces: make(map[common.Address]uint64)}
		clients = append(clients, c)
		wg.Go(func() {
			err := c.untilRefused(t.Context())
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, err.Error())
		})
	}
	time.Sleep(500 * time.Millisecond)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	wg.Wait()
	for _, answer := range answers {
		require.NotContains(t, answer, "sequencer stopped")
	}
	require.NoError(t, s.cmd.Wait(), "the process ends with code 0")

	s = start(t, filepath.Join(bin, "sequencer"), args...)
	var chainID, sealed uint64
	var at string
	_, err = fmt.Sscanf(s.line(t, "sequencer of chain"), "sequencer of chain %d at %s block %d sealed", &chainID, &at, &sealed)
	require.NoError(t, err)
	for _, c := range clients {
		if n := len(c.receipts); n > 0 {
			require.LessOrEqual(t, uint64(c.receipts[n-1].BlockNumber), sealed, "the last block was left open")
		}
	}
	checkNothingLost(t, url, clients, make([]int, len(clients)))
	door, err := rpc.Dial(url + "/realtime")
	require.NoError(t, err)
	defer door.Close()
	for _, c := range clients {
		var r *receipt
		require.NoError(t, door.Call(&r, "eth_getTransactionReceipt", chain.NewTx(c.pending.Raw).Hash()))
		require.Nil(t, r, "a transaction was executed and not answered")
	}
	s.kill(t)
}

// untilRefused sends until something other than a receipt comes back.
func (c *client) untilRefused(ctx context.Context) error {
	door, err := rpc.Dial(c.url + "/realtime")
	if err != nil {
		return err
	}
	defer door.Close()
	for {
		tx := c.lane.Next()
		c.pending = &tx
		var r receipt
		if err := door.CallContext(ctx, &r, "realtime_sendRawTransaction", hexutil.Bytes(tx.Raw)); err != nil {
			return err
		}
		c.receipts, c.pending = append(c.receipts, r), nil
		c.nonces[tx.From] = tx.Nonce + 1
	}
}
