package ethapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// logNode is a development chain with the emitter.
func logNode(t testing.TB, opts rpctest.Options) *rpctest.Node {
	t.Helper()
	return rpctest.New(t, rpctest.DevSpec(t, func(c *chain.Changes) {
		rpctest.Fund(c, emitter, new(uint256.Int), emitterCode)
	}), opts)
}

// emit has account 0 make the emitter log three times.
func emit(n *rpctest.Node) *chain.Tx { return n.Call(0, &emitter, 0, make([]byte, 64)) }

func quoted(v any) string { return fmt.Sprintf("%q", v) }

// object is the result of a call, an object.
func (s *server) object(t testing.TB, method, params string) map[string]any {
	t.Helper()
	v, ok := parse(t, []byte(s.result(t, method, params))).(map[string]any)
	if !ok {
		t.Fatalf("%s(%s): no object", method, params)
	}
	return v
}

// is checks the result of a call.
func (s *server) is(t testing.TB, method, params, want string) {
	t.Helper()
	if got := s.result(t, method, params); got != want {
		t.Errorf("%s(%s): got %s, want %s", method, params, got, want)
	}
}

// count is the length of a result that is a list.
func (s *server) count(t testing.TB, method, params string) int {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(s.result(t, method, params)), &list); err != nil {
		t.Fatalf("%s(%s): %v", method, params, err)
	}
	return len(list)
}

func has(t testing.TB, object map[string]any, name string, want any) {
	t.Helper()
	if got, ok := object[name]; !ok || got != want {
		t.Errorf("%s: got %v (present is %t), want %v", name, got, ok, want)
	}
}

// An acknowledged transaction whose block is not sealed reads as pending on the
// standard path, and is there on the realtime path.
func TestPaths(t *testing.T) {
	var (
		node     = logNode(t, rpctest.Options{})
		standard = serve(t, node)
		realtime = serveWith(t, node, ethapi.Options{Realtime: true})
		head     = node.Seal(node.Transfer(1, common.Address{5}, 3))
		tx       = emit(node)
		hash     = quoted(tx.Hash())
		sender   = quoted(rpctest.AccountAt(0).Address)
	)
	node.Mini(tx, node.Transfer(1, common.Address{5}, 4))

	standard.is(t, "eth_blockNumber", "", `"0x1"`)
	standard.is(t, "eth_getTransactionReceipt", hash, "null")
	pending := standard.object(t, "eth_getTransactionByHash", hash)
	for _, name := range []string{"blockHash", "blockNumber", "blockTimestamp", "transactionIndex"} {
		has(t, pending, name, nil)
	}
	for _, at := range []string{`"latest"`, `"pending"`, `"safe"`, `"finalized"`, `"0x1"`} {
		has(t, standard.object(t, "eth_getBlockByNumber", at+",false"), "hash", head.Hash().Hex())
	}
	standard.is(t, "eth_getBlockByNumber", `"0x2",false`, "null")
	standard.is(t, "eth_getBlockReceipts", `"0x2"`, "null")
	standard.is(t, "eth_getLogs", `{}`, "[]")
	standard.refused(t, "eth_getLogs", `{"toBlock":"pending"}`, -32602, "pending logs are not supported")
	standard.refused(t, "eth_getLogs", `{"toBlock":"0x2"}`, -32602, "block range extends beyond current head block")

	realtime.is(t, "eth_blockNumber", "", `"0x2"`)
	receipt := realtime.object(t, "eth_getTransactionReceipt", hash)
	for name, want := range map[string]any{"blockHash": nil, "blockNumber": "0x2", "transactionIndex": "0x0", "status": "0x1"} {
		has(t, receipt, name, want)
	}
	if logs := receipt["logs"].([]any); len(logs) != 3 {
		t.Errorf("%d logs", len(logs))
	}
	has(t, realtime.object(t, "eth_getTransactionByHash", hash), "blockNumber", "0x2")
	for _, at := range []string{`"latest"`, `"pending"`, `"0x2"`} {
		block := realtime.object(t, "eth_getBlockByNumber", at+",true")
		for name, want := range map[string]any{"hash": nil, "number": "0x2", "parentHash": head.Hash().Hex(), "stateRoot": nil} {
			has(t, block, name, want)
		}
		realtime.is(t, "eth_getBlockTransactionCountByNumber", at, `"0x2"`)
		if n := realtime.count(t, "eth_getBlockReceipts", at); n != 2 {
			t.Errorf("%d receipts at %s", n, at)
		}
	}
	has(t, realtime.object(t, "eth_getBlockByNumber", `"0x1",false`), "hash", head.Hash().Hex())
	has(t, realtime.object(t, "eth_getBlockByNumber", `"safe",false`), "hash", head.Hash().Hex())
	realtime.is(t, "eth_getBlockByNumber", `"0x3",false`, "null")
	for _, blocks := range []string{`{}`, `{"fromBlock":"0x0"}`, `{"toBlock":"pending"}`, `{"fromBlock":"0x2","toBlock":"0x2"}`, `{"fromBlock":"0x1","toBlock":"pending"}`} {
		if n := realtime.count(t, "eth_getLogs", blocks); n != 3 {
			t.Errorf("%d logs of %s", n, blocks)
		}
	}
	realtime.is(t, "eth_getLogs", `{"fromBlock":"0x0","toBlock":"0x1"}`, "[]")

	for _, s := range []*server{standard, realtime} { // state is the newest on both
		s.is(t, "eth_getBalance", quoted(common.Address{5}), `"0x7"`)
		s.is(t, "eth_getBalance", quoted(common.Address{5})+`,"0x1"`, `"0x3"`)
		s.is(t, "eth_getBalance", quoted(common.Address{5})+`,"safe"`, `"0x3"`)
		s.is(t, "eth_getTransactionCount", sender+`,"latest"`, `"0x1"`)
		s.is(t, "eth_getRawTransactionByHash", hash, quoted(fmt.Sprintf("0x%x", tx.Raw())))
		has(t, s.object(t, "eth_getProof", quoted(common.Address{5})+`,[],"latest"`), "balance", "0x3")
	}

	sealed := node.Seal()
	for _, method := range []string{"eth_getTransactionReceipt", "eth_getTransactionByHash"} {
		text := standard.result(t, method, hash)
		realtime.is(t, method, hash, text)
		if !strings.Contains(text, sealed.Hash().Hex()) {
			t.Errorf("%s: no block hash in %s", method, text)
		}
	}
	logs := standard.result(t, "eth_getLogs", `{"fromBlock":"0x2"}`)
	realtime.is(t, "eth_getLogs", `{"fromBlock":"0x2"}`, logs)
	has(t, standard.object(t, "eth_getProof", quoted(common.Address{5})+`,[],"pending"`), "balance", "0x7")
}

// What a poll brings: all that came since the one before, and nothing twice.
func TestFilters(t *testing.T) {
	var (
		node     = logNode(t, rpctest.Options{})
		standard = serve(t, node)
		realtime = serveWith(t, node, ethapi.Options{Realtime: true})
	)
	node.Seal(emit(node))
	node.Mini(emit(node)) // in block 2
	type one struct {
		server *server
		id     string
	}
	add := func(s *server, method, params string) one { return one{s, s.result(t, method, params)} }
	var (
		blocks  = add(standard, "eth_newBlockFilter", "")
		txs     = add(standard, "eth_newPendingTransactionFilter", "")
		inFull  = add(standard, "eth_newPendingTransactionFilter", "true")
		logs    = add(standard, "eth_newFilter", "{}")
		nothing = add(standard, "eth_newFilter", `{"address":"0x0000000000000000000000000000000000000001"}`)
		later   = add(standard, "eth_newFilter", `{"fromBlock":"0x4","toBlock":"latest"}`)
		until   = add(standard, "eth_newFilter", `{"fromBlock":"0x0","toBlock":"0x2"}`)
		early   = add(realtime, "eth_newFilter", `{"toBlock":"pending"}`)
		all     = []one{blocks, txs, inFull, logs, nothing, later, until, early}
	)
	poll := func(step string, want ...int) {
		t.Helper()
		for i, f := range all {
			if got := f.server.count(t, "eth_getFilterChanges", f.id); got != want[i] {
				t.Errorf("%s: filter %d brought %d, want %d", step, i, got, want[i])
			}
		}
	}
	//                              blocks txs full logs none later until early
	poll("before anything came", 0, 0, 0, 0, 0, 0, 0, 0)
	node.Mini(emit(node), node.Transfer(1, common.Address{5}, 1))
	poll("mini-block", 0, 2, 2, 0, 0, 0, 0, 3)
	node.Mini(emit(node))
	poll("another", 0, 1, 1, 0, 0, 0, 0, 3)
	node.Seal(emit(node)) // block 2
	poll("sealed", 1, 1, 1, 12, 0, 0, 12, 3)
	node.Seal()
	node.Seal(emit(node)) // block 4
	poll("two blocks", 2, 1, 1, 3, 0, 3, 0, 3)
	poll("nothing new", 0, 0, 0, 0, 0, 0, 0, 0)
	node.Push(emit(node))
	poll("acknowledged", 0, 1, 1, 0, 0, 0, 0, 3)
	node.Seal()
	poll("and sealed", 1, 0, 0, 3, 0, 3, 0, 0)

	if n := standard.count(t, "eth_getFilterLogs", until.id); n != 15 {
		t.Errorf("%d logs in blocks 0 to 2", n)
	}
	standard.refused(t, "eth_getFilterLogs", blocks.id, -32000, "filter not found")
	standard.is(t, "eth_uninstallFilter", logs.id, "true")
	standard.is(t, "eth_uninstallFilter", logs.id, "false")
	standard.refused(t, "eth_getFilterChanges", logs.id, -32000, "filter not found")
	realtime.refused(t, "eth_newFilter", `{"fromBlock":"safe"}`, -32602, "invalid block range params")
}

// An answer is bounded by the bytes of its logs, not only by their number. eth_getLogs
// refuses more, a poll brings the rest with the next.
func TestLogBytes(t *testing.T) {
	node := logNode(t, rpctest.Options{})
	const most = 5000
	s := serveWith(t, node, ethapi.Options{LogBytes: most})
	id := s.result(t, "eth_newFilter", "{}")
	for range 4 {
		node.Seal(emit(node), emit(node))
	}
	refusal := "query returned more than 5000 bytes; narrow the range"
	s.refused(t, "eth_getLogs", `{"fromBlock":"0x0"}`, -32005, refusal)
	s.refused(t, "eth_getLogs", `{"fromBlock":"0x1","toBlock":"0x2"}`, -32005, refusal)
	if n := s.count(t, "eth_getLogs", `{"fromBlock":"0x1","toBlock":"0x1"}`); n != 6 {
		t.Errorf("%d logs in block 1, want 6", n)
	}
	for left := 24; left > 0; {
		text := s.result(t, "eth_getFilterChanges", id)
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 || len(text) > most {
			t.Fatalf("%d logs in %d bytes, %d left", len(list), len(text), left)
		}
		left -= len(list)
	}
	one := serveWith(t, node, ethapi.Options{LogBytes: 1})
	one.refused(t, "eth_getLogs", `{"fromBlock":"0x1","toBlock":"0x1"}`, -32005, "query returned more than 1 bytes; narrow the range")
}

// A poll that would bring too much brings the rest with the next.
func TestFiltersBounded(t *testing.T) {
	node := logNode(t, rpctest.Options{})
	s := serveWith(t, node, ethapi.Options{LogResults: 4, FiltersMax: 3})
	var ids []string
	for _, method := range []string{"eth_newFilter", "eth_newPendingTransactionFilter", "eth_newBlockFilter"} {
		params := ""
		if method == "eth_newFilter" {
			params = "{}"
		}
		ids = append(ids, s.result(t, method, params))
	}
	s.refused(t, "eth_newBlockFilter", "", -32005, "too many filters (max 3)")
	for range 3 {
		node.Seal(emit(node), emit(node))
	}
	seen := make(map[string]bool)
	for i, want := range [][]int{{4, 4, 4, 4, 2, 0}, {4, 2, 0}, {3, 0}} {
		for _, n := range want {
			var list []json.RawMessage
			if err := json.Unmarshal([]byte(s.result(t, "eth_getFilterChanges", ids[i])), &list); err != nil {
				t.Fatal(err)
			}
			if len(list) != n {
				t.Errorf("filter %d: got %d, want %d", i, len(list), n)
			}
			for _, text := range list {
				if seen[string(text)] {
					t.Errorf("filter %d brings %s twice", i, text)
				}
				seen[string(text)] = true
			}
		}
	}
	s.refused(t, "eth_getLogs", `{"fromBlock":"0x1"}`, -32005, "query returned more than 4 results")
}

// Filters of both paths share one bound on memory.
func TestFilterBytes(t *testing.T) {
	api := ethapi.New(rpctest.Dev(t, rpctest.Options{}), ethapi.Options{FilterBytes: 3 << 10, FilterLife: time.Minute})
	now := time.Now()
	api.SetClock(func() time.Time { return now })
	realtime := api.Path(true)
	small, err := api.NewBlockFilter()
	if err != nil {
		t.Fatal(err)
	}
	large := wire.LogFilter{Addresses: make([]common.Address, 50)} // a kilobyte
	if _, err = realtime.NewFilter(large); err != nil {
		t.Fatal(err)
	}
	for _, path := range []*ethapi.API{api, realtime} {
		if _, err := path.NewBlockFilter(); err == nil || err.Error() != "filters take too much memory (max 3072 bytes)" {
			t.Errorf("one more: got %v", err)
		}
	}
	if !realtime.UninstallFilter(small) {
		t.Error("a filter of one path is not known to the other")
	}
	if _, err := realtime.NewBlockFilter(); err != nil {
		t.Errorf("after one was removed: %v", err)
	}
	now = now.Add(time.Hour)
	if _, err := api.NewFilter(large); err != nil {
		t.Errorf("after the others expired: %v", err)
	}
	if n := api.Filters(); n != 1 {
		t.Errorf("got %d filters, want 1", n)
	}
}

// meanwhile is a node on which something happens just before history is asked for the
// at-th time.
type meanwhile struct {
	*rpctest.Node
	at int
	do func()
}

func (m *meanwhile) History() *history.Store {
	if m.at--; m.at == 0 {
		m.do()
	}
	return m.Node.History()
}

// A poll for transactions sees each one once, whatever is sealed while it reads.
func TestTxFilterWhileSealed(t *testing.T) {
	for at := 1; at <= 3; at++ {
		n := rpctest.Dev(t, rpctest.Options{})
		n.Mini(n.Transfer(0, common.Address{1}, 1))
		m := &meanwhile{Node: n}
		api := ethapi.New(m, ethapi.Options{})
		id, err := api.NewPendingTransactionFilter(nil)
		if err != nil {
			t.Fatal(err)
		}
		var txs []*chain.Tx
		for i := range uint64(3) {
			txs = append(txs, n.Transfer(0, common.Address{1}, 2+i))
		}
		n.Mini(txs[0])
		m.at, m.do = at, func() { n.Mini(txs[1]); n.Seal(); n.Mini(txs[2]) }
		var got, want []common.Hash
		for range 4 {
			found, err := api.GetFilterChanges(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, found.([]common.Hash)...)
		}
		for _, tx := range txs {
			want = append(want, tx.Hash())
		}
		if !slices.Equal(got, want) {
			t.Errorf("at question %d: got %d transactions %v, want %v", at, len(got), got, want)
		}
	}
}
