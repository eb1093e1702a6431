package wire_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

var config = func() *params.ChainConfig {
	c := *params.MergedTestChainConfig
	c.AmsterdamTime, c.BogotaTime, c.UBTTime = nil, nil, nil
	return &c
}()

var key, _ = crypto.ToECDSA(crypto.Keccak256([]byte("wire")))

// fields are a value's JSON.
func fields(t testing.TB, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}

func same(t testing.TB, what string, got, want map[string]any) {
	t.Helper()
	for name := range maps.Keys(got) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is too much", what, name)
		}
	}
	for name, w := range want {
		if g, ok := got[name]; !ok || !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %s: got %v, want %v", what, name, g, w)
		}
	}
}

func hexOf[T uint64 | int](v T) string { return fmt.Sprintf("%#x", v) }

// gethTx is a transaction of a block as go-ethereum's API has it, by way of its
// types' own JSON.
func gethTx(t testing.TB, tx *types.Transaction, block *types.Block, i int) map[string]any {
	want := fields(t, tx)
	for _, name := range []string{"maxFeePerGas", "maxPriorityFeePerGas"} {
		if want[name] == nil {
			delete(want, name)
		}
	}
	want["from"] = strings.ToLower(crypto.PubkeyToAddress(key.PublicKey).Hex())
	want["blockHash"], want["blockNumber"] = block.Hash().Hex(), hexOf(block.NumberU64())
	want["blockTimestamp"], want["transactionIndex"] = hexOf(block.Time()), hexOf(i)
	price := tx.GasPrice()
	if tx.Type() >= types.DynamicFeeTxType {
		price = new(big.Int).Add(tx.GasTipCap(), block.BaseFee())
		if price.Cmp(tx.GasFeeCap()) > 0 {
			price = tx.GasFeeCap()
		}
	}
	want["gasPrice"] = fmt.Sprintf("%#x", price)
	return want
}

func gethReceipt(t testing.TB, r *types.Receipt, tx *types.Transaction) map[string]any {
	want := fields(t, r)
	want["from"] = strings.ToLower(crypto.PubkeyToAddress(key.PublicKey).Hex())
	want["to"], want["type"] = nil, hexOf(int(tx.Type())) // the type leaves 0 out, the API does not
	if tx.To() != nil {
		want["to"], want["contractAddress"] = strings.ToLower(tx.To().Hex()), nil
	}
	delete(want, "root") // go-ethereum's type writes an empty one
	return want
}

// drop removes what is null in sealed blocks of go-ethereum's type, and absent in its
// API's answers.
func drop(m map[string]any) map[string]any {
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func TestSealed(t *testing.T) {
	for seed := range uint64(30) {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		b, geth, receipts := r.block(t, true)
		var transactions, hashes []any
		for i, tx := range geth.Transactions() {
			got, err := wire.NewTransaction(config, b, i)
			if err != nil {
				t.Fatal(err)
			}
			want := gethTx(t, tx, geth, i)
			same(t, fmt.Sprintf("seed %d: transaction %d of type %d", seed, i, tx.Type()), fields(t, got), want)
			transactions, hashes = append(transactions, want), append(hashes, tx.Hash().Hex())

			receipt, err := wire.NewReceipt(config, b, i)
			if err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprintf("seed %d: receipt %d", seed, i), fields(t, receipt), gethReceipt(t, receipts[i], tx))
			for j, l := range receipts[i].Logs {
				got := wire.NewLog(&b.Receipts[i].Logs[j], b.Number(), b.Env.Timestamp, &b.Hash, tx.Hash(), uint32(i), uint32(l.Index))
				same(t, fmt.Sprintf("seed %d: log %d of %d", seed, j, i), fields(t, got), fields(t, l))
			}
		}
		header := drop(fields(t, geth.Header()))
		same(t, fmt.Sprintf("seed %d: header", seed), fields(t, wire.NewHeader(b.Header)), header)

		for _, full := range []bool{false, true} {
			want := maps.Clone(header)
			want["size"], want["uncles"] = hexOf(geth.Size()), []any{}
			want["withdrawals"] = array(fields(t, map[string]any{"list": geth.Withdrawals()})["list"])
			want["transactions"] = array(hashes)
			if full {
				want["transactions"] = array(transactions)
			}
			got, err := wire.NewBlock(config, b, full)
			if err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprintf("seed %d: block", seed), normal(t, fields(t, got)), normal(t, want))
		}
	}
}

// array is a list that is never nil.
func array(v any) any {
	if list, ok := v.([]any); ok && list == nil {
		return []any{}
	}
	return v
}

// normal is m after a way through JSON.
func normal(t testing.TB, m map[string]any) map[string]any { return fields(t, m) }

// What differs in an unsealed block is exactly what its seal brings.
func TestUnsealed(t *testing.T) {
	for seed := range uint64(30) {
		sealed, _, _ := random{rand.New(rand.NewPCG(seed, 1))}.block(t, true)
		open, _, _ := random{rand.New(rand.NewPCG(seed, 1))}.block(t, false)
		for i := range sealed.Txs {
			for name, make := range map[string]func(*history.Block) (any, error){
				"transaction": func(b *history.Block) (any, error) { return wire.NewTransaction(config, b, i) },
				"receipt":     func(b *history.Block) (any, error) { return wire.NewReceipt(config, b, i) },
			} {
				want, err := make(sealed)
				if err != nil {
					t.Fatal(err)
				}
				got, err := make(open)
				if err != nil {
					t.Fatal(err)
				}
				without := fields(t, want)
				without["blockHash"] = nil
				if logs, ok := without["logs"].([]any); ok {
					for _, l := range logs {
						l.(map[string]any)["blockHash"] = nil
					}
				}
				same(t, fmt.Sprintf("seed %d: %s %d", seed, name, i), fields(t, got), without)
			}
		}
		want, err := wire.NewBlock(config, sealed, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.NewBlock(config, open, false)
		if err != nil {
			t.Fatal(err)
		}
		without := fields(t, want)
		for _, name := range []string{"hash", "parentHash", "nonce", "stateRoot", "transactionsRoot", "receiptsRoot", "withdrawalsRoot", "requestsHash", "size"} {
			if _, ok := without[name]; !ok {
				t.Fatalf("sealed blocks have no %s", name)
			}
			without[name] = nil
		}
		without["gasUsed"] = "0x0"
		if n := len(open.Receipts); n > 0 {
			without["gasUsed"] = hexOf(open.Receipts[n-1].CumulativeGasUsed)
		}
		same(t, fmt.Sprintf("seed %d: block", seed), fields(t, got), without)
		parent := common.Hash{1}
		if text := fields(t, got.WithParent(parent))["parentHash"]; text != parent.Hex() {
			t.Errorf("parentHash: got %v", text)
		}
	}
}

func TestPending(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 1))}
	for kind := range 6 {
		tx := sign(t, kind, r.txData(kind))
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.NewPendingTransaction(config, &chain.Env{Number: 1, BaseFee: uint256.NewInt(7)}, chain.NewTx(raw))
		if err != nil {
			t.Fatal(err)
		}
		want := gethTx(t, tx, types.NewBlockWithHeader(&types.Header{Number: new(big.Int), BaseFee: new(big.Int)}), 0)
		for _, name := range []string{"blockHash", "blockNumber", "blockTimestamp", "transactionIndex"} {
			want[name] = nil
		}
		want["gasPrice"] = fmt.Sprintf("%#x", tx.GasFeeCap())
		same(t, fmt.Sprintf("type %d", kind), fields(t, got), want)
	}
}

// Nobody's nil becomes something else than null, and no list does.
func TestNull(t *testing.T) {
	for want, values := range map[string][]any{
		"null": {(*wire.Transaction)(nil), (*wire.Receipt)(nil), (*wire.Log)(nil), (*wire.Header)(nil), (*wire.Block)(nil), (*wire.Uncle)(nil), wire.Receipts(nil)},
		"[]":   {wire.Receipts{}, wire.Logs{}, wire.Logs(nil), wire.NewFoundLogs(nil)},
	} {
		for _, v := range values {
			text, err := v.(json.Marshaler).MarshalJSON()
			if err != nil || string(text) != want {
				t.Errorf("%T: got %s, %v", v, text, err)
			}
		}
	}
}

// A list is its elements, and a removed log says so.
func TestLists(t *testing.T) {
	r := random{rand.New(rand.NewPCG(5, 1))}
	b, _, _ := r.block(t, true)
	receipts, err := wire.NewReceipts(config, b)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, r := range receipts {
		text, _ := r.MarshalJSON()
		parts = append(parts, string(text))
	}
	if text, _ := receipts.MarshalJSON(); string(text) != "["+strings.Join(parts, ",")+"]" {
		t.Errorf("receipts: got %s", text)
	}
	at := slices.IndexFunc(b.Receipts, func(r *chain.Receipt) bool { return len(r.Logs) > 0 })
	found := history.FoundLog{Log: &b.Receipts[at].Logs[0], Block: b, TxIndex: uint32(at), TxHash: b.Txs[at].Hash(), Index: b.Receipts[at].FirstLogIndex}
	log := wire.NewFoundLog(&found)
	want := parse(t, parts[at])["logs"].([]any)[0].(map[string]any)
	same(t, "found log", fields(t, log), want)
	want["removed"] = true
	same(t, "removed log", fields(t, log.Removed()), want)
	text, _ := wire.NewFoundLogs([]history.FoundLog{found, found}).MarshalJSON()
	one, _ := log.MarshalJSON()
	if string(text) != fmt.Sprintf("[%s,%s]", one, one) {
		t.Errorf("logs: got %s", text)
	}
}

func parse(t testing.TB, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// An uncle is a header, from before the Merge, with the size of a block of nothing
// else.
func TestUncle(t *testing.T) {
	b, _, _ := random{rand.New(rand.NewPCG(7, 1))}.block(t, true)
	ommer := *b.Header
	ommer.Difficulty, ommer.Nonce = *uint256.NewInt(131_072), [8]byte{7}
	ommer.WithdrawalsRoot, ommer.BlobGasUsed, ommer.ExcessBlobGas, ommer.ParentBeaconBlockRoot, ommer.RequestsHash = nil, nil, nil, nil, nil
	geth, err := oracle.Block(&chain.Block{Header: &ommer})
	if err != nil {
		t.Fatal(err)
	}
	want := drop(fields(t, geth.Header()))
	want["size"], want["uncles"] = hexOf(geth.Size()), []any{}
	same(t, "uncle", fields(t, wire.NewUncle(&ommer)), want)
}
