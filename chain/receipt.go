package chain

import (
	"crypto/sha256"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// A Receipt is the outcome of one transaction. All fields are final when the
// transaction is acknowledged; the block's hash, which is not known until the
// block is sealed, is not among them.
type Receipt struct {
	// The consensus receipt: what receiptsRoot commits to.
	Type              uint8       // of the transaction (EIP-2718)
	PostState         common.Hash // state root after the transaction, before Byzantium
	HasPostState      bool        // true before Byzantium, where Status does not exist
	Status            uint64      // 1 success, 0 failure (EIP-658)
	CumulativeGasUsed uint64      // in the block, up to and with this transaction
	LogsBloom         Bloom
	Logs              []Log

	// Derived.
	TxHash            common.Hash
	BlockNumber       uint64
	TransactionIndex  uint32
	FirstLogIndex     uint32 // index in the block of Logs[0]
	GasUsed           uint64
	EffectiveGasPrice uint256.Int     // wei
	ContractAddress   *common.Address // of a creation
	BlobGasUsed       uint64          // type 3
	BlobGasPrice      *uint256.Int    // type 3, wei
}

// A Log is an event that a contract emitted.
type Log struct {
	Address common.Address
	Topics  []common.Hash // at most 4
	Data    []byte
}

// AppendConsensus appends the receipt as receiptsRoot and the wire have it: the
// RLP list [status or root, cumulativeGasUsed, logsBloom, logs], after the type
// byte if it is typed (EIP-2718).
func (r *Receipt) AppendConsensus(dst []byte) []byte {
	if r.Type != 0 {
		dst = append(dst, r.Type)
	}
	start := len(dst)
	if r.HasPostState {
		dst = rlp.AppendBytes(dst, r.PostState[:])
	} else {
		dst = rlp.AppendUint64(dst, r.Status)
	}
	dst = rlp.AppendUint64(dst, r.CumulativeGasUsed)
	dst = rlp.AppendBytes(dst, r.LogsBloom[:])
	logs := len(dst)
	for i := range r.Logs {
		dst = r.Logs[i].append(dst)
	}
	dst = rlp.WrapList(dst, logs)
	return rlp.WrapList(dst, start)
}

func (l *Log) append(dst []byte) []byte {
	start := len(dst)
	dst = rlp.AppendBytes(dst, l.Address[:])
	topics := len(dst)
	for i := range l.Topics {
		dst = rlp.AppendBytes(dst, l.Topics[i][:])
	}
	dst = rlp.WrapList(dst, topics)
	dst = rlp.AppendBytes(dst, l.Data)
	return rlp.WrapList(dst, start)
}

// LogsBloom is the filter over logs.
func LogsBloom(logs []Log) (b Bloom) {
	for i := range logs {
		b.Add(logs[i].Address[:])
		for _, t := range logs[i].Topics {
			b.Add(t[:])
		}
	}
	return b
}

// RequestsHash is the commitment of EIP-7685 to execution requests, each its type
// byte and data, ascending by type. A request without data does not count.
func RequestsHash(requests [][]byte) common.Hash {
	outer := sha256.New()
	for _, r := range requests {
		if len(r) > 1 {
			inner := sha256.Sum256(r)
			outer.Write(inner[:])
		}
	}
	return common.Hash(outer.Sum(nil))
}
