package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// A sending node takes and refuses transactions, whatever they are, by their first byte.
type sending struct {
	calls atomic.Int64
	waits bool // with those of 4, until nobody waits any more
}

func (s *sending) SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (common.Hash, error) {
	s.calls.Add(1)
	if len(raw) == 0 {
		return common.Hash{}, errors.New(`no "bytes" <at> all & none`)
	}
	switch raw[0] {
	case 4:
		if s.waits {
			<-ctx.Done()
			return common.Hash{}, ctx.Err()
		}
	case 1:
		return common.Hash{}, wire.Errorf(wire.CodeLimitExceeded, "too %s", "many")
	case 2:
		return common.Hash{}, &wire.Error{Code: 3, Message: "reverted\n", Data: map[string]any{"a": "<b>"}}
	case 3:
		panic("third")
	}
	return common.BytesToHash(raw), nil
}

// sendingDoor is a door that takes transactions of its own, by two ways: the short one
// counts what comes by it.
func sendingDoor(t testing.TB, limits Limits) (door *Server, short *sending) {
	node := rpctest.Dev(t, rpctest.Options{})
	door, err := New(Config{Backend: node, Engine: node.Engine(), Limits: limits})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	require.NoError(t, door.standard.server.RegisterName("eth", new(sending)))
	short = new(sending)
	door.standard.sender = short
	return door, short
}

func sendOf(id, raw string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"eth_sendRawTransaction","params":["%s"]}`, id, raw)
}

// Transactions that do not go through the server below are answered as it answers them.
func TestSendsAreTheSame(t *testing.T) {
	door, short := sendingDoor(t, Limits{})
	good := sendOf("1", "0xff01")
	for _, c := range []struct {
		batch string
		short int // how many go the short way
	}{
		{good, 1},
		{good + "," + sendOf("2", "0x"), 2},
		{sendOf("77", "0x01") + "," + sendOf("18446744073709551616", "0x02") + " , " + good, 3},
		{` { "params" : [ "0xFFff" ] , "method":"eth_sendRawTransaction", "id":0,"jsonrpc":"2.0" } `, 1},
		{sendOf("1", "0x03") + "," + good, 2},
		{strings.Repeat(good+",", 24) + good, 25},
		{strings.Repeat(good+",", 10) + chainIDCall + "," + good, 10}, // the piece with another call is not short
		{sendOf("1", "0xf"), 0},
		{sendOf("1", "0xfg"), 0},
		{sendOf("1", "0Xff"), 0},
		{sendOf("1", "ff"), 0},
		{sendOf("1", `0x\u0066f`), 0},
		{sendOf(`"a"`, "0xff"), 0},
		{sendOf("-1", "0xff"), 0},
		{sendOf("1.5", "0xff"), 0},
		{sendOf("1e2", "0xff"), 0},
		{sendOf("null", "0xff"), 0},
		{sendOf("{}", "0xff"), 0},
		{strings.Replace(good, `"0xff01"`, `"0xff01","0xff02"`, 1), 0},
		{strings.Replace(good, `"0xff01"`, `"0xff01",null`, 1), 0},
		{strings.Replace(good, `["0xff01"]`, `[]`, 1), 0},
		{strings.Replace(good, `["0xff01"]`, `"0xff01"`, 1), 0},
		{strings.Replace(good, `["0xff01"]`, `{"0":"0xff01"}`, 1), 0},
		{strings.Replace(good, `["0xff01"]`, `[5]`, 1), 0},
		{strings.Replace(good, `"id":1,`, ``, 1), 0},
		{strings.Replace(good, `"id":1,`, `"id":1,"id":2,`, 1), 0},
		{strings.Replace(good, `"id":1,`, `"id":1,"ID":2,`, 1), 0},
		{strings.Replace(good, `"id":1,`, `"id":1,"result":2,`, 1), 0},
		{strings.Replace(good, `"params"`, `"params":["0xee"],"params"`, 1), 0},
		{strings.Replace(good, `"id":1,`, `"params":["0xee"],`, 1), 0},
		{strings.Replace(good, `"2.0"`, `"1.0"`, 1), 0},
		{strings.Replace(good, `"jsonrpc":"2.0",`, ``, 1), 0},
		{strings.Replace(good, `"method"`, `"m\u0065thod"`, 1), 0},
	} {
		short.calls.Store(0)
		requireSame(t, door, "["+c.batch+"]")
		require.EqualValues(t, c.short, short.calls.Load(), c.batch)
	}
	require.Zero(t, door.memory.used.Load())

	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("["+good+"]"))
	request.Host = "localhost"
	recorder := httptest.NewRecorder()
	short.calls.Store(0)
	door.Handler().ServeHTTP(recorder, request)
	require.Equal(t, http.StatusUnsupportedMediaType, recorder.Code)
	require.Zero(t, short.calls.Load())
}

// They are counted, bounded and timed as the others.
func TestSendsAreBounded(t *testing.T) {
	good := sendOf("1", "0xff")
	door, short := sendingDoor(t, Limits{BatchBytes: 200})
	requireSame(t, door, "["+strings.Repeat(good+",", 9)+good+"]")
	require.Zero(t, short.calls.Load())

	door, short = sendingDoor(t, Limits{Timeout: 50 * time.Millisecond})
	short.waits = true
	_, answer := askDoor(door, "["+good+","+sendOf("2", "0x04")+","+sendOf("3", "0x05")+"]")
	late := `{"jsonrpc":"2.0","id":%d,"error":{"code":-32002,"message":"request timed out"}}`
	require.Equal(t, `[{"jsonrpc":"2.0","id":1,"result":"0x`+strings.Repeat("0", 62)+`ff"},`+fmt.Sprintf(late+","+late, 2, 3)+"]", answer)
	require.EqualValues(t, 2, short.calls.Load())

	door, _ = sendingDoor(t, Limits{})
	askDoor(door, good) // makes the name known
	askDoor(door, "["+good+","+sendOf("2", "0x01")+"]")
	counted := door.Stats().Methods[sendMethod]
	require.EqualValues(t, 3, counted.Requests)
	require.Equal(t, map[string]uint64{ErrorClass(wire.CodeLimitExceeded): 1}, counted.Errors)
}

// A door without the namespace has no short way into it.
func TestNoSendsWithoutEth(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	door, err := New(Config{Backend: node, Engine: node.Engine(), Namespaces: []string{"net"}})
	require.NoError(t, err)
	t.Cleanup(door.Close)
	_, answer := askDoor(door, "["+sendOf("1", "0xff")+"]")
	require.Contains(t, answer, "-32601")
}

// Whatever a batch is, both ways answer the same.
func FuzzSends(f *testing.F) {
	good := sendOf("1", "0xff01")
	f.Add(good)
	f.Add(good + "," + sendOf("2", "0x02") + "," + sendOf("3", ""))
	f.Add(strings.Replace(good, `"id"`, `"ID":7,"id"`, 1))
	f.Add(strings.Replace(good, `["0xff01"]`, `[ "0xff01" ,]`, 1))
	f.Add(good + "," + chainIDCall)
	door, _ := sendingDoor(f, Limits{})
	f.Fuzz(func(t *testing.T, batch string) {
		requireSame(t, door, "["+batch+"]")
	})
}
