package realtime

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func TestNewHeads(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	heads := d.subscribe(d.dial(), "newHeads")
	for range 3 {
		d.node.Mini(d.emit(0, 1, 2, 0))
		header := d.node.Seal()
		text := heads.raw()
		var decoded types.Header // what ethclient does
		require.NoError(t, json.Unmarshal(text, &decoded))
		require.Equal(t, header.Hash(), decoded.Hash())
		var got map[string]any
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, header.Hash().Hex(), got["hash"])
		require.Equal(t, header.Number<<24, number(t, got["sequence"]))
	}
	heads.silent()
}

func TestSealedLogs(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	all := d.subscribe(client, "logs", map[string]any{})
	one := d.subscribe(client, "logs", map[string]any{"address": emitter, "topics": []any{nil, word(7)}})
	none := d.subscribe(client, "logs", map[string]any{"address": common.Address{1}})
	later := d.subscribe(client, "logs", map[string]any{"fromBlock": "0x2", "toBlock": "0x2"})

	a, between, b := d.emit(0, 1, 6, 1), d.node.Transfer(0, common.Address{1}, 1), d.emit(0, 2, 7, 0)
	d.node.Mini(a)
	d.node.Mini(between, b)
	all.silent() // before the seal there is nothing
	header := d.node.Seal()

	for i, tx := range []common.Hash{a.Hash(), b.Hash()} {
		text := all.raw()
		var decoded types.Log
		require.NoError(t, json.Unmarshal(text, &decoded))
		require.Equal(t, header.Hash(), decoded.BlockHash)
		require.Equal(t, tx, decoded.TxHash)
		require.Equal(t, uint(i), decoded.Index)
		require.Equal(t, uint(2*i), decoded.TxIndex)
		var got map[string]any
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, uint64(1)<<24, number(t, got["sequence"]))
	}
	require.Equal(t, b.Hash().Hex(), one.next()["transactionHash"])
	d.node.Seal(d.emit(0, 1, 8, 0))
	require.Equal(t, "0x2", all.next()["blockNumber"])
	require.Equal(t, "0x2", later.next()["blockNumber"])
	d.node.Seal(d.emit(0, 1, 9, 0))
	require.Equal(t, "0x3", all.next()["blockNumber"])
	for _, quiet := range []*tap{all, one, none, later} {
		quiet.silent()
	}
}

func TestPendingLogs(t *testing.T) {
	for _, test := range []struct {
		name     string
		realtime bool
		filter   map[string]any
	}{
		{"pending to pending", false, map[string]any{"fromBlock": "pending", "toBlock": "pending"}},
		{"latest to pending", false, map[string]any{"toBlock": "pending"}},
		{"realtime path", true, map[string]any{}},
		{"realtime path, latest", true, map[string]any{"fromBlock": "latest"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := open(t, rpctest.Options{}, Config{}, test.realtime)
			client := d.dial()
			test.filter["topics"] = []any{[]any{word(1), word(2)}}
			logs := d.subscribe(client, "logs", test.filter)
			minis := d.subscribe(client, "miniBlocks")
			d.node.Seal()
			var hashes []common.Hash
			for i := uint64(1); i <= 3; i++ {
				d.node.Mini(d.node.Transfer(1, common.Address{1}, 1), d.emit(0, i, i, 0), d.emit(0, 2, 100+i, 0))
			}
			minis.next() // of block 1
			for i := uint64(0); i < 3; i++ {
				mini := minis.next()
				receipts := mini["receipts"].([]any)
				for j := 1; j <= 2; j++ {
					if i == 2 && j == 1 {
						continue // topic 3
					}
					log := logs.next()
					want := receipts[j].(map[string]any)["logs"].([]any)[0].(map[string]any)
					require.Nil(t, log["blockHash"])
					require.Contains(t, log, "blockHash")
					require.Equal(t, mini["sequence"], log["sequence"])
					require.Equal(t, mini["hash"], log["miniBlockHash"])
					require.Equal(t, 2*i+uint64(j)-1, number(t, log["logIndex"]))
					require.Equal(t, 3*i+uint64(j), number(t, log["transactionIndex"]))
					delete(log, "sequence")
					delete(log, "miniBlockHash")
					require.Equal(t, want, log)
					hashes = append(hashes, common.HexToHash(log["transactionHash"].(string)))
				}
			}
			logs.silent()
			d.node.Seal()
			logs.silent() // not again with the block
			require.Len(t, hashes, 5)
		})
	}
}

func TestLogRanges(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	for _, filter := range []map[string]any{
		{"fromBlock": "0x2", "toBlock": "0x1"},
		{"toBlock": "0x1"},
		{"fromBlock": "safe"},
		{"blockHash": common.Hash{1}},
	} {
		_, err := d.trySubscribe(client, "logs", filter)
		requireError(t, err, wire.CodeInvalidParams, "invalid block range", nil)
	}
	_, err := d.trySubscribe(client, "logs", map[string]any{}, map[string]any{"from": "0x1"})
	requireError(t, err, wire.CodeInvalidParams, "cannot be resumed", nil)
	_, err = d.trySubscribe(client, "newHeads", map[string]any{"from": "0x1"})
	requireError(t, err, wire.CodeInvalidParams, "too many arguments", nil)
	_, err = d.trySubscribe(client, "logs", map[string]any{"topics": make([]any, 5)})
	requireError(t, err, wire.CodeInvalidParams, "exceed max topics", nil)
}

func TestNewPendingTransactions(t *testing.T) {
	for _, realtime := range []bool{false, true} {
		d := open(t, rpctest.Options{}, Config{}, realtime)
		client := d.dial()
		hashes := d.subscribe(client, "newPendingTransactions")
		short := d.subscribe(client, "newPendingTransactions", false)
		full := d.subscribe(client, "newPendingTransactions", true)
		d.node.Mini(d.node.Transfer(0, common.Address{1}, 1))
		tx := d.node.Transfer(0, common.Address{1}, 2)
		d.node.Push(tx)
		hashes.raw()
		short.raw()
		full.raw()
		hashes.silent() // acknowledged, and its mini-block has not ended
		d.node.Mini()
		require.JSONEq(t, `"`+tx.Hash().Hex()+`"`, string(hashes.raw()))
		require.JSONEq(t, `"`+tx.Hash().Hex()+`"`, string(short.raw()))
		got := full.next()
		require.Equal(t, tx.Hash().Hex(), got["hash"])
		require.Equal(t, rpctest.AccountAt(0).Address, common.HexToAddress(got["from"].(string)))
		require.Equal(t, uint64(1)<<24|1, number(t, got["sequence"]))
		require.Contains(t, got, "blockHash")
		require.Nil(t, got["blockHash"])
		if realtime {
			require.Equal(t, "0x1", got["blockNumber"])
			require.Equal(t, "0x1", got["transactionIndex"])
		} else {
			require.Nil(t, got["blockNumber"])
			require.Nil(t, got["transactionIndex"])
		}
		d.node.Seal()
		full.silent()
	}
}

func TestMiniBlocks(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	minis := d.subscribe(d.dial(), "miniBlocks")
	d.node.Mini(d.emit(0, 1, 1, 0), d.emit(1, 1, 2, 0))
	d.node.Mini()
	d.node.Mini(d.node.Transfer(0, common.Address{1}, 1), d.emit(0, 1, 3, 0))
	header := d.node.Seal()
	d.node.Mini(d.emit(0, 1, 4, 0))

	var (
		hash = genesisHash(t, d)
		txs  []any
		gas  uint64
		logs uint64
	)
	for i, count := range []int{2, 0, 2, 0} {
		m := minis.next()
		require.Equal(t, uint64(1), number(t, m["block_number"]))
		require.Equal(t, uint64(i), number(t, m["index"]))
		require.Equal(t, header.Timestamp, number(t, m["block_timestamp"]))
		require.Equal(t, header.Timestamp, number(t, m["timestamp"]))
		require.Equal(t, header.Timestamp*1e6, number(t, m["mini_block_timestamp"]))
		require.Equal(t, "0x0000010000000001", m["payload_id"], "term 1, block 1")
		require.Equal(t, uint64(1)<<24|uint64(i), number(t, m["sequence"]))
		require.Equal(t, m["sequence"], m["mini_block_number"])
		require.Equal(t, hash, m["parent_hash"])
		require.Equal(t, uint64(len(txs)), number(t, m["tx_offset"]))
		require.Equal(t, logs, number(t, m["log_offset"]))
		require.Equal(t, gas, number(t, m["gas_offset"]))
		require.Equal(t, i == 3, m["last"])
		list, receipts := m["transactions"].([]any), m["receipts"].([]any)
		require.Len(t, list, count)
		require.Len(t, receipts, count)
		for j, r := range receipts {
			receipt, tx := r.(map[string]any), list[j].(map[string]any)
			require.Equal(t, tx["hash"], receipt["transactionHash"])
			require.Equal(t, uint64(len(txs)+j), number(t, tx["transactionIndex"]))
			require.Equal(t, tx["transactionIndex"], receipt["transactionIndex"])
			require.Nil(t, receipt["blockHash"])
			require.Nil(t, tx["blockHash"])
			require.Equal(t, "0x1", receipt["blockNumber"])
			logs += uint64(len(receipt["logs"].([]any)))
			if j == len(receipts)-1 {
				require.Equal(t, gas+number(t, m["gas_used"]), number(t, receipt["cumulativeGasUsed"]))
			}
		}
		txs = append(txs, list...)
		gas += number(t, m["gas_used"])
		hash = m["hash"]
	}
	require.Equal(t, header.GasUsed, gas)
	require.Equal(t, uint64(3), logs)

	// The sealed block has the same transactions, but for its hash.
	block, err := d.node.History().Block(1)
	require.NoError(t, err)
	for i, got := range txs {
		sealed, err := wire.NewTransaction(d.node.ChainConfig(), block, i)
		require.NoError(t, err)
		text, err := sealed.MarshalJSON()
		require.NoError(t, err)
		var want map[string]any
		require.NoError(t, json.Unmarshal(text, &want))
		require.Equal(t, header.Hash().Hex(), want["blockHash"])
		want["blockHash"] = nil
		require.Equal(t, want, got)
	}

	next := minis.next()
	require.Equal(t, uint64(2)<<24, number(t, next["sequence"]))
	require.Equal(t, hash, next["parent_hash"], "the stream links over the border of blocks")
}

func genesisHash(t *testing.T, d *door) any {
	header, err := d.node.History().Header(0)
	require.NoError(t, err)
	return header.Hash().Hex()
}

func TestStateChanges(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	client := d.dial()
	all := d.subscribe(client, "stateChanges")
	null := d.subscribe(client, "stateChanges", nil)
	empty := d.subscribe(client, "stateChanges", []any{})
	one := d.subscribe(client, "stateChanges", []any{emitter})
	two := d.subscribe(client, "stateChanges", []any{emitter, common.Address{0xff}})

	d.node.Mini(d.emit(0, 0, 42, 0), d.emit(0, 0xab, 1, 0))
	d.node.Mini(d.emit(0, 0, 0, 0), d.node.Transfer(0, common.Address{0xff}, 9))
	for _, tap := range []*tap{one, two} {
		got := tap.next()
		require.Equal(t, emitter, common.HexToAddress(got["address"].(string)))
		require.Equal(t, float64(0), got["nonce"], "a number, as MegaETH documents")
		require.Equal(t, "0x0", got["balance"])
		require.Equal(t, map[string]any{"0x0": "0x2a", "0xab": "0x1"}, got["storage"])
		require.Equal(t, uint64(1)<<24, number(t, got["sequence"]))
		require.NotContains(t, got, "cleared")
		got = tap.next()
		require.Equal(t, map[string]any{"0x0": "0x0"}, got["storage"])
		require.Equal(t, uint64(1)<<24|1, number(t, got["sequence"]))
	}
	got := two.next()
	require.Equal(t, "0x9", got["balance"])
	require.Equal(t, map[string]any{}, got["storage"])
	one.silent()

	// All: what the mini-blocks' changes are.
	feed, err := d.node.History().SubscribeFrom(history.SeqOf(1, 0))
	require.NoError(t, err)
	sender := rpctest.AccountAt(0).Address
	for range 2 {
		event, err := feed.Next(t.Context())
		require.NoError(t, err)
		for _, tap := range []*tap{all, null, empty} {
			for _, a := range event.Mini.Changes.Accounts {
				got := tap.next()
				require.Equal(t, a.Address, common.HexToAddress(got["address"].(string)))
				require.Equal(t, a.After.Balance.Hex(), got["balance"])
				require.Equal(t, event.Mini.Digest.Hex(), got["miniBlockHash"])
				if a.Address == sender {
					require.Equal(t, float64(a.After.Nonce), got["nonce"])
				}
			}
		}
	}
	all.silent()
}

func TestSyncing(t *testing.T) {
	d := open(t, rpctest.Options{}, Config{}, false)
	syncing := d.subscribe(d.dial(), "syncing")
	require.Equal(t, "false", string(syncing.raw()))
	d.node.Seal()
	syncing.silent()
	require.Equal(t, 1, d.service.Subscriptions())
	syncing.sub.Unsubscribe()
	eventually(t, "slot given back", func() bool { return d.service.Subscriptions() == 0 })
}
