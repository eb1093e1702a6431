package interop

import (
	"crypto/ecdsa"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"
)

// allowed are the differences that are meant.
var allowed = []difference{
	{
		"eth_call", ".error.message", "Go struct field TransactionArgs.data",
		"the name of a Go type",
	},
	{
		"debug_executionWitness", ".result.codes", "0xef0100",
		"go-ethereum adds code that the block itself creates, here a delegation: who executes the block does not need it",
	},
}

// requests are everything that can be asked about a story, most of it about each
// block, transaction and account.
func (s *story) requests(blocks []*types.Block) (list []request) {
	add := func(method string, params ...any) { list = append(list, request{method, params}) }
	add("eth_chainId")
	add("net_listening")
	add("net_peerCount")
	add("web3_sha3", "0x0102")
	add("txpool_status")
	add("txpool_content")
	add("txpool_inspect")
	add("txpool_contentFrom", s.address(0))
	add("eth_config")
	add("net_version")
	add("eth_blockNumber")
	add("eth_syncing")
	add("eth_accounts")
	add("eth_noSuchMethod")
	for _, block := range blocks {
		s.aboutBlock(add, block)
	}
	for _, tag := range []string{"latest", "earliest", "safe", "finalized"} {
		add("eth_getBlockByNumber", tag, true)
		add("eth_getBlockReceipts", tag)
	}
	add("eth_getBlockByNumber", "0xffffff", true)
	add("eth_getBlockByHash", common.Hash{1}, true)
	add("eth_getBlockReceipts", "0xffffff")
	for _, hash := range append(s.txs, common.Hash{1}) {
		s.aboutTransaction(add, hash)
	}
	head := blocks[len(blocks)-1]
	for _, at := range []any{"latest", "safe", "earliest", "0x2", head.Hash(), hexutil.Uint64(head.NumberU64()), "0xffffff"} {
		s.aboutState(add, at)
	}
	s.aboutCalls(add, head)
	s.aboutLogs(add, blocks)
	s.aboutFees(add, len(blocks))
	s.mistakes(add)
	return list
}

type adder func(method string, params ...any)

func (s *story) aboutBlock(add adder, block *types.Block) {
	hash, number := block.Hash(), hexutil.Uint64(block.NumberU64())
	for _, full := range []bool{false, true} {
		add("eth_getBlockByNumber", number, full)
		add("eth_getBlockByHash", hash, full)
	}
	add("eth_getHeaderByNumber", number)
	add("eth_getHeaderByHash", hash)
	add("eth_getBlockReceipts", number)
	add("eth_getBlockReceipts", hash)
	add("eth_getBlockTransactionCountByNumber", number)
	add("eth_getBlockTransactionCountByHash", hash)
	add("eth_getUncleCountByBlockNumber", number)
	add("eth_getUncleCountByBlockHash", hash)
	add("eth_getUncleByBlockNumberAndIndex", number, "0x0")
	for i := range len(block.Transactions()) + 1 { // one too many
		add("eth_getTransactionByBlockNumberAndIndex", number, hexutil.Uint(i))
		add("eth_getTransactionByBlockHashAndIndex", hash, hexutil.Uint(i))
		add("eth_getRawTransactionByBlockNumberAndIndex", number, hexutil.Uint(i))
		add("eth_getRawTransactionByBlockHashAndIndex", hash, hexutil.Uint(i))
	}
	for _, method := range []string{"debug_getRawBlock", "debug_getRawHeader", "debug_getRawReceipts"} {
		add(method, number)
	}
	add("debug_traceBlockByNumber", number, tracer("callTracer", nil))
	add("debug_traceBlockByHash", hash, tracer("prestateTracer", nil))
	add("debug_executionWitness", number)
}

func tracer(name string, config map[string]any) map[string]any {
	return map[string]any{"tracer": name, "tracerConfig": config}
}

func (s *story) aboutTransaction(add adder, hash common.Hash) {
	add("eth_getTransactionByHash", hash)
	add("eth_getTransactionReceipt", hash)
	add("eth_getRawTransactionByHash", hash)
	add("debug_getRawTransaction", hash)
	add("debug_traceTransaction", hash, tracer("callTracer", map[string]any{"withLog": true}))
	add("debug_traceTransaction", hash, tracer("callTracer", map[string]any{"onlyTopCall": true}))
	add("debug_traceTransaction", hash, tracer("prestateTracer", nil))
	add("debug_traceTransaction", hash, tracer("prestateTracer", map[string]any{"diffMode": true}))
	add("debug_traceTransaction", hash, tracer("4byteTracer", nil))
}

func (s *story) aboutState(add adder, at any) {
	nobody := common.Address{0xbb}
	for _, account := range []common.Address{s.address(0), s.contract, s.user, {0xaa}, nobody} {
		add("eth_getBalance", account, at)
		add("eth_getTransactionCount", account, at)
		add("eth_getCode", account, at)
		add("eth_getStorageAt", account, "0x1", at)
		add("eth_getStorageAt", account, common.Hash{31: 2}, at)
		add("eth_getProof", account, []string{"0x1", "0x0", common.Hash{1}.Hex()}, at)
		add("eth_getProof", account, []string{}, at)
	}
}

// aboutCalls asks at blocks by their numbers: "latest" is here the head, as in
// go-ethereum, and there the block that is being made.
func (s *story) aboutCalls(add adder, head *types.Block) {
	me := s.address(7) // has sent nothing
	call := func(method string, args ...any) map[string]any {
		return map[string]any{"from": me, "to": s.contract, "data": s.probe.call(s.t, method, args...)}
	}
	calls := []map[string]any{
		call("value"), call("name"), call("owner"), call("store", big.NewInt(5), "called"),
		call("fail", big.NewInt(0)), call("fail", big.NewInt(5)), call("fail", big.NewInt(100)),
		call("fail", big.NewInt(101)), call("fail", big.NewInt(200)), call("withdraw", big.NewInt(1)),
		{"from": me, "to": common.Address{0xcc}, "value": "0x1"},
		{"from": common.Address{0xbb}, "to": me, "value": "0x1"}, // has nothing
		{"from": me, "to": me, "gas": "0x5207"},
		{"data": hexutil.Bytes(s.probe.creation(s.t, "created", big.NewInt(1)))},
		{"from": me, "data": "0xfe"},
		{"from": me, "to": s.contract, "data": "0x12345678"}, // no such function
		{"from": me, "to": s.user, "input": s.probe.call(s.t, "value")},
		{"from": me, "to": me, "gasPrice": "0x1"},
		{"from": me, "to": me, "maxFeePerGas": gwei(5), "maxPriorityFeePerGas": gwei(6)},
		{"from": me, "to": me, "maxFeePerGas": gwei(5), "gasPrice": gwei(6)},
		{"from": me, "to": me, "input": "0x01", "data": "0x02"},
	}
	for _, at := range []any{hexutil.Uint64(head.NumberU64()), "0x2"} {
		for _, c := range calls {
			add("eth_call", c, at)
			add("eth_estimateGas", c, at)
			add("eth_createAccessList", c, at)
			add("debug_traceCall", c, at, tracer("callTracer", nil))
			add("debug_traceCall", c, at, tracer("prestateTracer", map[string]any{"diffMode": true}))
		}
	}
	override := map[string]any{s.contract.Hex(): map[string]any{
		"balance": "0x7", "nonce": "0x9", "stateDiff": map[string]any{common.Hash{31: 1}.Hex(): common.Hash{31: 42}},
	}}
	for _, at := range []string{"latest", "pending"} {
		add("eth_call", calls[0], at)
		add("eth_call", calls[4], at)
		add("eth_estimateGas", calls[3], at)
		add("eth_createAccessList", calls[3], at)
		add("eth_getTransactionCount", me, at)
	}
	add("eth_call", calls[0], "latest", override)
	add("eth_call", call("blockContext"), "0x2")
	add("eth_call", call("blockContext"), "0x2", nil, map[string]any{"number": "0x100", "time": "0x77777777", "baseFeePerGas": "0x7"})
	add("eth_estimateGas", calls[3], "latest", override)
	add("eth_simulateV1", map[string]any{"blockStateCalls": []any{
		map[string]any{"calls": calls[:6], "stateOverrides": override},
		map[string]any{"blockOverrides": map[string]any{"time": "0x77777777"}, "calls": []any{call("blockContext")}},
	}, "traceTransfers": true, "returnFullTransactions": true}, "0x2")
}

func (s *story) aboutLogs(add adder, blocks []*types.Block) {
	stored := s.probe.ABI.Events["Stored"].ID
	deposited := s.probe.ABI.Events["Deposited"].ID
	for _, filter := range []map[string]any{
		{"fromBlock": "0x0"},
		{"fromBlock": "earliest", "toBlock": "latest", "address": s.contract},
		{"fromBlock": "0x0", "address": []common.Address{s.contract, s.user}, "topics": []any{[]common.Hash{stored, deposited}}},
		{"fromBlock": "0x0", "topics": []any{nil, common.BytesToHash(s.address(0).Bytes())}},
		{"fromBlock": "0x0", "topics": []any{stored, nil, common.Hash{31: 99}}},
		{"fromBlock": "0x0", "topics": []any{stored, nil, nil, nil}},
		{"blockHash": blocks[len(blocks)-1].Hash()},
		{"blockHash": common.Hash{1}},
		{"fromBlock": "0x5", "toBlock": "0x2"},
		{"fromBlock": "0x0", "toBlock": "0xffffff"},
		{"fromBlock": "0x0", "blockHash": common.Hash{1}},
		{"fromBlock": "0x0", "topics": []any{nil, nil, nil, nil, nil}},
		{"address": "0x1"},
	} {
		add("eth_getLogs", filter)
	}
	for _, block := range blocks {
		add("eth_getLogs", map[string]any{"blockHash": block.Hash()})
	}
}

func (s *story) aboutFees(add adder, head int) {
	for _, at := range []string{"latest", "0x2", "earliest"} {
		add("eth_feeHistory", "0x4", at, []float64{0, 25, 50, 100})
		add("eth_feeHistory", "0x400", at, nil)
	}
	add("eth_feeHistory", "0x0", "latest", []float64{})
	add("eth_feeHistory", "0x1", "latest", []float64{50, 25})
	add("eth_feeHistory", "0x1", "latest", []float64{101})
	add("eth_feeHistory", "0x1", hexutil.Uint64(head+5), nil)
	add("eth_blobBaseFee")
	add("eth_maxPriorityFeePerGas")
	add("eth_fillTransaction", map[string]any{
		"from": s.address(0), "to": s.contract, "data": s.probe.call(s.t, "store", big.NewInt(1), "x"),
		"maxFeePerGas": gwei(5), "maxPriorityFeePerGas": gwei(1), "nonce": "0x77",
	})
}

// mistakes are what programs get wrong.
func (s *story) mistakes(add adder) {
	add("eth_getBalance")
	add("eth_getBalance", "0x1", "latest")
	add("eth_getBalance", s.contract, "newest")
	add("eth_getBalance", s.contract, "latest", 1)
	add("eth_getBalance", s.contract, map[string]any{"blockHash": common.Hash{1}})
	add("eth_getBalance", s.contract, map[string]any{"blockNumber": "0x1", "blockHash": common.Hash{1}})
	add("eth_getStorageAt", s.contract, "0xzz", "latest")
	add("eth_getStorageAt", s.contract, "0x"+common.Hash{}.Hex(), "latest")
	add("eth_getProof", s.contract, []string{"1"}, "latest")
	add("eth_getTransactionByHash", "0x1234")
	add("eth_getBlockByNumber", "0x01", true)
	add("eth_getBlockByNumber", 1, true)
	add("eth_call", map[string]any{"to": "0x12"}, "latest")
	add("eth_call", map[string]any{"to": s.contract, "data": "0x1"}, "latest")
	add("eth_call", map[string]any{"to": s.contract, "authorizationList": []any{}}, "latest")
}

// A refusal is a transaction that cannot be taken, and the words that clients look for
// in the reason.
type refusal struct {
	raw    hexutil.Bytes
	reason string // a regular expression
}

// refusals are of every kind that a client knows.
func (s *story) refusals() (list []refusal) {
	for junk, reason := range map[string]string{
		"0x": "typed transaction too short", "0x02": "typed transaction too short", "0x7f": "typed transaction too short",
		"0xc0": "rlp: too few elements", "0x02c0": "rlp: too few elements", "0xf86c": "rlp: value size exceeds",
		"0x7fc0": "transaction type not supported",
	} {
		list = append(list, refusal{hexutil.MustDecode(junk), reason})
	}
	add := func(key *ecdsa.PrivateKey, data types.TxData, signer types.Signer, reason string) {
		raw, err := types.MustSignNewTx(key, signer, data).MarshalBinary()
		require.NoError(s.t, err)
		list = append(list, refusal{raw, reason})
	}
	other := common.Address{0xdd}
	good := func() *types.DynamicFeeTx {
		fee := big.NewInt(10 * params.GWei) // go-ethereum refuses who would pay more than an ether
		return &types.DynamicFeeTx{ChainID: signer.ChainID(), Nonce: s.nonce[7], To: &other, Gas: 21000, GasFeeCap: fee, GasTipCap: common.Big1}
	}
	for _, test := range []struct {
		reason string
		spoil  func(*types.DynamicFeeTx)
	}{
		{"intrinsic gas too low", func(tx *types.DynamicFeeTx) { tx.Gas = 20999 }},
		{"intrinsic gas too low", func(tx *types.DynamicFeeTx) { tx.Data = make([]byte, 100) }},
		{"insufficient gas for floor data gas cost|floor data gas", func(tx *types.DynamicFeeTx) { tx.Data, tx.Gas = make([]byte, 1000), 26000 }},
		{"exceeds block gas limit|gas limit too high", func(tx *types.DynamicFeeTx) { tx.Gas = gasLimit + 1 }},
		{"gas limit too high", func(tx *types.DynamicFeeTx) { tx.Gas = params.MaxTxGas + 1 }},
		{"max priority fee per gas higher than max fee per gas", func(tx *types.DynamicFeeTx) { tx.GasTipCap = feeCap }},
		{"insufficient funds for gas \\* price \\+ value", func(tx *types.DynamicFeeTx) { tx.Value = new(big.Int).Lsh(common.Big1, 200) }},
		{"max initcode size exceeded", func(tx *types.DynamicFeeTx) {
			tx.To, tx.Data, tx.Gas = nil, make([]byte, params.MaxInitCodeSize+1), 10_000_000
		}},
		{"oversized data", func(tx *types.DynamicFeeTx) { tx.Data, tx.Gas = make([]byte, 130<<10), 10_000_000 }},
		{"nonce too low", func(tx *types.DynamicFeeTx) { tx.Nonce-- }},
	} {
		tx := good()
		test.spoil(tx)
		add(s.keys[7], tx, signer, test.reason)
	}
	foreign := good()
	foreign.ChainID = common.Big1
	add(s.keys[7], foreign, types.NewPragueSigner(foreign.ChainID), "invalid chain id for signer")
	add(s.keys[7], &types.SetCodeTx{
		ChainID: uint256.NewInt(chainID), Nonce: s.nonce[7], To: other, Gas: 100_000,
		GasFeeCap: uint256.MustFromBig(feeCap), GasTipCap: uint256.NewInt(1),
	}, signer, "empty auth list|at least one authorization")
	poor, err := crypto.ToECDSA(crypto.Keccak256([]byte("poor")))
	require.NoError(s.t, err)
	add(poor, good(), signer, "insufficient funds for gas \\* price \\+ value")
	return list
}
