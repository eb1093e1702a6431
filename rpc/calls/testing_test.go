package calls_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/trie"
)

// attributes are those of a block a second after head.
func attributes(head *chain.Header) string {
	return fmt.Sprintf(`{"timestamp":"%#x","prevRandao":"%s9","suggestedFeeRecipient":"%s","parentBeaconBlockRoot":"%s8",
		"withdrawals":[{"index":"0x1","validatorIndex":"0x2","address":"%s","amount":"0x3"}]}`,
		head.Timestamp+1, word, common.Address{0xfe}, word, common.Address{0xaa})
}

// A block that is built out of the pool is one that a node takes.
func TestBuildFromPool(t *testing.T) {
	d := newDoor(t, calls.Options{BuildGasLimit: 99_999_999}, rpctest.Options{Hold: true})
	head := d.node.Seal()
	good, bad := d.node.Transfer(0, keeper, 5), d.node.Call(1, &keeper, 1<<62, []byte("much"))
	for _, tx := range []*chain.Tx{good, d.node.Call(0, &keeper, 0, []byte{31: 7})} {
		_, err := d.node.Send(t.Context(), tx.Raw())
		require.NoError(t, err)
	}
	answer := d.result(t, "testing_buildBlockV1", fmt.Sprintf(`"%s",%s,null,"0x1234"`, head.Hash(), attributes(head)))
	block := blockOf(t, answer)
	require.Len(t, block.Txs, 2)
	require.Equal(t, good.Hash(), block.Txs[0].Hash())
	raw, err := block.AppendBinary(nil)
	require.NoError(t, err)
	require.Equal(t, block.Header, d.node.Import(raw), "the node finds the same roots")
	require.Equal(t, `"`+word+`7"`, d.result(t, "eth_call", to(keeper, "")))

	head = d.node.Head()
	built := func(txs string) string {
		return fmt.Sprintf(`"%s",%s,%s,"0x"`, head.Hash(), attributes(head), txs)
	}
	require.Empty(t, blockOf(t, d.result(t, "testing_buildBlockV1", built("[]"))).Txs)
	a := d.call(t, "testing_buildBlockV1", built(fmt.Sprintf(`["%#x"]`, good.Raw())))
	require.Contains(t, a.Error.Message, "transaction 0: ")
	require.Contains(t, a.Error.Message, "nonce too low")
	a = d.call(t, "testing_buildBlockV1", built(fmt.Sprintf(`["%#x"]`, bad.Raw())))
	require.Nil(t, a.Error, "it reverts, which is no reason to leave it out")
}

// blockOf is the block of an answer; what the payload does not say follows from it.
func blockOf(t *testing.T, answer string) *chain.Block {
	t.Helper()
	var in struct {
		ExecutionPayload struct {
			ParentHash, StateRoot, ReceiptsRoot, PrevRandao, BlockHash common.Hash
			FeeRecipient                                               common.Address
			LogsBloom, ExtraData                                       hexutil.Bytes
			BlockNumber, GasLimit, GasUsed, Timestamp                  hexutil.Uint64
			BlobGasUsed, ExcessBlobGas                                 hexutil.Uint64
			BaseFeePerGas                                              hexutil.U256
			Transactions                                               []hexutil.Bytes
			Withdrawals                                                []struct {
				Index, ValidatorIndex, Amount hexutil.Uint64
				Address                       common.Address
			}
		}
		ExecutionRequests []hexutil.Bytes
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &in))
	p := &in.ExecutionPayload
	block := &chain.Block{Withdrawals: []chain.Withdrawal{}}
	for _, raw := range p.Transactions {
		block.Txs = append(block.Txs, chain.NewTx(raw))
	}
	for _, w := range p.Withdrawals {
		block.Withdrawals = append(block.Withdrawals, chain.Withdrawal{Index: uint64(w.Index), Validator: uint64(w.ValidatorIndex), Address: w.Address, Amount: uint64(w.Amount)})
	}
	var requests [][]byte
	for _, r := range in.ExecutionRequests {
		requests = append(requests, r)
	}
	var (
		withdrawals, requestsHash = trie.WithdrawalsRoot(block.Withdrawals), chain.RequestsHash(requests)
		beacon                    = common.Hash{31: 8}
		blobGasUsed, excess       = uint64(p.BlobGasUsed), uint64(p.ExcessBlobGas)
		baseFee                   = p.BaseFeePerGas
	)
	block.Header = &chain.Header{
		ParentHash: p.ParentHash, OmmersHash: chain.EmptyOmmersHash, Coinbase: p.FeeRecipient, StateRoot: p.StateRoot,
		TransactionsRoot: trie.TransactionsRoot(block.Txs), ReceiptsRoot: p.ReceiptsRoot, LogsBloom: chain.Bloom(p.LogsBloom),
		Number: uint64(p.BlockNumber), GasLimit: uint64(p.GasLimit), GasUsed: uint64(p.GasUsed), Timestamp: uint64(p.Timestamp),
		ExtraData: p.ExtraData, PrevRandao: p.PrevRandao, BaseFee: (*uint256.Int)(&baseFee), WithdrawalsRoot: &withdrawals,
		BlobGasUsed: &blobGasUsed, ExcessBlobGas: &excess, ParentBeaconBlockRoot: &beacon, RequestsHash: &requestsHash,
	}
	require.Equal(t, p.BlockHash, block.Header.Hash())
	return block
}

func TestBuildRefuses(t *testing.T) {
	d := newDoor(t, calls.Options{}, rpctest.Options{})
	head := d.node.Seal()
	for _, test := range []struct {
		params string
		code   int
		want   string
	}{
		{fmt.Sprintf(`"%s0",%s,[]`, word, attributes(head)), -32000, "parentHash is not current head"},
		{fmt.Sprintf(`"%s",{},[]`, head.Hash()), -32602, "missing required field 'timestamp' for PayloadAttributes"},
		{fmt.Sprintf(`"%s",{"timestamp":"0x1","prevRandao":"%s0"},[]`, head.Hash(), word), -32602, "missing required field 'suggestedFeeRecipient' for PayloadAttributes"},
		{fmt.Sprintf(`"%s",{"timestamp":"0x1","prevRandao":"%s0","suggestedFeeRecipient":"%s"},[]`, head.Hash(), word, keeper), -32000,
			"invalid timestamp, parent 1700000001 given 1"},
		{fmt.Sprintf(`"%s",{"timestamp":"0x7fffffff","prevRandao":"%s0","suggestedFeeRecipient":"%s"},[]`, head.Hash(), word, keeper), -32602,
			"missing parentBeaconBlockRoot"},
		{fmt.Sprintf(`"%s",%s,[],"0x%066x"`, head.Hash(), attributes(head), 1), -32602, "extraData of 33 bytes, at most 32"},
	} {
		d.refuse(t, "testing_buildBlockV1", test.params, test.code, test.want)
	}
}
