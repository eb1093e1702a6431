package realtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da/inprocess"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/node"
	"github.com/vivace-chain/vivace/rpc/realtime"
	"github.com/vivace-chain/vivace/sequencer"
	"github.com/vivace-chain/vivace/sequencer/genesis"
	"github.com/vivace-chain/vivace/state"
)

// childDir names the directory of the sequencer that this process is to be, until it
// is killed.
const childDir = "VIVACE_TEST_REALTIME_DIR"

// emitter stores a word in the slot of another, and logs both.
var emitter = common.Address{0xee}

func emitterSpec(tb testing.TB) *genesis.Spec {
	return rpctest.DevSpec(tb, func(state *chain.Changes) {
		rpctest.Fund(state, emitter, new(uint256.Int), common.FromHex("365f5f37"+"6020355f3555"+"6020355f35365fa2"+"00"))
	})
}

// TestChild is no test: it is the process that TestResumeAfterKill kills.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("run by TestResumeAfterKill")
	}
	spec := emitterSpec(t)
	store, err := history.Open(history.Config{Dir: filepath.Join(dir, "history"), Genesis: spec.Genesis.Header})
	require.NoError(t, err)
	engine, err := execution.New(execution.Config{Chain: spec.Config})
	require.NoError(t, err)
	s, err := sequencer.New(t.Context(), sequencer.Config{
		Genesis: spec.Genesis, ChainConfig: spec.Config, Dir: filepath.Join(dir, "sequencer"), Durability: state.DurabilityNone,
		Executor: engine, DA: inprocess.New(), Logger: slog.New(slog.DiscardHandler), History: store,
		GasLimit: childGas, BlockInterval: time.Hour, TimestampAhead: -1, // blocks end when they are full
	})
	require.NoError(t, err)
	service := realtime.New(node.OfSequencer(s, store), realtime.Config{})
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("eth", service.Eth(false)))
	require.NoError(t, server.RegisterName("realtime", service.Realtime()))
	front := httptest.NewServer(server.WebsocketHandler([]string{"*"}))
	fmt.Println("serving", strings.TrimPrefix(front.URL, "http://"))
	require.NoError(t, s.Run(context.Background()))
}

const (
	childGas = 500_000 // of a block
	sendGas  = 100_000 // what a transaction may use; it uses a third of that
)

// live starts the child, and returns its address and what kills it.
func live(t *testing.T, dir string) (address string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			return address, kill
		}
		t.Log(lines.Text())
	}
	require.Fail(t, "the sequencer did not start")
	return "", nil
}

// A follower keeps what a stream said, over all connections.
type follower struct {
	t    *testing.T
	args []any
	sub  *rpc.ClientSubscription
	in   chan json.RawMessage
	said []string
	last history.Seq
}

// connect goes on where the connection before ended: from the last mini-block that
// something was said of, as not everything may have been.
func (f *follower) connect(client *rpc.Client) {
	f.t.Helper()
	args := f.args
	if f.said != nil {
		args = append(args[:len(args):len(args)], map[string]any{"from": hexutil.Uint64(f.last)})
	}
	f.in = make(chan json.RawMessage, 1000)
	var err error
	f.sub, err = client.EthSubscribe(f.t.Context(), f.in, args...)
	require.NoError(f.t, err)
	for _, text := range f.said {
		if sequence(f.t, text) == f.last {
			require.Equal(f.t, text, f.next(), "what was said is said again in the same bytes")
		}
	}
}

func (f *follower) next() string {
	f.t.Helper()
	select {
	case text := <-f.in:
		return string(text)
	case err := <-f.sub.Err():
		require.NoError(f.t, err)
	case <-time.After(20 * time.Second):
	}
	require.Fail(f.t, "the stream ended", "%v after %d", f.args, len(f.said))
	return ""
}

func (f *follower) hear() {
	f.t.Helper()
	text := f.next()
	seq := sequence(f.t, text)
	require.GreaterOrEqual(f.t, seq, f.last)
	f.said, f.last = append(f.said, text), seq
}

func (f *follower) silent() {
	f.t.Helper()
	select {
	case text := <-f.in:
		require.Fail(f.t, "a notification too many", "%s", text)
	case <-time.After(50 * time.Millisecond):
	}
}

func sequence(t *testing.T, text string) history.Seq {
	t.Helper()
	var got struct{ Sequence *hexutil.Uint64 }
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.NotNil(t, got.Sequence, text)
	return history.Seq(*got.Sequence)
}

// TestResumeAfterKill: a sequencer is killed again and again, and streams that are
// resumed have everything that was acknowledged, once and in order.
func TestResumeAfterKill(t *testing.T) {
	var (
		dir     = t.TempDir()
		signer  = rpctest.New(t, emitterSpec(t), rpctest.Options{}) // signs, and runs no chain
		minis   = &follower{t: t, args: []any{"miniBlocks"}}
		states  = &follower{t: t, args: []any{"stateChanges", []any{emitter}}}
		logs    = &follower{t: t, args: []any{"logs", map[string]any{"fromBlock": "pending"}}}
		streams = []*follower{minis, states, logs}
		sent    []string
		block   uint64 // that the newest is in
	)
	start := func() (*rpc.Client, func()) {
		address, kill := live(t, dir)
		client, err := rpc.Dial("ws://" + address)
		require.NoError(t, err)
		t.Cleanup(client.Close)
		for _, f := range streams {
			f.connect(client)
		}
		return client, kill
	}
	send := func(client *rpc.Client) (full bool) {
		var data [64]byte
		data[31] = 1
		data[63] = byte(len(sent) + 1)
		tx := signer.Sign(0, &types.DynamicFeeTx{
			ChainID: emitterSpec(t).Config.ChainID, Nonce: signer.Nonce(0), To: &emitter, Data: data[:], Gas: sendGas,
			GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
		})
		var receipt struct {
			BlockNumber       hexutil.Uint64
			CumulativeGasUsed hexutil.Uint64
		}
		require.NoError(t, client.Call(&receipt, "realtime_sendRawTransaction", hexutil.Bytes(tx.Raw())))
		sent = append(sent, tx.Hash().Hex())
		block = uint64(receipt.BlockNumber)
		return receipt.CumulativeGasUsed+sendGas > childGas
	}
	for range 4 {
		client, kill := start()
		for range 12 {
			send(client)
		}
		// To where the next transaction does not end the block. Of one that has ended the
		// mini-blocks come back only if it was not published before the end.
		for send(client) {
		}
		// Up to something of the open block. What is new has not been heard when the
		// process dies, and the newest may be in no mini-block yet.
		for _, f := range streams {
			for uint64(f.last>>24) < block {
				f.hear()
			}
		}
		before := block
		send(client)
		require.Equal(t, before, block, "what was heard of is still open")
		kill()
		client.Close()
	}
	start()
	require.Greater(t, block, uint64(2))

	for len(logs.said) < len(sent) {
		logs.hear()
	}
	for i, text := range logs.said {
		require.Contains(t, text, sent[i])
	}
	logs.silent()

	for last := fmt.Sprintf(`"storage":{"0x1":"%#x"}`, len(sent)); !strings.Contains(states.said[len(states.said)-1], last); {
		states.hear()
	}
	states.silent()

	var (
		hashes []string
		parent string
	)
	for n := 0; len(hashes) < len(sent); n++ {
		if n == len(minis.said) {
			minis.hear()
		}
		var mini struct {
			Hash         string
			ParentHash   string `json:"parent_hash"`
			Transactions []struct{ Hash string }
		}
		require.NoError(t, json.Unmarshal([]byte(minis.said[n]), &mini))
		require.True(t, n == 0 || parent == mini.ParentHash, "mini-blocks hang together")
		parent = mini.Hash
		for _, tx := range mini.Transactions {
			hashes = append(hashes, tx.Hash)
		}
	}
	require.Equal(t, sent, hashes)
}
