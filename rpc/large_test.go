package rpc

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/work"
)

// quietDoor is a door whose queues a test fills.
func quietDoor(t *testing.T, limits Limits) *Server {
	t.Helper()
	node := rpctest.Dev(t, rpctest.Options{})
	door, err := New(Config{
		Backend: node, Engine: node.Engine(), Limits: limits, Namespaces: append(DefaultNamespaces(), "testing"),
		Extra: map[string]any{"prover": new(work.API)},
	})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	return door
}

func askDoor(door *Server, body string) (status int, answer string) {
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	request.Host = "localhost"
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	door.Handler().ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func callOf(method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[]}`, method)
}

// There are all of the methods that have a volume.
func TestVolumes(t *testing.T) {
	door := quietDoor(t, Limits{})
	for method := range volumes {
		_, answer := askDoor(door, callOf(method))
		require.NotContains(t, answer, "does not exist", method)
	}
}

// Large answers are made one after the other; each volume has a line of its own, and
// small ones do not wait.
func TestLargeAnswersWait(t *testing.T) {
	door := quietDoor(t, Limits{Memory: 128 << 20, Timeout: 50 * time.Millisecond})
	block := `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x0",true]}`
	door.larges.readings <- struct{}{}
	require.Len(t, door.larges.readings, cap(door.larges.readings), "one at a time")
	status, answer := askDoor(door, block)
	require.Equal(t, http.StatusServiceUnavailable, status, answer)
	require.Contains(t, answer, errLarge.Error())
	for _, body := range []string{callOf("eth_chainId"), `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{}]}`} {
		status, answer = askDoor(door, body)
		require.Equal(t, http.StatusOK, status, answer)
	}
	time.AfterFunc(10*time.Millisecond, func() { <-door.larges.readings })
	status, answer = askDoor(door, block)
	require.Equal(t, http.StatusOK, status, answer)
	askDoor(door, strings.Replace(block, `"id":1,`, "", 1)) // no answer
	require.Empty(t, door.larges.readings)
	require.Empty(t, door.larges.searches)
}

// endReader says when it is at its end.
type endReader struct {
	io.Reader
	ends func()
}

func (r endReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.ends()
	}
	return n, err
}

// A large request has no turn before all of it is here, nor when it was looked into: it
// may wait for much else before it is answered.
func TestTurnAfterUpload(t *testing.T) {
	door := quietDoor(t, Limits{Bulk: 1, Timeout: 10 * time.Millisecond})
	door.turns.extra <- struct{}{}
	body := "[" + strings.Repeat(callOf("eth_chainId")+",", 900) + callOf("eth_chainId") + "]"
	read := func() *intake {
		in := &intake{door: door, allowance: newAllowance(&door.memory)}
		ends := func() { require.Empty(t, door.turns.slots) }
		require.NoError(t, in.read(t.Context(), endReader{strings.NewReader(body), ends}, 1<<20))
		require.Empty(t, door.turns.slots)
		return in
	}
	in := read()
	require.NoError(t, in.begin(t.Context()))
	require.Len(t, door.turns.slots, 1)
	in.done()
	require.Empty(t, door.turns.slots)

	in = read()
	door.turns.slots <- struct{}{} // another's
	require.ErrorIs(t, in.begin(t.Context()), errTurn)
	in.done()
	other := &intake{door: door, allowance: newAllowance(&door.memory)}
	require.ErrorIs(t, other.read(t.Context(), strings.NewReader(body), 1<<20), errTurn)
	other.done()
	require.Len(t, door.turns.slots, 1)
	<-door.turns.slots
}

// What traces may answer fits into memory: three times into half of it.
func TestTraceLimit(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	cfg := Config{Backend: node, Engine: node.Engine(), Limits: Limits{Memory: 128 << 20}}
	door, err := New(cfg)
	require.NoError(t, err)
	require.EqualValues(t, cfg.Limits.Memory/6, door.cfg.Services.Traces.ResultMax)
	cfg.Services.Traces.ResultMax = int(cfg.Limits.Memory/6) + 1
	_, err = New(cfg)
	require.ErrorContains(t, err, "ResultMax")
}

// echo is a namespace of somebody else's.
type echo struct{}

func (echo) Say(text string) string { return text }

// Namespaces of the embedder's own are served beside the door's, whose names they may
// not take.
func TestExtraNamespaces(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	config := Config{Backend: node, Engine: node.Engine(), Namespaces: []string{"eth"}, Extra: map[string]any{"echo": echo{}}}
	door, err := New(config)
	require.NoError(t, err)
	t.Cleanup(door.Close)
	_, answer := askDoor(door, `{"jsonrpc":"2.0","id":1,"method":"echo_say","params":["hello"]}`)
	require.Contains(t, answer, `"result":"hello"`)
	for _, name := range []string{"eth", "debug", "admin"} {
		config.Extra = map[string]any{name: echo{}}
		_, err := New(config)
		require.ErrorContains(t, err, "the door's own")
	}
}
