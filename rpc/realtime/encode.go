package realtime

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/holiman/uint256"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// encodeMini writes a mini-block in MegaETH's schema, with our fields: see the
// package comment. Errors match chain.ErrInvalidTx.
func (s *Service) encodeMini(m *history.Mini) (json.RawMessage, error) {
	var (
		config = s.backend.ChainConfig()
		text   = make([]byte, 0, miniSize(m))
		micros = m.Env.Timestamp * 1e6
	)
	text = append(text, `{"payload_id":"0x`...)
	text = hex.AppendEncode(text, payloadID(m.Env))
	text = append(text, '"')
	for _, f := range []struct {
		name  string
		value uint64
	}{
		{"block_number", m.Number},
		{"block_timestamp", m.Env.Timestamp},
		{"index", uint64(m.Index)},
		{"mini_block_number", uint64(m.Seq)},
		{"mini_block_timestamp", micros},
		{"tx_offset", uint64(m.FirstTx)},
		{"log_offset", uint64(m.FirstLog)},
		{"gas_offset", m.GasBefore},
		{"timestamp", m.Env.Timestamp},
		{"gas_used", m.GasUsed},
		{"sequence", uint64(m.Seq)},
	} {
		text = appendQuantity(text, f.name, f.value)
	}
	text = append(text, `,"hash":`...)
	text = appendData(text, m.Digest[:])
	text = append(text, `,"parent_hash":`...)
	text = appendData(text, m.Parent[:])
	text = append(text, `,"last":`...)
	text = strconv.AppendBool(text, m.Last)

	text = append(text, `,"transactions":[`...)
	for i := range m.Txs {
		tx, err := wire.NewTransactionAt(config, placeOf(m, i), m.Txs[i])
		if err != nil {
			return nil, err
		}
		text = tx.AppendJSON(appendComma(text, i))
	}
	text = append(text, `],"receipts":[`...)
	for i := range m.Receipts {
		receipt, err := wire.NewReceiptAt(config, placeOf(m, i), m.Txs[i], m.Receipts[i])
		if err != nil {
			return nil, err
		}
		text = receipt.AppendJSON(appendComma(text, i))
	}
	return append(text, `]}`...), nil
}

// payloadID is 8 bytes that name a block in the making: the low 24 bits of the term
// and the low 40 of the number.
func payloadID(env *chain.Env) []byte {
	id := env.Term()<<40 | env.Number&(1<<40-1)
	return []byte{byte(id >> 56), byte(id >> 48), byte(id >> 40), byte(id >> 32),
		byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
}

// miniSize is about how many bytes the JSON of m takes, and seldom less.
func miniSize(m *history.Mini) int {
	size := 768
	for i, tx := range m.Txs {
		size += 2560 + 2*len(tx.Raw())
		for l := range m.Receipts[i].Logs {
			size += 720 + 2*len(m.Receipts[i].Logs[l].Data)
		}
	}
	return size
}

// appendAccount writes what became of an account. Slots and values are numbers, as
// MegaETH has them: hexadecimal without leading zeros. An account that is gone has
// nothing; cleared says that of its storage only the slots listed are not zero.
func appendAccount(text []byte, a *chain.AccountChange) []byte {
	text = append(text, `{"address":`...)
	text = appendData(text, a.Address[:])
	text = append(text, `,"nonce":`...)
	text = strconv.AppendUint(text, a.After.Nonce, 10)
	text = append(text, `,"balance":`...)
	text = appendNumber(text, &a.After.Balance)
	text = append(text, `,"storage":{`...)
	for i := range a.Slots {
		slot := new(uint256.Int).SetBytes32(a.Slots[i].Key[:])
		text = appendNumber(appendComma(text, i), slot)
		text = append(text, ':')
		text = appendNumber(text, &a.Slots[i].After)
	}
	text = append(text, '}')
	if a.Cleared {
		text = append(text, `,"cleared":true`...)
	}
	return append(text, '}')
}

func appendComma(text []byte, i int) []byte {
	if i > 0 {
		text = append(text, ',')
	}
	return text
}

// appendQuantity appends a field that is not the first of its object.
func appendQuantity(text []byte, name string, v uint64) []byte {
	text = append(text, ',', '"')
	text = append(text, name...)
	text = append(text, `":"0x`...)
	text = strconv.AppendUint(text, v, 16)
	return append(text, '"')
}

func appendNumber(text []byte, v *uint256.Int) []byte {
	text = append(text, '"')
	text = append(text, v.Hex()...)
	return append(text, '"')
}

func appendData(text, b []byte) []byte {
	text = append(text, `"0x`...)
	text = hex.AppendEncode(text, b)
	return append(text, '"')
}
