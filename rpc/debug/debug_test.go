package debug

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/core/vm/program"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

func client(t *testing.T, n *rpctest.Node, config Config) *rpc.Client {
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("debug", New(n, n.Engine(), config)))
	c := rpc.DialInProc(server)
	t.Cleanup(func() { c.Close(); server.Stop() })
	return c
}

// ask returns the JSON of the answer, or the error.
func ask(t *testing.T, c *rpc.Client, method string, args ...any) (string, error) {
	var raw json.RawMessage
	err := c.CallContext(t.Context(), &raw, "debug_"+method, args...)
	return string(raw), err
}

// story makes blocks of all kinds, and returns their headers from genesis on.
func story(t *testing.T, n *rpctest.Node) []*chain.Header {
	headers := []*chain.Header{n.Head()}
	seal := func(txs ...*chain.Tx) { headers = append(headers, n.Seal(txs...)) }
	word := func(v byte) []byte { return common.LeftPadBytes([]byte{v}, 32) }

	seal()
	deploy, keeper := n.Deploy(0, keeperCode())
	again, twin := n.Deploy(1, keeperCode())
	bystander, aside := n.Deploy(2, program.New().Push(1).Op(vm.POP).Bytes())
	call := func(from int, to common.Address, ago byte, looksAt common.Address) *chain.Tx {
		return n.Call(from, &to, 0, append(word(ago), common.LeftPadBytes(looksAt[:], 32)...))
	}
	seal(deploy, again, bystander, n.Transfer(1, common.Address{7}, 5))
	seal(call(0, keeper, 1, aside), call(2, twin, 2, aside), call(1, keeper, 200, common.Address{8}))
	seal(call(1, keeper, 1, aside), call(3, keeper, 3, aside), n.Call(2, nil, 0, program.New().Selfdestruct(common.Address{8}).Bytes()))
	seal(n.Transfer(0, keeper, 1), n.Call(2, &aside, 0, nil), n.Call(0, nil, 0, []byte{0xfe}))
	return headers
}

// keeperCode stores the hash of the block so many blocks ago as its input says,
// under the input, if there is none yet, and otherwise clears it; it logs, reads the
// balance of the address in its input and the size of a system contract's code.
func keeperCode() []byte {
	return common.FromHex("600035" + // CALLDATALOAD(0)
		"80" + "54" + "15" + // empty?
		"81" + "43" + "03" + "40" + // BLOCKHASH(NUMBER - input)
		"02" + // times
		"60003555" + // SSTORE at input
		"602035" + "31" + "50" + // BALANCE
		"73000f3df6d732807ef1319fb7b8bb8522d0beac02" + "3b" + "50" + // EXTCODESIZE of the beacon roots
		"60006000a0" + "00") // LOG0, STOP
}

func TestRaw(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	headers := story(t, n)
	c := client(t, n, Config{})
	for _, h := range headers {
		for _, at := range []any{hexutil.Uint64(h.Number), map[string]any{"blockHash": h.Hash()}} {
			var rawHeader, rawBlock hexutil.Bytes
			require.NoError(t, c.Call(&rawHeader, "debug_getRawHeader", at))
			require.NoError(t, c.Call(&rawBlock, "debug_getRawBlock", at))
			var (
				header types.Header
				block  types.Block
			)
			require.NoError(t, rlp.DecodeBytes(rawHeader, &header))
			require.NoError(t, rlp.DecodeBytes(rawBlock, &block))
			require.Equal(t, h.Hash(), header.Hash())
			require.Equal(t, h.Hash(), block.Hash())
			require.Equal(t, header.TxHash, types.DeriveSha(block.Transactions(), newHasher()))

			var raws []hexutil.Bytes
			require.NoError(t, c.Call(&raws, "debug_getRawReceipts", at))
			require.NotNil(t, raws)
			receipts := make(types.Receipts, len(raws))
			for i, raw := range raws {
				receipts[i] = new(types.Receipt)
				require.NoError(t, receipts[i].UnmarshalBinary(raw))
			}
			require.Equal(t, header.ReceiptHash, types.DeriveSha(receipts, newHasher()))

			for i, tx := range block.Transactions() {
				var raw hexutil.Bytes
				require.NoError(t, c.Call(&raw, "debug_getRawTransaction", tx.Hash()))
				want, err := tx.MarshalBinary()
				require.NoError(t, err)
				require.Equal(t, want, []byte(raw), "transaction %d", i)
			}
		}
	}
	latest, err := ask(t, c, "getRawHeader", "latest")
	require.NoError(t, err)
	pending, err := ask(t, c, "getRawHeader", "pending")
	require.NoError(t, err)
	require.Equal(t, latest, pending)
}

// A transaction is there before it is in a block.
func TestRawTransactionOnItsWay(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{Hold: true})
	c := client(t, n, Config{})
	waiting := n.Transfer(0, common.Address{1}, 1)
	_, err := n.Send(t.Context(), waiting.Raw())
	require.NoError(t, err)
	raw, err := ask(t, c, "getRawTransaction", waiting.Hash())
	require.NoError(t, err)
	require.Equal(t, `"`+hexutil.Encode(waiting.Raw())+`"`, raw)
	n.Mini()
	again, err := ask(t, c, "getRawTransaction", waiting.Hash())
	require.NoError(t, err)
	require.Equal(t, raw, again)
}

func TestNotThere(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	c := client(t, n, Config{})
	nowhere := map[string]any{"blockHash": common.Hash{0xaa}}
	for _, q := range []struct {
		method string
		at     any
		want   string // result, or
		err    string
	}{
		{"getRawHeader", "0x63", `"0x"`, ""},
		{"getRawBlock", "0x63", `"0x"`, ""},
		{"getRawReceipts", "0x63", `null`, ""},
		{"getRawTransaction", common.Hash{0xaa}, `"0x"`, ""},
		{"getRawHeader", nowhere, "", "header 0xaa00000000000000000000000000000000000000000000000000000000000000 not found"},
		{"getRawBlock", nowhere, "", "block 0xaa00000000000000000000000000000000000000000000000000000000000000 not found"},
		{"getRawReceipts", nowhere, "", "block 0xaa00000000000000000000000000000000000000000000000000000000000000 not found"},
		{"executionWitness", "0x63", "", "block 0x63 not found"},
		{"executionWitness", nowhere, "", "block 0xaa00000000000000000000000000000000000000000000000000000000000000 not found"},
		{"executionWitness", "0x0", "", "block 0x0 found, but parent missing"},
	} {
		got, err := ask(t, c, q.method, q.at)
		if q.err != "" {
			require.EqualError(t, err, q.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, q.want, got, q.method)
	}
}

func TestPruned(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{History: func(c *history.Config) { c.KeepBlocks = 2 }})
	c := client(t, n, Config{})
	for range 8 {
		n.Seal(n.Transfer(0, common.Address{1}, 1))
		require.NoError(t, n.History().Persist(t.Context(), n.Head().Number))
	}
	for _, method := range []string{"getRawBlock", "getRawReceipts", "executionWitness"} {
		_, err := ask(t, c, method, "0x1")
		require.EqualError(t, err, "pruned history unavailable")
		var coded rpc.Error
		require.ErrorAs(t, err, &coded)
		require.Equal(t, 4444, coded.ErrorCode())
	}
}

func TestWitnessStateIsGone(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{Retain: 2})
	c := client(t, n, Config{})
	old := n.Seal(n.Transfer(0, common.Address{1}, 1))
	for range 5 {
		n.Seal()
	}
	_, err := ask(t, c, "executionWitness", hexutil.Uint64(old.Number))
	require.ErrorContains(t, err, "required historical state unavailable")
}

func TestWitnessBounds(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	n.Seal(n.Transfer(0, common.Address{1}, 1))
	api := New(n, n.Engine(), Config{Concurrency: 1, Timeout: 20 * time.Millisecond})
	at := rpc.BlockNumberOrHashWithNumber(1)
	api.slots <- struct{}{}
	_, err := api.ExecutionWitness(t.Context(), at)
	require.ErrorIs(t, err, errTimeout)
	<-api.slots

	api.timeout = time.Hour
	_, err = api.ExecutionWitness(t.Context(), at)
	require.NoError(t, err)
	api.executor = slow{}
	api.timeout = 20 * time.Millisecond
	_, err = api.ExecutionWitness(t.Context(), at)
	require.ErrorIs(t, err, errTimeout)
	require.Empty(t, api.slots)
}

// slow is an executor that never finishes.
type slow struct{}

func (slow) Execute(ctx context.Context, _ *chain.Block, _ chain.Ancestors, _ chain.StateView) (*chain.Result, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestWitnessOfNewestBlock(t *testing.T) {
	n := rpctest.Dev(t, rpctest.Options{})
	headers := story(t, n)
	n.Mini(n.Transfer(3, common.Address{3}, 3)) // an open block is nothing that can be proved
	c := client(t, n, Config{})
	want, err := ask(t, c, "executionWitness", map[string]any{"blockHash": headers[len(headers)-1].Hash()})
	require.NoError(t, err)
	for _, tag := range []string{"latest", "pending", "safe", "finalized"} {
		got, err := ask(t, c, "executionWitness", tag)
		require.NoError(t, err)
		require.True(t, bytes.Equal([]byte(want), []byte(got)), tag)
	}
}
