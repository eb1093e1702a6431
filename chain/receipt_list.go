package chain

import (
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// AppendReceipts appends a list of receipts as they travel and are kept: of each the
// RLP list [status or root, gasUsed, logs]. All else follows from the transactions:
// see CompleteReceipts.
func AppendReceipts(dst []byte, receipts []*Receipt) []byte {
	start := len(dst)
	for _, r := range receipts {
		at := len(dst)
		if r.HasPostState {
			dst = rlp.AppendBytes(dst, r.PostState[:])
		} else {
			dst = rlp.AppendUint64(dst, r.Status)
		}
		dst = rlp.AppendUint64(dst, r.GasUsed)
		logs := len(dst)
		for i := range r.Logs {
			dst = r.Logs[i].append(dst)
		}
		dst = rlp.WrapList(dst, logs)
		dst = rlp.WrapList(dst, at)
	}
	return rlp.WrapList(dst, start)
}

// ReadReceipts reads what AppendReceipts wrote, into memory of its own: at most as
// many as most, because a Receipt takes many times the memory of its bytes.
func ReadReceipts(in *rlp.Reader, most int) []*Receipt {
	var out []*Receipt
	list := in.List()
	for list.More() {
		if len(out) == most {
			list.Fail(rlp.ErrSize)
			break
		}
		receipt := new(Receipt)
		receipt.readTravelling(list)
		out = append(out, receipt)
	}
	in.Close(list)
	return out
}

func (r *Receipt) readTravelling(in *rlp.Reader) {
	item := in.List()
	outcome := item.Bytes()
	switch {
	case len(outcome) == common.HashLength:
		r.PostState, r.HasPostState = common.Hash(outcome), true
	case len(outcome) == 1 && outcome[0] == 1:
		r.Status = 1
	case len(outcome) > 0:
		item.Fail(rlp.ErrSize)
	}
	r.GasUsed = item.Uint64()
	logs := item.List()
	for logs.More() {
		r.Logs = append(r.Logs, Log{})
		r.Logs[len(r.Logs)-1].read(logs)
	}
	item.Close(logs)
	in.Close(item)
}

// topicsMax is how many topics the EVM can give a log.
const topicsMax = 4

func (l *Log) read(in *rlp.Reader) {
	r := in.List()
	r.Fixed(l.Address[:])
	topics := r.List()
	for topics.More() {
		if len(l.Topics) == topicsMax {
			topics.Fail(rlp.ErrSize)
			break
		}
		var topic common.Hash
		topics.Fixed(topic[:])
		l.Topics = append(l.Topics, topic)
	}
	r.Close(topics)
	l.Data = slices.Clone(r.Bytes())
	in.Close(r)
}

// CompleteReceipts fills in what follows, without decoding them, from the
// transactions that receipts are of and from their place in block number, right after
// the transaction whose receipt is after, or first if that is nil: Type,
// CumulativeGasUsed, LogsBloom, TxHash, BlockNumber, TransactionIndex and
// FirstLogIndex. It fails if they are not as many.
func CompleteReceipts(number uint64, after *Receipt, txs []*Tx, receipts []*Receipt) error {
	if len(txs) != len(receipts) {
		return &MismatchError{Block: number, Field: "number of receipts", Got: strconv.Itoa(len(receipts)), Want: strconv.Itoa(len(txs))}
	}
	var (
		gas         uint64
		index, logs uint32
	)
	if after != nil {
		gas, index, logs = after.CumulativeGasUsed, after.TransactionIndex+1, after.FirstLogIndex+uint32(len(after.Logs))
	}
	for i, r := range receipts {
		gas += r.GasUsed
		r.Type = txs[i].Type()
		r.CumulativeGasUsed = gas
		r.LogsBloom = LogsBloom(r.Logs)
		r.TxHash, r.BlockNumber = txs[i].Hash(), number
		r.TransactionIndex, r.FirstLogIndex = index, logs
		index++
		logs += uint32(len(r.Logs))
	}
	return nil
}
