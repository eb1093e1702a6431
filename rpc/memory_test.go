package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

const (
	fullBlock    = `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x1",true]}`
	subscribeNew = `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}`
)

// A crowd that reads a block of 7 MB, each alone or among others in a batch, takes no
// more memory than Limits.Memory allows, with the garbage that a collection takes for
// live because it was made meanwhile: three times as much. All who are answered have
// all of it.
func TestLargeAnswers(t *testing.T) {
	const memory = 128 << 20
	node := rpctest.Dev(t, rpctest.Options{Hold: true})
	node.Seal(largeTxs(node, 80)...)
	door, err := rpc.New(rpc.Config{Backend: node, Engine: node.Engine(), Limits: rpc.Limits{Memory: memory}})
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	clients := 80
	if testing.Short() {
		clients = 24 // still three times of what there is room for
	}
	for name, body := range map[string]string{"alone": fullBlock, "batch": "[" + fullBlock + "]", "mixed": "[" + fullBlock + "," + chainID + "]"} {
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		peak, done := watchHeap()
		var answered, refused atomic.Int64
		crowd(clients, func(int) {
			client := &http.Client{Transport: new(http.Transport)}
			defer client.CloseIdleConnections()
			response, err := client.Post(url, "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			size, err := io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			switch {
			case response.StatusCode == http.StatusServiceUnavailable:
				refused.Add(1)
			case err != nil, size < 14_000_000:
				t.Errorf("an answer of %d bytes: %v", size, err)
			default:
				answered.Add(1)
			}
		})
		done()
		t.Logf("%s: before %d MiB, %d answered, %d refused, %d MiB in flight, live heap up to %d MiB", name, before.HeapAlloc>>20, answered.Load(), refused.Load(), door.Stats().MemoryPeak>>20, peak.Load()>>20)
		require.Positive(t, answered.Load())
		require.Less(t, peak.Load(), uint64(3*memory))
	}
}

// largeTxs are n transactions of 100 KB each.
func largeTxs(node *rpctest.Node, n int) (txs []*chain.Tx) {
	id := big.NewInt(genesis.DevChainID)
	for range n {
		txs = append(txs, node.Sign(0, &types.DynamicFeeTx{
			ChainID: id, Nonce: node.Nonce(0), To: &common.Address{1}, Gas: 1_100_000, GasFeeCap: big.NewInt(1e12), Data: make([]byte, 100_000),
		}))
	}
	return txs
}

// The connection of subscriptions takes nothing else: it has no limits for that.
func TestSubscriptionsAlone(t *testing.T) {
	door, err := rpc.New(config(t))
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	conn := dial(t, url)
	refusal := func(id string) string {
		return `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32600,"message":"a batch with subscriptions can have no other calls"}}`
	}
	for i, batch := range []struct{ sent, answer string }{
		{subscribeNew + "," + fullBlock, refusal("1") + "," + refusal("1")},
		{fullBlock + "," + strings.Replace(subscribeNew, `"id":1`, `"id":"b"`, 1), refusal("1") + "," + refusal(`"b"`)},
		{subscribeNew + `,{"jsonrpc":"2.0","method":"eth_chainId"}`, refusal("1")},
		{subscribeNew + `,{},{"id":{},"method":"eth_chainId"}`, refusal("1") + "," + refusal("null") + "," + refusal("null")},
		{subscribeNew + `,{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","method":null,"params":["0x0",true]}`, refusal("1") + "," + refusal("1")},
	} {
		write(t, conn, "["+batch.sent+"]")
		require.Equal(t, "["+batch.answer+"]", read(t, conn), batch)
		require.EqualValues(t, i+1, door.Stats().Refused)
	}
	require.Zero(t, door.Stats().Subscriptions)
	write(t, conn, "["+subscribeNew+","+subscribeNew+"]")
	require.NotContains(t, read(t, conn), "error")
	require.Equal(t, 2, door.Stats().Subscriptions)
}

// Replies to subscriptions are charged too.
func TestMemoryOfSubscriptions(t *testing.T) {
	door, err := rpc.New(config(t))
	require.NoError(t, err)
	url, stop := start(t, door)
	defer func() { require.NoError(t, stop()) }()
	conn := dial(t, url)
	id := strings.Repeat("x", 200_000) // which the reply repeats
	write(t, conn, strings.Replace(subscribeNew, `"id":1`, `"id":"`+id+`"`, 1))
	var reply struct{ ID, Result string }
	require.NoError(t, json.Unmarshal([]byte(read(t, conn)), &reply))
	require.Equal(t, id, reply.ID)
	require.GreaterOrEqual(t, door.Stats().MemoryPeak, int64(8*200_000), "two copies of the request, two of the reply, and four that stay")
}

// An answer that is refused ends its WebSocket, also when there is always something
// to read.
func TestRefusedAnswerEndsWebSocket(t *testing.T) {
	cfg := config(t)
	cfg.Limits.Body, cfg.Limits.Message, cfg.Limits.Memory = 64<<10, 64<<10, 256<<10
	url := serve(t, cfg)
	sha3 := `{"jsonrpc":"2.0","id":1,"method":"web3_sha3"}`
	batch := "[" + strings.Repeat(sha3+",", 998) + sha3 + "]"
	for range 5 {
		conn := dial(t, url)
		write(t, conn, batch)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 2; ; i++ {
				message := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_chainId"}`, i)
				if conn.WriteMessage(websocket.TextMessage, []byte(message)) != nil {
					return
				}
				time.Sleep(50 * time.Microsecond)
			}
		}()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(3*time.Second)))
		var err error
		for err == nil {
			var message []byte
			_, message, err = conn.ReadMessage()
			require.False(t, len(message) > 0 && message[0] == '[', "it was not refused")
		}
		require.NoError(t, conn.Close())
		<-stopped
		var network net.Error
		require.False(t, errors.As(err, &network) && network.Timeout(), "the WebSocket lives on")
	}
}

// A notification that finds no memory ends its WebSocket, as all subscriptions of it end:
// one that the server below sends, as it does the first, and one that comes later.
func TestLostNotificationEndsWebSocket(t *testing.T) {
	for name, before := range map[string]int{"first": 0, "later": 3} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			cfg := g.config()
			cfg.Limits.Body, cfg.Limits.Message, cfg.Limits.Memory = 1<<20, 1<<20, 10<<20
			door, url := open(t, cfg)
			conn := dial(t, url)
			for _, stream := range []string{`"miniBlocks"`, `"newHeads"`} {
				write(t, conn, `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":[`+stream+`]}`)
				require.Contains(t, read(t, conn), `"result"`)
			}
			for range before {
				g.Seal(g.Transfer(0, common.Address{1}, 1))
				for range 2 {
					require.Contains(t, read(t, conn), "eth_subscription")
				}
			}
			large := readBalance + strings.Repeat(" ", 1<<20-len(readBalance))
			answers := make(chan string, 2)
			for range cap(answers) {
				go func() { answers <- post(t, url, large) }()
				<-g.waiting
			}
			g.Seal(largeTxs(g.Node, 4)...)
			var err error
			for err == nil { // the header may come
				_, _, err = conn.ReadMessage()
			}
			require.True(t, websocket.IsCloseError(err, websocket.CloseTryAgainLater), "%v", err)
			require.NoError(t, conn.Close())
			close(g.opened)
			for range cap(answers) {
				require.Contains(t, <-answers, `"result"`)
			}
			require.Eventually(t, func() bool {
				s := door.Stats()
				return s.WebSockets == 0 && s.Subscriptions == 0 && s.MemoryBytes == 0
			}, 5*time.Second, time.Millisecond)
		})
	}
}
