package rpc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/sched"
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
		strings.Repeat(strings.Replace(chainIDCall, `1,`, `"`+strings.Repeat("x", 300)+`",`, 1)+",", 999) + call,
		call + `,{`,
		call + `,` + call + `]]`,
	} {
		batch = "[" + batch + "]"
		requireSame(t, door, batch)
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

// requireSame asks the door, and the server below by itself.
func requireSame(t *testing.T, door *Server, body string) {
	t.Helper()
	ask := func(h http.Handler) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		request.Host = "localhost"
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, request)
		return recorder
	}
	want, got := ask(door.standard.server), ask(door.Handler())
	require.Equal(t, want.Code, got.Code, body)
	require.Equal(t, want.Body.String(), got.Body.String(), body)
	require.Equal(t, want.Header().Get("Content-Type"), got.Header().Get("Content-Type"), body)
	if length := got.Header().Get("Content-Length"); length != "" {
		require.Equal(t, strconv.Itoa(got.Body.Len()), length, body)
	}
}

// Items of any form are answered as the server below answers them, each once: the door
// knows which of them have no answer.
func TestPiecesOfAnything(t *testing.T) {
	door := quietDoor(t, Limits{})
	fields := []string{
		`"jsonrpc":"2.0"`, `"jsonrpc":"2.0"`, `"jsonrpc":"2.0"`, `"jsonrpc":"1.0"`, `"jsonrpc":2.0`, `"jsonrp\u0063":"2\u002e0"`,
		`"id":7`, `"id":"x"`, `"id":null`, `"id":{}`, `"i\u0064":[]`,
		`"method":"eth_chainId"`, `"method":"eth_call"`, `"method":""`, `"method":null`, `"method":5`, `"method":"eth_subscription"`,
		`"method":"eth_unsubscribe"`, `"params":[]`, `"params":null`, `"result":"0x1"`, `"result":null`, `"error":{}`, `"ID":1`, `"":{"id":5}`,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		items := make([]string, 1+rng.IntN(25))
		for i := range items {
			var some []string
			for range rng.IntN(6) {
				some = append(some, fields[rng.IntN(len(fields))])
			}
			items[i] = "{" + strings.Join(some, " ,\n") + "}"
		}
		requireSame(t, door, "[ "+strings.Join(items, "\t,")+" ]")
	}
	require.Zero(t, door.memory.used.Load())
}

// A long item is not copied but by the server below, which the memory for it allows for.
func TestPiecesCopyNothing(t *testing.T) {
	door := quietDoor(t, Limits{})
	batch := []byte(`["` + strings.Repeat("x", 3<<20) + `"]`)
	ask := func() {
		in := &intake{door: door, allowance: newAllowance(&door.memory), body: batch, batch: true, valid: true, calls: []call{{}}}
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		door.standard.exchange(in, recorder, request)
		require.Contains(t, recorder.Body.String(), "invalid request")
	}
	ask()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		ask()
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(15*len(batch)))
}

// When the time is over in the midst of a batch every call of it still has an answer.
func TestPiecesTimeout(t *testing.T) {
	door := quietDoor(t, Limits{})
	for i := range 300 {
		door.cfg.Limits.Timeout = time.Duration(1+i%30) * 50 * time.Microsecond
		_, answer := askDoor(door, "["+strings.Repeat(chainIDCall+",", 99)+chainIDCall+"]")
		require.Equal(t, 100, strings.Count(answer, `"id":1`), answer)
	}
}

// napper is a node that does something else before it reads its state.
type napper struct {
	*rpctest.Node
	nap func()
}

func (n *napper) Latest() (chain.StateView, *chain.Env) {
	n.nap()
	return n.Node.Latest()
}

const balanceCall = `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x00000000000000000000000000000000000000aa","latest"]}`

// A small call has no place among large answers, whatever is before it.
func TestSmallAfterLarge(t *testing.T) {
	node := &napper{Node: rpctest.Dev(t, rpctest.Options{})}
	door, err := New(Config{Backend: node, Engine: node.Engine()})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	held := 0
	node.nap = func() { held += len(door.larges.readings) }
	_, answer := askDoor(door, `[{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",true]},`+balanceCall+`]`)
	require.Contains(t, answer, `"result":"0x0"`)
	require.Zero(t, held)
}

// A request has all of its time, however short that is.
func TestShortTimeout(t *testing.T) {
	node := &napper{rpctest.Dev(t, rpctest.Options{}), func() { time.Sleep(20 * time.Millisecond) }}
	door, err := New(Config{Backend: node, Engine: node.Engine(), Limits: Limits{Timeout: 100 * time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	for _, body := range []string{balanceCall, "[" + balanceCall + "]"} {
		_, answer := askDoor(door, body)
		require.Contains(t, answer, `"result":"0x0"`)
	}
}

// Pieces are bounded together.
func TestPiecesLimits(t *testing.T) {
	batch := func(n int, method string) string {
		return "[" + strings.Repeat(callOf("eth_call")+",", n) + callOf(method) + "]"
	}
	door := quietDoor(t, Limits{BatchBytes: 250})
	requireSame(t, door, batch(9, "eth_chainId"))
	requireSame(t, door, batch(3, "eth_chainId")) // is within
	requireSame(t, door, `[`+strings.Repeat(callOf("eth_call")+",", 4)+`{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","id":1,"result":5},{"id":1,"result":5},`+callOf("eth_call")+`]`)
	_, answer := askDoor(door, batch(9, "eth_chainId"))
	require.Equal(t, 6, strings.Count(answer, `"code":-32003,"message":"response too large"`), answer)

	// What has been answered holds memory, of what the connection has and then of all.
	door = quietDoor(t, Limits{})
	door.memory.used.Add(door.memory.limit)
	status, answer := askDoor(door, batch(20, "eth_chainId"))
	require.Equal(t, http.StatusOK, status, answer)
	status, answer = askDoor(door, "["+strings.Repeat(callOf("eth_call")+",", 999)+callOf("eth_getProof")+"]")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer, errMemory.Error())
	require.Equal(t, door.memory.limit, door.memory.used.Load())

	// Nothing is executed after an answer that there was no memory for, nor answered.
	door = quietDoor(t, Limits{})
	long := fmt.Sprintf(`{"jsonrpc":"2.0","id":"%s","method":"eth_chainId"}`, strings.Repeat("x", 40<<10))
	door.memory.used.Add(door.memory.limit - 128<<10) // there is room for the request
	for _, batch := range []string{long + "," + callOf("eth_call"), callOf("eth_call") + "," + long} {
		status, answer = askDoor(door, "["+batch+"]")
		require.Equal(t, http.StatusServiceUnavailable, status, answer)
	}
	require.Equal(t, door.memory.limit-128<<10, door.memory.used.Load())
}

// sleeper is a node at which transactions wait until their time is over.
type sleeper struct {
	*rpctest.Node
	asleep chan struct{}
}

func (s *sleeper) Submit(ctx context.Context, _ []byte) (common.Hash, error) {
	sched.Rest(ctx)
	s.asleep <- struct{}{}
	<-ctx.Done()
	return common.Hash{}, ctx.Err()
}

// A batch whose calls wait holds no place among large answers meanwhile, and no turn,
// whatever else is in it; nor does a large request that waits. A call of a batch that
// finds no place in time is answered so.
func TestSleepingBatch(t *testing.T) {
	node := &sleeper{rpctest.Dev(t, rpctest.Options{}), make(chan struct{}, 10)}
	door, err := New(Config{Backend: node, Engine: node.Engine(), Limits: Limits{Memory: 128 << 20, Timeout: 300 * time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	door.turns.lasts = time.Hour
	tx := node.Transfer(0, common.Address{1}, 1)
	send := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"realtime_sendRawTransaction","params":["0x%x",60000]}`, tx.Raw())
	block := `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",true]}`
	logs := `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{}]}`
	large := make(chan string, 1)
	go func() {
		_, answer := askDoor(door, send+strings.Repeat(" ", 100_000))
		large <- answer
	}()
	<-node.asleep
	requireNoTurn(t, door)
	require.Contains(t, <-large, `"error"`)
	for _, others := range []string{send, block, logs, callOf("debug_traceCall"), callOf("eth_call")} {
		answered := make(chan string, 1)
		began := time.Now()
		go func() {
			_, answer := askDoor(door, "["+others+","+send+","+others+"]")
			answered <- answer
		}()
		<-node.asleep
		requireNoTurn(t, door)
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
