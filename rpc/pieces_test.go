package rpc

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

const chainIDCall = `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`

// A batch that is answered in pieces gets what the server below answers to it in one.
func TestPieces(t *testing.T) {
	door := quietDoor(t, Limits{})
	call := `{"jsonrpc":"2.0","id":"a","method":"eth_call","params":[{},"latest"]}`
	for _, batch := range []string{
		call + "," + call,
		chainIDCall + "," + call + `,{"jsonrpc":"2.0","id":3,"method":"eth_nothing"}`,
		` ` + call + ` , {"jsonrpc":"2.0","method":"eth_chainId"} , ` + chainIDCall + ` `,
		call + `,{},1,null,"x",[],[` + chainIDCall + `],{"id":5},{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}`,
		call + `,{"jsonrpc":"2.0","id":1,"result":"0x1"},{"jsonrpc":"2.0","id":2,"method":"eth_subscribe","params":["newHeads"]}`,
		`{"jsonrpc":"2.0","method":"eth_call","params":[{}]},{"jsonrpc":"2.0","method":"eth_call","params":[{}]}`,
		callOf("eth_getLogs") + "," + callOf("eth_getProof") + "," + callOf("eth_getBlockByNumber"),
		strings.Repeat(callOf("eth_getBlockByNumber")+",", 3) + strings.Replace(callOf("eth_getBlockByNumber"), "[]", `["0x0",true]`, 1),
		call,
		"",
		strings.Repeat(chainIDCall+",", 25) + `[],` + chainIDCall,
		strings.Repeat(chainIDCall+",", 9) + call + "," + strings.Repeat(chainIDCall+",", 10) + call + "," + call,
		call + `,{`,
		call + `,` + call + `]]`,
	} {
		batch = "[" + batch + "]"
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(batch))
		request.Header.Set("Content-Type", "application/json")
		want := httptest.NewRecorder()
		door.standard.server.ServeHTTP(want, request)
		status, answer := askDoor(door, batch)
		require.Equal(t, want.Code, status, batch)
		require.Equal(t, strings.TrimSpace(want.Body.String()), strings.TrimSpace(answer), batch)
	}
	require.Zero(t, door.memory.used.Load())
	status, _ := func() (int, string) {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("["+call+","+call+"]"))
		request.Host = "localhost"
		recorder := httptest.NewRecorder()
		door.Handler().ServeHTTP(recorder, request)
		return recorder.Code, recorder.Body.String()
	}()
	require.Equal(t, http.StatusUnsupportedMediaType, status, "no content type")
}

// Pieces are bounded together.
func TestPiecesLimits(t *testing.T) {
	batch := func(n int, method string) string {
		return "[" + strings.Repeat(callOf("eth_call")+",", n) + callOf(method) + "]"
	}
	door := quietDoor(t, Limits{BatchBytes: 250})
	_, answer := askDoor(door, batch(9, "eth_chainId"))
	require.Equal(t, 10, strings.Count(answer, `"id":1`), answer)
	require.Equal(t, 7, strings.Count(answer, `"code":-32003,"message":"response too large"`), answer)

	// What has been answered holds memory, of what the connection has and then of all.
	door = quietDoor(t, Limits{})
	door.memory.used.Add(door.memory.limit)
	status, answer := askDoor(door, batch(20, "eth_chainId"))
	require.Equal(t, http.StatusOK, status, answer)
	status, answer = askDoor(door, "["+strings.Repeat(callOf("eth_call")+",", 999)+callOf("eth_getProof")+"]")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer, errMemory.Error())
	require.Equal(t, door.memory.limit, door.memory.used.Load())
}

// sleeper is a node at which transactions wait until their time is over.
type sleeper struct {
	*rpctest.Node
	asleep chan struct{}
}

func (s *sleeper) Submit(ctx context.Context, _ []byte) (common.Hash, error) {
	s.asleep <- struct{}{}
	<-ctx.Done()
	return common.Hash{}, ctx.Err()
}

// A batch whose calls wait holds no place among large answers meanwhile, whatever else
// is in it; and a call of it that finds no place in time is answered so.
func TestSleepingBatch(t *testing.T) {
	node := &sleeper{rpctest.Dev(t, rpctest.Options{}), make(chan struct{}, 10)}
	door, err := New(Config{Backend: node, Engine: node.Engine(), Limits: Limits{Memory: 128 << 20, Timeout: 300 * time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	tx := node.Transfer(0, common.Address{1}, 1)
	send := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"realtime_sendRawTransaction","params":["0x%x",60000]}`, tx.Raw())
	block := `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",true]}`
	logs := `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{}]}`
	for _, others := range []string{send, block, logs, callOf("debug_traceCall"), callOf("eth_call")} {
		answered := make(chan string, 1)
		began := time.Now()
		go func() {
			_, answer := askDoor(door, "["+others+","+send+","+others+"]")
			answered <- answer
		}()
		<-node.asleep
		require.Empty(t, door.larges.readings, others)
		require.Empty(t, door.larges.searches, others)
		require.Empty(t, door.larges.executions, others)
		status, answer := askDoor(door, logs)
		require.Equal(t, http.StatusOK, status, answer)
		answer = <-answered
		require.Less(t, time.Since(began), 5*time.Second, "the pieces have the time of one request together")
		require.Equal(t, 3, strings.Count(answer, `"id":1`), answer)
		require.Contains(t, answer, `"code":-32002,"message":"request timed out"`)
		for len(node.asleep) > 0 {
			<-node.asleep
		}
	}
	door.larges.searches <- struct{}{}
	_, answer := askDoor(door, "["+chainIDCall+","+logs+"]")
	require.Equal(t, `[{"jsonrpc":"2.0","id":1,"result":"0x7a69"},{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"request timed out"}}]`, answer)
	<-door.larges.searches
	require.Zero(t, door.memory.used.Load())
}
