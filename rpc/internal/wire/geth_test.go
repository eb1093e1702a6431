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

// random makes values of all lengths, the empty one more often.
type random struct{ *rand.Rand }

func (r random) bytes(most int) []byte {
	b := make([]byte, r.IntN(most+1)*r.IntN(2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r random) hash() (h common.Hash) {
	copy(h[r.IntN(32):], r.bytes(32))
	return h
}

func (r random) address() common.Address { h := r.hash(); return common.BytesToAddress(h[:]) }

func (r random) hashes(most int) []common.Hash {
	list := make([]common.Hash, r.IntN(most+1))
	for i := range list {
		list[i] = r.hash()
	}
	return list
}

// wei has up to 256 bits.
func (r random) wei() *uint256.Int {
	h := r.hash()
	return new(uint256.Int).SetBytes32(h[:])
}

func (r random) fee() *uint256.Int { return uint256.NewInt(r.Uint64() >> r.IntN(64)) }

func (r random) accessList() types.AccessList {
	list := make(types.AccessList, r.IntN(3))
	for i := range list {
		list[i] = types.AccessTuple{Address: r.address(), StorageKeys: r.hashes(3)}
	}
	return list
}

// txData is of type kind; 5 is a legacy transaction that is for no chain.
func (r random) txData(kind int) types.TxData {
	var (
		id    = config.ChainID
		nonce = r.Uint64() >> r.IntN(64)
		to    = r.address()
		maybe = []*common.Address{&to, nil}[r.IntN(2)]
		gas   = r.Uint64() >> r.IntN(64)
		value = r.wei()
		data  = r.bytes(300)
		list  = r.accessList()
		tip   = r.fee()
		price = r.fee()
	)
	switch kind {
	case types.AccessListTxType:
		return &types.AccessListTx{ChainID: id, Nonce: nonce, To: maybe, Gas: gas, GasPrice: price.ToBig(), Value: value.ToBig(), Data: data, AccessList: list}
	case types.DynamicFeeTxType:
		return &types.DynamicFeeTx{ChainID: id, Nonce: nonce, To: maybe, Gas: gas, GasTipCap: tip.ToBig(), GasFeeCap: price.ToBig(), Value: value.ToBig(), Data: data, AccessList: list}
	case types.BlobTxType:
		return &types.BlobTx{ChainID: uint256.MustFromBig(id), Nonce: nonce, To: to, Gas: gas, GasTipCap: tip, GasFeeCap: price, Value: value, Data: data, AccessList: list, BlobFeeCap: r.fee(), BlobHashes: append(r.hashes(4), r.hash())}
	case types.SetCodeTxType:
		var auths []types.SetCodeAuthorization
		for range 1 + r.IntN(3) {
			auths = append(auths, types.SetCodeAuthorization{ChainID: *r.wei(), Address: r.address(), Nonce: r.Uint64(), V: uint8(r.IntN(256)), R: *r.wei(), S: *r.wei()})
		}
		return &types.SetCodeTx{ChainID: uint256.MustFromBig(id), Nonce: nonce, To: to, Gas: gas, GasTipCap: tip, GasFeeCap: price, Value: value, Data: data, AccessList: list, AuthList: auths}
	}
	return &types.LegacyTx{Nonce: nonce, To: maybe, Gas: gas, GasPrice: price.ToBig(), Value: value.ToBig(), Data: data}
}

func sign(t testing.TB, kind int, data types.TxData) *types.Transaction {
	t.Helper()
	signer := types.LatestSigner(config)
	if kind == 5 {
		signer = types.HomesteadSigner{}
	}
	tx, err := types.SignNewTx(key, signer, data)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func (r random) logs() []chain.Log {
	logs := make([]chain.Log, r.IntN(4))
	for i := range logs {
		logs[i] = chain.Log{Address: r.address(), Topics: r.hashes(4), Data: r.bytes(100)}
	}
	return logs
}

// block is a random block as we have it and as go-ethereum does, the receipts of
// which it derived everything.
func (r random) block(t testing.TB, sealed bool) (*history.Block, *types.Block, types.Receipts) {
	t.Helper()
	var (
		excess, used = r.Uint64N(20_000_000), uint64(0)
		root         = r.hash()
		header       = &chain.Header{
			ParentHash: r.hash(), OmmersHash: chain.EmptyOmmersHash, Coinbase: r.address(), StateRoot: r.hash(), TransactionsRoot: r.hash(), ReceiptsRoot: r.hash(),
			Number: 1 + r.Uint64N(1<<40), GasLimit: r.Uint64(), GasUsed: r.Uint64(), Timestamp: r.Uint64N(1 << 40), ExtraData: r.bytes(32), PrevRandao: r.hash(),
			BaseFee: r.fee(), WithdrawalsRoot: &root, BlobGasUsed: &used, ExcessBlobGas: &excess, ParentBeaconBlockRoot: &root, RequestsHash: &root,
		}
		b    = &chain.Block{Header: header, Withdrawals: []chain.Withdrawal{}}
		ours []*chain.Receipt
		all  types.Receipts
		gas  uint64
		logs uint32
	)
	for range r.IntN(3) {
		b.Withdrawals = append(b.Withdrawals, chain.Withdrawal{Index: r.Uint64(), Validator: r.Uint64(), Address: r.address(), Amount: r.Uint64()})
	}
	for i := range r.IntN(60) {
		kind := r.IntN(6)
		tx := sign(t, kind, r.txData(kind))
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		b.Txs = append(b.Txs, chain.NewTx(raw))
		gas += 1 + r.Uint64N(1<<30)
		receipt := &chain.Receipt{
			Type: tx.Type(), Status: r.Uint64N(2), CumulativeGasUsed: gas, Logs: r.logs(), TxHash: tx.Hash(),
			TransactionIndex: uint32(i), FirstLogIndex: logs,
		}
		receipt.LogsBloom = chain.LogsBloom(receipt.Logs)
		logs += uint32(len(receipt.Logs))
		used += tx.BlobGas()
		header.LogsBloom.Or(&receipt.LogsBloom)
		geth := &types.Receipt{Type: tx.Type(), Status: receipt.Status, CumulativeGasUsed: gas, Bloom: types.Bloom(receipt.LogsBloom)}
		for _, l := range receipt.Logs {
			geth.Logs = append(geth.Logs, &types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data})
		}
		if geth.Logs == nil {
			geth.Logs = []*types.Log{}
		}
		ours, all = append(ours, receipt), append(all, geth)
	}
	geth, err := oracle.Block(b)
	if err != nil {
		t.Fatal(err)
	}
	blobFee := gethBlobFee(geth.Header())
	if err := all.DeriveFields(config, geth.Hash(), header.Number, header.Timestamp, geth.BaseFee(), blobFee, geth.Transactions()); err != nil {
		t.Fatal(err)
	}
	for i := range ours {
		ours[i].GasUsed = all[i].GasUsed
	}
	out := &history.Block{Env: b.Env(), Txs: b.Txs, Receipts: ours}
	if sealed {
		out.Header, out.Hash = header, header.Hash()
	}
	return out, geth, all
}

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
