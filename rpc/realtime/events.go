package realtime

import (
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

// What each kind of subscription makes of an event. Notifications that are worth
// sharing go through the cache.

func (s *Service) sendHead(ev history.Event, out send) error {
	b := ev.Sealed
	if b == nil {
		return nil
	}
	seq := history.SeqOf(b.Number(), 0)
	enc := s.cache.get(key{kindHead, b.Hash}, seq, 1)
	return sendItem(enc, 0, out, func() (json.RawMessage, error) {
		return stamp(wire.NewHeader(b.Header).AppendJSON(make([]byte, 0, 2048)), seq, nil), nil
	})
}

func (s *Service) sendSealedLogs(b *history.Block, filter *wire.LogFilter, out send) error {
	var enc *encoding
	seq := history.SeqOf(b.Number(), 0)
	return selected(b.Receipts, filter, func(r, l, index int) error {
		if enc == nil {
			enc = s.cache.get(key{kindSealedLog, b.Hash}, seq, countLogs(b.Receipts))
		}
		return sendItem(enc, index, out, func() (json.RawMessage, error) {
			log := wire.NewLog(&b.Receipts[r].Logs[l], b.Number(), b.Env.Timestamp, &b.Hash,
				b.Txs[r].Hash(), uint32(r), uint32(index))
			return stamp(log.AppendJSON(nil), seq, nil), nil
		})
	})
}

func (s *Service) sendLogs(ev history.Event, filter *wire.LogFilter, out send) error {
	m := ev.Mini
	if m == nil {
		return nil
	}
	var enc *encoding
	return selected(m.Receipts, filter, func(r, l, index int) error {
		if enc == nil {
			enc = s.cache.get(key{kindLog, m.Digest}, m.Seq, countLogs(m.Receipts))
		}
		return sendItem(enc, index, out, func() (json.RawMessage, error) {
			log := wire.NewLog(&m.Receipts[r].Logs[l], m.Number, m.Env.Timestamp, nil,
				m.Txs[r].Hash(), m.FirstTx+uint32(r), m.FirstLog+uint32(index))
			return stamp(log.AppendJSON(nil), m.Seq, &m.Digest), nil
		})
	})
}

func (s *Service) sendHashes(ev history.Event, out send) error {
	if ev.Mini == nil {
		return nil
	}
	for _, tx := range ev.Mini.Txs {
		hash := tx.Hash()
		if err := out(appendData(nil, hash[:])); err != nil {
			return err
		}
	}
	return nil
}

// sendTxs sends transactions with their place, as far as it is known.
func (s *Service) sendTxs(ev history.Event, out send) error {
	m := ev.Mini
	if m == nil {
		return nil
	}
	return s.sendEachTx(m, kindTx, out, func(i int) (*wire.Transaction, error) {
		return wire.NewTransactionAt(s.backend.ChainConfig(), placeOf(m, i), m.Txs[i])
	})
}

// sendPendingTxs sends transactions as go-ethereum does, without a place.
func (s *Service) sendPendingTxs(ev history.Event, out send) error {
	m := ev.Mini
	if m == nil {
		return nil
	}
	return s.sendEachTx(m, kindPendingTx, out, func(i int) (*wire.Transaction, error) {
		return wire.NewPendingTransaction(s.backend.ChainConfig(), m.Env, m.Txs[i])
	})
}

func (s *Service) sendEachTx(m *history.Mini, k kind, out send, tx func(i int) (*wire.Transaction, error)) error {
	if len(m.Txs) == 0 {
		return nil
	}
	enc := s.cache.get(key{k, m.Digest}, m.Seq, len(m.Txs))
	for i := range m.Txs {
		err := sendItem(enc, i, out, func() (json.RawMessage, error) {
			t, err := tx(i)
			if err != nil {
				return nil, err
			}
			return stamp(t.AppendJSON(nil), m.Seq, &m.Digest), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) sendState(ev history.Event, only Addresses, out send) error {
	m := ev.Mini
	if m == nil || m.Changes == nil {
		return nil
	}
	var enc *encoding
	for i := range m.Changes.Accounts {
		a := &m.Changes.Accounts[i]
		if !only.match(a.Address) {
			continue
		}
		if enc == nil {
			enc = s.cache.get(key{kindState, m.Digest}, m.Seq, len(m.Changes.Accounts))
		}
		err := sendItem(enc, i, out, func() (json.RawMessage, error) {
			return stamp(appendAccount(nil, a), m.Seq, &m.Digest), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) sendMini(ev history.Event, out send) error {
	m := ev.Mini
	if m == nil {
		return nil
	}
	enc := s.cache.get(key{kindMini, m.Digest}, m.Seq, 1)
	return sendItem(enc, 0, out, func() (json.RawMessage, error) { return s.encodeMini(m) })
}

// placeOf is where transaction i of m is; its block is not sealed.
func placeOf(m *history.Mini, i int) wire.Place {
	return wire.Place{Env: m.Env, Index: int(m.FirstTx) + i}
}

// stamp adds to a JSON object its place in the stream: the sequence, and of a
// mini-block the digest of its frame.
func stamp(object []byte, seq history.Seq, digest *common.Hash) json.RawMessage {
	object = object[:len(object)-1]
	object = appendQuantity(object, "sequence", uint64(seq))
	if digest != nil {
		object = append(object, `,"miniBlockHash":`...)
		object = appendData(object, digest[:])
	}
	return append(object, '}')
}
