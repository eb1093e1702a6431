package ethapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/oracle"
	"github.com/vivace-chain/vivace/internal/oracle/gethdev"
	"github.com/vivace-chain/vivace/rpc/ethapi"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

var (
	// emitter stores word 1 of its input under word 0, and logs the input with none,
	// two and four topics.
	emitter     = common.HexToAddress("0xe0000000000000000000000000000000000000e1")
	emitterCode = common.FromHex("365f5f37" + "6020355f3555" + "365fa0" + "6020355f35365fa2" + "5f355f355f355f35365fa4" + "00")
	// reverter gives its input back.
	reverter     = common.HexToAddress("0xe0000000000000000000000000000000000000e2")
	reverterCode = common.FromHex("365f5f37365ffd")
)

// refereeGenesis is a chain with every fork that there is.
func refereeGenesis() *core.Genesis {
	var zero uint64
	config := *params.MergedTestChainConfig
	config.AmsterdamTime, config.BogotaTime, config.UBTTime = nil, nil, nil
	config.BPO1Time, config.BPO2Time, config.BPO3Time, config.BPO4Time, config.BPO5Time = nil, nil, nil, nil, nil
	config.OsakaTime = &zero
	config.BlobScheduleConfig = &params.BlobScheduleConfig{
		Cancun: params.DefaultCancunBlobConfig, Prague: params.DefaultPragueBlobConfig,
	}
	ether := new(big.Int).Mul(big.NewInt(rpctest.Ether), big.NewInt(params.Ether))
	alloc := types.GenesisAlloc{
		emitter:                          {Code: emitterCode, Balance: big.NewInt(1), Storage: map[common.Hash]common.Hash{{}: {31: 9}}},
		reverter:                         {Code: reverterCode, Balance: new(big.Int)},
		params.HistoryStorageAddress:     {Code: params.HistoryStorageCode, Nonce: 1, Balance: new(big.Int)},
		params.BeaconRootsAddress:        {Code: params.BeaconRootsCode, Nonce: 1, Balance: new(big.Int)},
		params.WithdrawalQueueAddress:    {Code: params.WithdrawalQueueCode, Nonce: 1, Balance: new(big.Int)},
		params.ConsolidationQueueAddress: {Code: params.ConsolidationQueueCode, Nonce: 1, Balance: new(big.Int)},
	}
	for i := range rpctest.Accounts {
		alloc[rpctest.AccountAt(i).Address] = types.Account{Balance: ether}
	}
	return &core.Genesis{
		Config: &config, Alloc: alloc, GasLimit: 30_000_000, BaseFee: big.NewInt(params.GWei),
		Difficulty: new(big.Int), Timestamp: 1_700_000_000, Coinbase: common.Address{0xc0}, ExtraData: []byte("referee"),
	}
}

// A pair is our node and go-ethereum's, of the same chain.
type pair struct {
	node *rpctest.Node
	ours *server
	geth string // URL
	txs  []*chain.Tx
	rng  *rand.Rand
}

// newPair makes a chain of random blocks, and has go-ethereum execute them.
func newPair(t *testing.T, seed uint64, blocks int) *pair {
	t.Helper()
	g := refereeGenesis()
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := genesis.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	geth, err := gethdev.Start(gethdev.Config{Genesis: g})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := geth.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &pair{node: rpctest.New(t, spec, rpctest.Options{}), geth: geth.URL(), rng: rand.New(rand.NewPCG(seed, 1))}
	p.ours = serveWith(t, p.node, ethapi.Options{TipDefault: uint256.NewInt(1)}) // as the referee's miner has it
	for n := range blocks {
		for range p.rng.IntN(8) {
			p.push(n)
		}
		header := p.node.Seal()
		b, err := p.node.History().Block(header.Number)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := oracle.Block(&chain.Block{Header: b.Header, Txs: b.Txs, Withdrawals: b.Env.Withdrawals})
		if err != nil {
			t.Fatal(err)
		}
		if err := geth.Import(sealed); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// push executes a random transaction.
func (p *pair) push(block int) {
	tx := p.tx(p.rng.IntN(rpctest.Accounts))
	p.txs = append(p.txs, tx)
	p.node.Push(tx)
}

func (p *pair) gwei(most int) *big.Int { return big.NewInt(p.rng.Int64N(int64(most) * params.GWei)) }

func (p *pair) word() []byte { return common.LeftPadBytes([]byte{byte(p.rng.IntN(4))}, 32) }

// tx is a random transaction of account i.
func (p *pair) tx(i int) *chain.Tx {
	var (
		config = p.node.ChainConfig()
		nonce  = p.node.Nonce(i)
		to     = []*common.Address{&emitter, &emitter, &emitter, &reverter, {0x77, byte(p.rng.IntN(3))}, nil}[p.rng.IntN(6)]
		data   = append(p.word(), p.word()...)
		value  = big.NewInt(0)
		gas    = uint64(300_000)
		list   = types.AccessList{}
	)
	if to == nil || to[0] == 0x77 {
		value = p.gwei(1_000_000)
	}
	if p.rng.IntN(5) == 0 {
		gas = 24_000 // too little for the emitter
		data = nil
	}
	if to == nil {
		gas, data = 300_000, append(common.FromHex("600d600c600039600d6000f3"), make([]byte, 13)...)
	}
	if p.rng.IntN(2) == 0 {
		gas += 20_000
		list = types.AccessList{{Address: emitter, StorageKeys: []common.Hash{{}, {31: 1}}}, {Address: common.Address{9}, StorageKeys: []common.Hash{}}}
	}
	tip, cap := p.gwei(4), new(big.Int).Add(p.gwei(4), big.NewInt(5*params.GWei))
	if to == nil && p.rng.IntN(2) == 0 {
		value = new(big.Int)
	}
	switch kind := p.rng.IntN(6); {
	case kind == 0:
		return p.node.Sign(i, &types.LegacyTx{Nonce: nonce, To: to, Gas: gas, GasPrice: cap, Value: value, Data: data})
	case kind == 1: // signed for no chain
		tx := types.MustSignNewTx(rpctest.AccountAt(i).Key, types.HomesteadSigner{}, &types.LegacyTx{Nonce: nonce, To: to, Gas: gas, GasPrice: cap, Value: value, Data: data})
		raw, err := tx.MarshalBinary()
		if err != nil {
			panic(err)
		}
		return chain.NewTx(raw)
	case kind == 2:
		return p.node.Sign(i, &types.AccessListTx{ChainID: config.ChainID, Nonce: nonce, To: to, Gas: gas, GasPrice: cap, Value: value, Data: data, AccessList: list})
	case kind == 3 && to != nil:
		return p.node.Sign(i, &types.BlobTx{
			ChainID: uint256.MustFromBig(config.ChainID), Nonce: nonce, To: *to, Gas: gas, GasTipCap: uint256.MustFromBig(tip),
			GasFeeCap: uint256.MustFromBig(cap), Value: uint256.MustFromBig(value), Data: data, AccessList: list,
			BlobFeeCap: uint256.NewInt(params.GWei), BlobHashes: []common.Hash{{1, 2}, {1, 3}}[:1+p.rng.IntN(2)],
		})
	case kind == 4 && to != nil:
		return p.node.Sign(i, &types.SetCodeTx{
			ChainID: uint256.MustFromBig(config.ChainID), Nonce: nonce, To: *to, Gas: gas + 50_000, GasTipCap: uint256.MustFromBig(tip),
			GasFeeCap: uint256.MustFromBig(cap), Value: uint256.MustFromBig(value), Data: data, AccessList: list,
			AuthList: []types.SetCodeAuthorization{p.authorization(), p.authorization()},
		})
	}
	return p.node.Sign(i, &types.DynamicFeeTx{ChainID: config.ChainID, Nonce: nonce, To: to, Gas: gas, GasTipCap: tip, GasFeeCap: cap, Value: value, Data: data, AccessList: list})
}

// authorization is of somebody who sends no transactions, valid as long as its nonce
// is.
func (p *pair) authorization() types.SetCodeAuthorization {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(p.rng.IntN(3))}))
	if err != nil {
		panic(err)
	}
	auth, err := types.SignSetCode(key, types.SetCodeAuthorization{
		ChainID: *uint256.NewInt([]uint64{0, p.node.ChainConfig().ChainID.Uint64()}[p.rng.IntN(2)]), Address: emitter, Nonce: uint64(p.rng.IntN(2)),
	})
	if err != nil {
		panic(err)
	}
	return auth
}

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
