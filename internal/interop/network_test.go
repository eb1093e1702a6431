package interop

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	ethrpc "github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// blockInterval is that of network: short, so that a test has many blocks.
const blockInterval = 200 * time.Millisecond

// A network is a sequencer and a full node in this process, with their doors.
type network struct {
	sequencer, fullnode *door
	// halt ends the block production; the doors go on.
	halt func()
}

// A door is a node's, and a connection to it.
type door struct {
	endpoints
	client *ethrpc.Client
}

// startNetwork runs a network until the end of the test.
func startNetwork(t *testing.T, spec *genesis.Spec) *network {
	dir, links := t.TempDir(), link.NewBus(16<<20)
	var n network

	kept := openHistory(t, spec, filepath.Join(dir, "history"))
	engine := newEngine(t, spec)
	s, err := sequencer.New(t.Context(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Executor: engine, History: kept, Dir: filepath.Join(dir, "log"),
		DA: inprocess.New(), Publisher: links, Subscriber: links, BlockInterval: blockInterval,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	n.halt = background(t, s.Run)
	n.sequencer = openDoor(t, "sequencer", node.OfSequencer(s, kept), engine)

	kept = openHistory(t, spec, filepath.Join(dir, "fullnode"))
	f, err := fullnode.New(t.Context(), fullnode.Config{Genesis: spec.Genesis, Subscriber: links, History: kept})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	background(t, f.Run)
	n.fullnode = openDoor(t, "full node", node.OfFullnode(f, kept, spec.Config, node.FullnodeOptions{Sequencer: n.sequencer.client}), newEngine(t, spec))
	return &n
}

func openHistory(t *testing.T, spec *genesis.Spec, dir string) *history.Store {
	store, err := history.Open(history.Config{Dir: dir, Genesis: spec.Genesis.Header})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newEngine(t *testing.T, spec *genesis.Spec) *execution.Sequential {
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	return engine
}

// openDoor serves a node until the end of the test.
func openDoor(t *testing.T, name string, b backend.Backend, engine *execution.Sequential) *door {
	server, err := rpc.New(rpc.Config{Backend: b, Engine: engine})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	background(t, func(ctx context.Context) error { return server.Serve(ctx, listener) })
	at := listener.Addr().String()
	return dialDoor(t, endpoints{name, "http://" + at, "ws://" + at, "http://" + at + rpc.PathRealtime})
}

func dialDoor(t *testing.T, at endpoints) *door {
	client, err := ethrpc.Dial(at.http)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &door{at, client}
}

// background runs something until the end of the test or until it is told to end,
// which may be more than once.
func background(t *testing.T, run func(context.Context) error) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		done <- run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return func() {
		cancel()
		<-ended
	}
}
