package realtime

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// emitter is a contract in the genesis: called with two words of data or more, it
// stores the second in the slot of the first, and logs all with both as topics.
var emitter = common.Address{0xee}

var emitterCode = common.FromHex("365f5f37" + // calldatacopy(0, 0, calldatasize)
	"6020355f3555" + // sstore(calldataload(0), calldataload(32))
	"6020355f35365fa2" + // log2(0, calldatasize, calldataload(0), calldataload(32))
	"00")

// A door is a node behind go-ethereum's server.
type door struct {
	tb      testing.TB
	node    *rpctest.Node
	service *Service
	address string // host:port
	narrow  atomic.Bool
}

func open(tb testing.TB, options rpctest.Options, cfg Config, realtime bool) *door {
	tb.Helper()
	spec := rpctest.DevSpec(tb, func(state *chain.Changes) {
		rpctest.Fund(state, emitter, new(uint256.Int), emitterCode)
	})
	d := &door{tb: tb, node: rpctest.New(tb, spec, options)}
	d.service = New(d.node, cfg)
	server := rpc.NewServer()
	require.NoError(tb, server.RegisterName("eth", d.service.Eth(realtime)))
	require.NoError(tb, server.RegisterName("realtime", d.service.Realtime()))
	front := httptest.NewUnstartedServer(server.WebsocketHandler([]string{"*"}))
	front.Listener = listener{front.Listener, &d.narrow}
	front.Start()
	tb.Cleanup(func() {
		server.Stop()
		front.Close()
	})
	d.address = strings.TrimPrefix(front.URL, "http://")
	return d
}

// A listener makes the kernel buffer little for connections that it accepts while
// narrow is set, so that who does not read is noticed.
type listener struct {
	net.Listener
	narrow *atomic.Bool
}

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && l.narrow.Load() {
		_ = tcp.SetWriteBuffer(4096)
	}
	return conn, err
}

func (d *door) dial() *rpc.Client {
	d.tb.Helper()
	client, err := rpc.DialWebsocket(context.Background(), "ws://"+d.address, "")
	require.NoError(d.tb, err)
	d.tb.Cleanup(client.Close)
	return client
}

// emit is a call of the emitter by account i, with extra zero words of data.
func (d *door) emit(i int, slot, value uint64, extra int) *chain.Tx {
	data := make([]byte, 64+32*extra)
	a, b := uint256.NewInt(slot).Bytes32(), uint256.NewInt(value).Bytes32()
	copy(data, a[:])
	copy(data[32:], b[:])
	return d.node.Call(i, &emitter, 0, data)
}

func word(v uint64) common.Hash { return uint256.NewInt(v).Bytes32() }

// A tap is a subscription of a test.
type tap struct {
	tb  testing.TB
	sub *rpc.ClientSubscription
	in  chan json.RawMessage
}

func (d *door) subscribe(client *rpc.Client, args ...any) *tap {
	d.tb.Helper()
	t, err := d.trySubscribe(client, args...)
	require.NoError(d.tb, err)
	return t
}

func (d *door) trySubscribe(client *rpc.Client, args ...any) (*tap, error) {
	in := make(chan json.RawMessage, 1000)
	sub, err := client.EthSubscribe(context.Background(), in, args...)
	return &tap{d.tb, sub, in}, err
}

// next is the next notification, decoded.
func (t *tap) next() map[string]any {
	t.tb.Helper()
	var out map[string]any
	require.NoError(t.tb, json.Unmarshal(t.raw(), &out))
	return out
}

func (t *tap) raw() json.RawMessage {
	t.tb.Helper()
	select {
	case text := <-t.in:
		return text
	case err := <-t.sub.Err():
		require.NoError(t.tb, err)
		require.Fail(t.tb, "the subscription ended")
	case <-time.After(10 * time.Second):
		require.Fail(t.tb, "no notification")
	}
	return nil
}

// silent checks that nothing more comes.
func (t *tap) silent() {
	t.tb.Helper()
	select {
	case text := <-t.in:
		require.Fail(t.tb, "a notification too many", "%s", text)
	case <-time.After(50 * time.Millisecond):
	}
}

func number(tb testing.TB, v any) uint64 {
	tb.Helper()
	text, ok := v.(string)
	require.True(tb, ok, "%v is no quantity", v)
	n, err := hexutil.DecodeUint64(text)
	require.NoError(tb, err)
	return n
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	require.Eventually(tb, ok, 10*time.Second, time.Millisecond, what)
}
