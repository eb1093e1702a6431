package wire

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// A Log is an event and its place.
type Log struct {
	log       *chain.Log
	number    uint64
	timestamp uint64
	hash      *common.Hash
	txHash    common.Hash
	txIndex   uint32
	index     uint32
	removed   bool
}

// NewLog is a log. timestamp is the block's, hash nil until it is sealed; txIndex
// and index count in the block. It keeps l and hash.
func NewLog(l *chain.Log, number, timestamp uint64, hash *common.Hash, txHash common.Hash, txIndex, index uint32) *Log {
	return &Log{log: l, number: number, timestamp: timestamp, hash: hash, txHash: txHash, txIndex: txIndex, index: index}
}

// NewFoundLog is a log that history found.
func NewFoundLog(f *history.FoundLog) *Log {
	var hash *common.Hash
	if f.Block.Sealed() {
		hash = &f.Block.Hash
	}
	return NewLog(f.Log, f.Block.Env.Number, f.Block.Env.Timestamp, hash, f.TxHash, f.TxIndex, f.Index)
}

// NewFoundLogs are logs that history found; never nil.
func NewFoundLogs(found []history.FoundLog) Logs {
	list := make(Logs, len(found))
	for i := range found {
		list[i] = NewFoundLog(&found[i])
	}
	return list
}

// Removed is l as one that was taken back.
func (l *Log) Removed() *Log {
	gone := *l
	gone.removed = true
	return &gone
}

// MarshalJSON implements json.Marshaler; nil is null.
func (l *Log) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("null"), nil
	}
	return l.AppendJSON(make([]byte, 0, logSize(l.log))), nil
}

// Size is about how many bytes the JSON of l takes, which is not nil.
func (l *Log) Size() int { return logSize(l.log) }

// logSize is about how many bytes a log's JSON takes, and seldom less.
func logSize(l *chain.Log) int { return 420 + 69*len(l.Topics) + 2*len(l.Data) }

// AppendJSON appends the JSON of l, which is not nil.
func (l *Log) AppendJSON(dst []byte) []byte {
	o := object(dst)
	o.open()
	o.bytes("address", l.log.Address[:])
	o.hashes("topics", l.log.Topics)
	o.bytes("data", l.log.Data)
	o.uint64("blockNumber", l.number)
	o.bytes("transactionHash", l.txHash[:])
	o.uint64("transactionIndex", uint64(l.txIndex))
	o.hashOrNull("blockHash", l.hash)
	o.uint64("blockTimestamp", l.timestamp)
	o.uint64("logIndex", uint64(l.index))
	o.key("removed")
	if l.removed {
		o = append(o, "true"...)
	} else {
		o = append(o, "false"...)
	}
	o.close()
	return o
}

// Logs is a list of them; nil is an empty one.
type Logs []*Log

// MarshalJSON implements json.Marshaler.
func (l Logs) MarshalJSON() ([]byte, error) {
	size := 2
	for _, log := range l {
		size += logSize(log.log) + 1
	}
	return appendArray(make([]byte, 0, size), l), nil
}
