package realtime

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func (c *cache) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

// TestAnswerNotTaken: who resumes far back and does not even take the answer holds one
// notification in memory, not all of them, and gets them all when he reads.
func TestAnswerNotTaken(t *testing.T) {
	const events = 50
	for _, read := range []bool{true, false} {
		d := open(t, rpctest.Options{}, Config{}, false)
		for i := range uint64(events) {
			d.node.Mini(d.emit(0, 1, i+1, 0))
		}
		server := rpc.NewServer()
		require.NoError(t, server.RegisterName("eth", d.service.Eth(false)))
		client, conn := net.Pipe() // which buffers nothing
		go server.ServeCodec(rpc.NewCodec(conn), 0)
		_, err := fmt.Fprintf(client, `{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["miniBlocks",{"from":"%#x"}]}`,
			uint64(history.SeqOf(1, 0)))
		require.NoError(t, err)
		eventually(t, "the first is encoded", func() bool { return d.service.cache.count() > 0 })
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, 1, d.service.cache.count(), "nothing more until it is sent")
		if read {
			in := json.NewDecoder(client)
			var answer struct{ Result string }
			require.NoError(t, in.Decode(&answer))
			require.NotEmpty(t, answer.Result)
			for i := range uint32(events) {
				var message struct {
					Params struct{ Result map[string]any }
				}
				require.NoError(t, in.Decode(&message))
				require.Equal(t, uint64(history.SeqOf(1, i)), number(t, message.Params.Result["sequence"]))
			}
		}
		require.NoError(t, client.Close())
		eventually(t, "ended with the connection", func() bool { return d.service.Subscriptions() == 0 })
		server.Stop()
	}
}
