package wire_test

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/internal/oracle"
)

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
