package ethapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/backend"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func TestFilterLife(t *testing.T) {
	var (
		api = ethapi.New(rpctest.Dev(t, rpctest.Options{}), ethapi.Options{FilterLife: time.Minute})
		now = time.Unix(1, 0)
		ctx = t.Context()
	)
	api.SetClock(func() time.Time { return now })
	id, err := api.NewBlockFilter()
	require.NoError(t, err)
	for range 5 {
		now = now.Add(50 * time.Second)
		_, err := api.GetFilterChanges(ctx, id)
		require.NoError(t, err, "a filter that is polled")
	}
	now = now.Add(61 * time.Second)
	_, err = api.GetFilterChanges(ctx, id)
	require.EqualError(t, err, "filter not found")
	require.False(t, api.UninstallFilter("0x1"))
	for range 100 {
		_, err := api.NewBlockFilter()
		require.NoError(t, err)
	}
	require.Equal(t, 100, api.Filters(), "the expired one is kept")
	now = now.Add(61 * time.Second)
	_, err = api.NewFilter(wire.LogFilter{})
	require.NoError(t, err)
	require.Equal(t, 1, api.Filters(), "expired ones are kept")
}

func raw(tx *chain.Tx) string { return quoted(hexutil.Encode(tx.Raw())) }

func TestSend(t *testing.T) {
	node := logNode(t, rpctest.Options{Hold: true})
	s := serve(t, node)
	first, second, third := node.Transfer(0, common.Address{5}, 1), node.Transfer(0, common.Address{5}, 2), node.Transfer(0, common.Address{5}, 3)
	s.is(t, "eth_sendRawTransaction", raw(first), quoted(first.Hash()))
	s.refused(t, "eth_sendRawTransaction", raw(first), -32000, "already known")
	s.is(t, "eth_sendRawTransaction", raw(third), quoted(third.Hash()))

	sender := rpctest.AccountAt(0).Address
	s.is(t, "eth_getTransactionCount", quoted(sender)+`,"pending"`, `"0x1"`)
	s.is(t, "eth_getTransactionCount", quoted(sender)+`,"latest"`, `"0x0"`)
	s.is(t, "txpool_status", "", `{"pending":"0x1","queued":"0x1"}`)
	content := s.object(t, "txpool_content", "")
	for kind, nonce := range map[string]string{"pending": "0", "queued": "2"} {
		tx := content[kind].(map[string]any)[sender.Hex()].(map[string]any)[nonce].(map[string]any)
		has(t, tx, "blockHash", nil)
		has(t, tx, "from", strings.ToLower(sender.Hex()))
	}
	from := s.object(t, "txpool_contentFrom", quoted(sender))
	require.Equal(t, content["pending"].(map[string]any)[sender.Hex()], from["pending"])
	require.Equal(t, content["queued"].(map[string]any)[sender.Hex()], from["queued"])
	line := s.object(t, "txpool_inspect", "")["pending"].(map[string]any)[sender.Hex()].(map[string]any)["0"]
	require.Equal(t, common.Address{5}.Hex()+": 1 wei + 21000 gas × 100000000000 wei", line)
	has(t, s.object(t, "eth_getTransactionByHash", quoted(first.Hash())), "blockNumber", nil)
	s.is(t, "eth_getTransactionReceipt", quoted(first.Hash()), "null")
	s.is(t, "eth_getRawTransactionByHash", quoted(first.Hash()), raw(first))

	s.is(t, "eth_sendRawTransaction", raw(second), quoted(second.Hash()))
	s.is(t, "eth_getTransactionCount", quoted(sender)+`,"pending"`, `"0x3"`)
	node.Seal()
	s.is(t, "eth_getTransactionCount", quoted(sender)+`,"latest"`, `"0x3"`)
	a := s.call(t, "eth_sendRawTransaction", raw(first))
	require.NotNil(t, a.Error)
	require.Equal(t, -32000, a.Error.Code)
	require.True(t, strings.HasPrefix(a.Error.Message, "nonce too low: "), a.Error.Message)

	node.Refuse(fmt.Errorf("%w: 4096 wait", chain.ErrBusy))
	s.refused(t, "eth_sendRawTransaction", raw(node.Transfer(1, common.Address{5}, 1)), -32005, "txpool is full: 4096 wait")
	s.refused(t, "eth_signTransaction", "{}", -32000, "unknown account")
	if a := s.call(t, "eth_sendRawTransaction", `"0x"`); a.Error == nil || a.Error.Code != -32000 {
		t.Errorf("nothing was taken: %+v", a)
	}
}

// A remote is a node that sends transactions elsewhere.
type remote struct {
	backend.Backend
	asked []string
	err   error
}

func (r *remote) Forward(_ context.Context, method string, params ...any) (json.RawMessage, error) {
	text, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	r.asked = append(r.asked, method+string(text))
	return json.RawMessage(`"0x7"`), r.err
}

// PendingNonce is not for a node that forwards.
func (r *remote) PendingNonce(context.Context, common.Address) (uint64, error) {
	return 0, errors.New("asked here")
}

func TestForward(t *testing.T) {
	r := &remote{Backend: rpctest.Dev(t, rpctest.Options{})}
	s := serve(t, r)
	addr := quoted(strings.ToLower(rpctest.AccountAt(0).Address.Hex()))
	s.is(t, "eth_getTransactionCount", addr+`,"pending"`, `"0x7"`)
	s.is(t, "eth_getTransactionCount", addr+`,"latest"`, `"0x0"`)
	s.is(t, "txpool_status", "", `"0x7"`)
	s.is(t, "txpool_content", "", `"0x7"`)
	s.is(t, "txpool_contentFrom", addr, `"0x7"`)
	s.is(t, "txpool_inspect", "", `"0x7"`)
	require.Equal(t, []string{
		"eth_getTransactionCount[" + addr + `,"pending"]`, "txpool_statusnull", "txpool_contentnull", "txpool_contentFrom[" + addr + "]", "txpool_inspectnull",
	}, r.asked)
	r.err = &wire.Error{Code: -32005, Message: "busy there"}
	s.refused(t, "txpool_status", "", -32005, "busy there")
	s.refused(t, "eth_getTransactionCount", addr+`,"pending"`, -32005, "busy there")
}

// go-ethereum's client, which checks what it gets against the hashes in it.
func TestClient(t *testing.T) {
	node := logNode(t, rpctest.Options{})
	tx := emit(node)
	node.Seal(tx, node.Transfer(1, common.Address{5}, 1))
	client, err := ethclient.Dial(serve(t, node).http.URL)
	require.NoError(t, err)
	defer client.Close()
	ctx := t.Context()
	block, err := client.BlockByNumber(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, node.Head().Hash(), block.Hash())
	require.Len(t, block.Transactions(), 2)
	receipts, err := client.BlockReceipts(ctx, rpc.BlockNumberOrHashWithHash(block.Hash(), false))
	require.NoError(t, err)
	require.Equal(t, block.ReceiptHash(), types.DeriveSha(types.Receipts(receipts), newHasher()))
	got, pending, err := client.TransactionByHash(ctx, tx.Hash())
	require.NoError(t, err)
	require.False(t, pending)
	require.Equal(t, tx.Hash(), got.Hash())
	progress, err := client.SyncProgress(ctx)
	require.NoError(t, err)
	require.Nil(t, progress)
	_, err = client.BlockByNumber(ctx, big.NewInt(9))
	require.ErrorContains(t, err, "not found")
	tip, err := client.SuggestGasTipCap(ctx)
	require.NoError(t, err)
	require.Equal(t, big.NewInt(params.GWei), tip, "what the transactions paid")
	price, err := client.SuggestGasPrice(ctx)
	require.NoError(t, err)
	require.Equal(t, new(big.Int).Add(tip, eip1559.CalcBaseFee(node.ChainConfig(), block.Header())), price, "of the next block")
}

func TestCapabilities(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	for range 5 {
		node.Seal()
	}
	all := `{"disabled":false,"oldestBlock":"0x0"}`
	head := fmt.Sprintf(`{"head":{"number":"0x5","hash":%q},`, node.Head().Hash())
	rest := func(state, blocks string) string {
		return head + `"state":` + state + `,"tx":` + blocks + `,"logs":` + blocks + `,"receipts":` + blocks + `,"blocks":` + blocks + `,"stateproofs":` + state + `}`
	}
	serve(t, node).is(t, "eth_capabilities", "", rest(all, all))

	node = rpctest.Dev(t, rpctest.Options{Retain: 2, History: func(c *history.Config) { c.KeepBlocks = 4 }})
	for n := range uint64(40) {
		node.Seal(node.Transfer(0, common.Address{1}, 1))
		require.NoError(t, node.History().Persist(t.Context(), n+1))
		c := ethapi.New(node, ethapi.Options{}).Capabilities()
		_, err := node.StateAt(header(t, node, uint64(*c.State.OldestBlock)).ID())
		require.NoError(t, err)
		require.Equal(t, max(n+1, 2)-2, uint64(*c.State.OldestBlock), "at %d", n+1)
		oldest := uint64(*c.Blocks.OldestBlock)
		_, err = node.History().Block(oldest)
		require.NoError(t, err)
		if oldest > 0 {
			_, err = node.History().Block(oldest - 1)
			require.ErrorIs(t, err, history.ErrNotKept)
		}
	}
	head = fmt.Sprintf(`{"head":{"number":"0x28","hash":%q},`, node.Head().Hash())
	serve(t, node).is(t, "eth_capabilities", "", rest(
		`{"disabled":false,"oldestBlock":"0x26","deleteStrategy":{"type":"window","retentionBlocks":"0x3"}}`,
		`{"disabled":false,"oldestBlock":"0x25","deleteStrategy":{"type":"window","retentionBlocks":"0x4"}}`))
}

func header(t *testing.T, node *rpctest.Node, number uint64) *chain.Header {
	h, err := node.History().Header(number)
	require.NoError(t, err)
	return h
}

func TestRange(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	for range 6 {
		node.Seal()
	}
	s := serveWith(t, node, ethapi.Options{LogRange: 3})
	s.is(t, "eth_getLogs", `{"fromBlock":"0x2","toBlock":"0x4"}`, "[]")
	s.refused(t, "eth_getLogs", `{"fromBlock":"0x2","toBlock":"0x5"}`, -32602, "exceed maximum block range 3")
	s.refused(t, "eth_getLogs", `{"fromBlock":"earliest","toBlock":"latest"}`, -32602, "exceed maximum block range 3")
}

// Precompiles have the names, and the forks, of go-ethereum's engine.
func TestPrecompiles(t *testing.T) {
	var zero uint64
	config := *params.MergedTestChainConfig
	config.ShanghaiTime, config.CancunTime, config.PragueTime, config.OsakaTime = nil, nil, nil, nil
	config.AmsterdamTime, config.BogotaTime, config.UBTTime = nil, nil, nil
	for _, fork := range []**uint64{&config.ShanghaiTime, &config.CancunTime, &config.PragueTime, &config.OsakaTime} {
		*fork = &zero
		rules := config.Rules(new(big.Int), true, 0)
		want := make(map[string]common.Address)
		for addr, contract := range vm.ActivePrecompiledContracts(rules) {
			want[contract.Name()] = addr
		}
		got := ethapi.Precompiles(rules)
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

func TestNames(t *testing.T) {
	node := rpctest.Dev(t, rpctest.Options{})
	s := serve(t, node)
	s.is(t, "net_version", "", quoted(node.ChainConfig().ChainID.String()))
	s.is(t, "web3_clientVersion", "", `"Vivace/test"`)
	s.is(t, "eth_coinbase", "", quoted(strings.ToLower(node.Head().Coinbase.Hex())))
}
