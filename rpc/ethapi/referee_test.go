package ethapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// same sends a request to both nodes, and compares all of the answers.
func (p *pair) same(t *testing.T, method, params string) {
	t.Helper()
	request := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, params)
	answer, err := http.Post(p.geth, "application/json", bytes.NewReader(request))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for i, difference := range differences("", parse(t, p.ours.send(t, request)), parse(t, text)) {
		if i < 5 {
			t.Errorf("%s(%s): %s", method, params, difference)
		}
	}
}

// refereeBlocks is less than what a suggested tip looks at: beyond that go-ethereum's
// depends on the order in which its goroutines come to their ends.
const refereeBlocks = 19

// Every answer about random blocks with all types of transactions equals
// go-ethereum's, field by field.
func TestReferee(t *testing.T) {
	p := newPair(t, 4, refereeBlocks)
	kinds := make(map[byte]int)
	for _, tx := range p.txs {
		kinds[min(tx.Raw()[0], 0xc0)]++
	}
	for _, kind := range []byte{0xc0, 1, 2, 3, 4} {
		if kinds[kind] == 0 {
			t.Errorf("no transactions of type %#x", kind)
		}
	}
	t.Run("blocks", p.sameBlocks)
	t.Run("transactions", p.sameTransactions)
	t.Run("state", p.sameState)
	t.Run("proofs", p.sameProofs)
	t.Run("logs", p.sameLogs)
	t.Run("fees", p.sameFees)
	t.Run("errors", p.sameErrors)
	t.Run("rest", p.sameRest)
}

func (p *pair) sameBlocks(t *testing.T) {
	at := []string{`"latest"`, `"earliest"`, `"0xffff"`}
	for n := range uint64(refereeBlocks + 1) {
		at = append(at, fmt.Sprintf(`"%#x"`, n))
		header, err := p.node.History().Header(n)
		if err != nil {
			t.Fatal(err)
		}
		p.sameBlock(t, "Hash", fmt.Sprintf("%q", header.Hash()))
		p.same(t, "eth_getBlockReceipts", fmt.Sprintf("%q", header.Hash()))
	}
	for _, at := range at {
		p.sameBlock(t, "Number", at)
		p.same(t, "eth_getBlockReceipts", at)
	}
	p.sameBlock(t, "Hash", fmt.Sprintf("%q", common.Hash{1}))
	p.same(t, "eth_getBlockReceipts", fmt.Sprintf("%q", common.Hash{1}))
	p.same(t, "eth_getHeaderByNumber", `"pending"`)
}

// sameBlock asks everything about a block, by its number or hash.
func (p *pair) sameBlock(t *testing.T, by, at string) {
	p.same(t, "eth_getBlockBy"+by, at+",true")
	p.same(t, "eth_getBlockBy"+by, at+",false")
	p.same(t, "eth_getHeaderBy"+by, at)
	p.same(t, "eth_getBlockTransactionCountBy"+by, at)
	p.same(t, "eth_getUncleCountByBlock"+by, at)
	p.same(t, "eth_getUncleByBlock"+by+"AndIndex", at+`,"0x0"`)
	for _, i := range []string{`"0x0"`, `"0x1"`, `"0xfff"`} {
		p.same(t, "eth_getTransactionByBlock"+by+"AndIndex", at+","+i)
		p.same(t, "eth_getRawTransactionByBlock"+by+"AndIndex", at+","+i)
	}
}

func (p *pair) sameTransactions(t *testing.T) {
	hashes := []common.Hash{{1}}
	for _, tx := range p.txs {
		hashes = append(hashes, tx.Hash())
	}
	for _, hash := range hashes {
		for _, method := range []string{"eth_getTransactionByHash", "eth_getRawTransactionByHash", "eth_getTransactionReceipt"} {
			p.same(t, method, fmt.Sprintf("%q", hash))
		}
	}
}

func (p *pair) addresses() (list []common.Address) {
	list = []common.Address{emitter, reverter, {0x77, 1}, {0xaa}, {}, params.HistoryStorageAddress, p.node.Head().Coinbase}
	for i := range rpctest.Accounts {
		list = append(list, rpctest.AccountAt(i).Address)
	}
	for i := range 3 {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i)}))
		if err != nil {
			panic(err)
		}
		list = append(list, crypto.PubkeyToAddress(key.PublicKey))
	}
	return list
}

// moments are blocks at which state can be asked for.
func (p *pair) moments() []string {
	return []string{`"latest"`, `"earliest"`, `"0x5"`, `"0xb"`, fmt.Sprintf(`{"blockHash":%q}`, p.node.Head().Hash()), `"0xffff"`}
}

func (p *pair) sameState(t *testing.T) {
	for _, at := range p.moments() {
		for _, addr := range p.addresses() {
			for _, method := range []string{"eth_getBalance", "eth_getCode", "eth_getTransactionCount"} {
				p.same(t, method, fmt.Sprintf("%q,%s", addr, at))
			}
			for _, key := range []string{"0x0", "0x00", "1", common.Hash{31: 3}.Hex()} {
				p.same(t, "eth_getStorageAt", fmt.Sprintf("%q,%q,%s", addr, key, at))
			}
		}
		p.same(t, "eth_getStorageValues", fmt.Sprintf(`{%q:[%q,%q],%q:[%q]},%s`, emitter, common.Hash{}, common.Hash{31: 2}, reverter, common.Hash{}, at))
	}
	p.same(t, "eth_getBalance", fmt.Sprintf("%q", emitter))
	p.same(t, "eth_getTransactionCount", fmt.Sprintf(`%q,"pending"`, rpctest.AccountAt(0).Address))
}

func (p *pair) sameProofs(t *testing.T) {
	keys := fmt.Sprintf(`["0x0","0x01","2",%q,%q,"0x0"]`, common.Hash{31: 3}, common.Hash{1})
	for _, at := range p.moments() {
		for _, addr := range p.addresses() {
			p.same(t, "eth_getProof", fmt.Sprintf("%q,%s,%s", addr, keys, at))
			p.same(t, "eth_getProof", fmt.Sprintf("%q,[],%s", addr, at))
		}
	}
	p.same(t, "eth_getProof", fmt.Sprintf("%q,[]", emitter))
}

func (p *pair) sameLogs(t *testing.T) {
	topic := func(i byte) string { return fmt.Sprintf("%q", common.Hash{31: i}) }
	for _, blocks := range []string{
		`"fromBlock":"0x0","toBlock":"latest"`, `"fromBlock":"earliest"`, `"fromBlock":"0x3","toBlock":"0x9"`,
		`"fromBlock":"0x9","toBlock":"0x3"`, `"fromBlock":"0x3","toBlock":"0xffff"`, `"toBlock":"0x3"`,
		fmt.Sprintf(`"blockHash":%q`, p.node.Head().Hash()), fmt.Sprintf(`"blockHash":%q`, common.Hash{1}),
		fmt.Sprintf(`"blockHash":%q,"fromBlock":"0x1"`, common.Hash{1}), `"fromBlock":"pending"`,
	} {
		for _, what := range []string{
			"", `,"address":[]`, fmt.Sprintf(`,"address":%q`, emitter), fmt.Sprintf(`,"address":[%q,%q]`, reverter, emitter),
			fmt.Sprintf(`,"address":%q`, reverter), `,"address":null`, `,"topics":[]`, `,"topics":[null]`, `,"topics":[[]]`,
			`,"topics":[` + topic(1) + `]`, `,"topics":[null,` + topic(2) + `]`, `,"topics":[[` + topic(0) + `,` + topic(3) + `]]`,
			`,"topics":[null,null,null,` + topic(1) + `]`, `,"topics":[[` + topic(0) + `,null]]`,
			`,"topics":[null,null,null,null,null]`, `,"topics":["0x1"]`, `,"topics":[1]`, `,"topics":[[1]]`,
			`,"address":1`, `,"address":"0x1"`, `,"address":["0x1"]`, `,"address":[1]`, `,"address":"0x12"`, `,"topics":["0x12"]`,
		} {
			p.same(t, "eth_getLogs", "{"+blocks+what+"}")
		}
	}
}

func (p *pair) sameFees(t *testing.T) {
	for _, params := range []string{
		`"0x1","latest",[]`, `"0x8","latest",[0,10,50,90,100]`, `"0x400","0x5",[25.5,75]`, `"0x1000","latest",null`, `"0x0","latest",[]`,
		`"0x4","0xffff",[]`, `"0x4","latest",[50,20]`, `"0x4","latest",[20,20]`, `"0x4","latest",[101]`, `"0x4","latest",[-1]`, `"5","latest",[5]`, `3,"earliest",[5]`,
	} {
		p.same(t, "eth_feeHistory", params)
	}
	every := make([]string, 100)
	for i := range every {
		every[i] = fmt.Sprint(i + 1)
	}
	p.same(t, "eth_feeHistory", fmt.Sprintf(`"0x64","latest",[%s]`, strings.Join(every, ",")))
	p.same(t, "eth_feeHistory", fmt.Sprintf(`"0x64","latest",[0,%s]`, strings.Join(every, ",")))
	p.same(t, "eth_maxPriorityFeePerGas", "")
	p.same(t, "eth_blobBaseFee", "")
	p.same(t, "eth_baseFee", "")
}

// sameErrors compares codes and wording.
func (p *pair) sameErrors(t *testing.T) {
	for _, request := range [][2]string{
		{"eth_getProof", fmt.Sprintf(`%q,["0xzz"]`, emitter)},
		{"eth_getProof", fmt.Sprintf(`%q,[%s"0x0"]`, emitter, bytes.Repeat([]byte(`"0x0",`), 1024))},
		{"eth_getStorageAt", fmt.Sprintf(`%q,%q,"latest"`, emitter, "0x"+fmt.Sprintf("%066x", 1))},
		{"eth_getStorageValues", `{},"latest"`},
		{"eth_getStorageValues", fmt.Sprintf(`{%q:[%s%q]}`, emitter, bytes.Repeat(fmt.Appendf(nil, "%q,", common.Hash{}), 1024), common.Hash{})},
		{"eth_getFilterChanges", `"0x1"`}, {"eth_getFilterLogs", `"0x1"`}, {"eth_uninstallFilter", `"0x1"`},
		{"eth_newFilter", `{"fromBlock":"0x5","toBlock":"0x3"}`}, {"eth_newFilter", `{"toBlock":"0x3"}`}, {"eth_newFilter", `{"toBlock":"pending"}`},
		{"eth_sendTransaction", `{}`}, {"eth_sign", fmt.Sprintf(`%q,"0x00"`, emitter)},
		{"eth_getBlockByNumber", `"latest"`}, {"eth_getBlockByNumber", `"nonsense",true`}, {"eth_getBalance", `"0x12"`},
		{"eth_nonsense", ""}, {"eth_mining", ""}, {"eth_hashrate", ""}, {"eth_protocolVersion", ""}, {"eth_getCompilers", ""}, {"eth_getWork", ""},
	} {
		p.same(t, request[0], request[1])
	}
}

func (p *pair) sameRest(t *testing.T) {
	for _, method := range []string{
		"eth_chainId", "eth_blockNumber", "eth_syncing", "eth_accounts", "eth_config", "eth_pendingTransactions", "net_listening",
		"net_peerCount", "txpool_status", "txpool_content", "txpool_inspect",
	} {
		p.same(t, method, "")
	}
	p.same(t, "web3_sha3", `"0x68656c6c6f"`)
	p.same(t, "txpool_contentFrom", fmt.Sprintf("%q", emitter))
}

func parse(t testing.TB, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// differences are the places where two JSON values differ.
func differences(at string, got, want any) (out []string) {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			break
		}
		for key, w := range want {
			if g, ok := got[key]; !ok {
				out = append(out, at+"/"+key+" is missing")
			} else {
				out = append(out, differences(at+"/"+key, g, w)...)
			}
		}
		for key := range got {
			if _, ok := want[key]; !ok {
				out = append(out, at+"/"+key+" is too much")
			}
		}
		return out
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			break
		}
		for i := range want {
			out = append(out, differences(at+"/"+string(rune('0'+i%10)), got[i], want[i])...)
		}
		return out
	}
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		out = append(out, at+": got "+string(g)+", want "+string(w))
	}
	return out
}
