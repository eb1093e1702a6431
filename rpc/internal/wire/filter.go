package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/fullnode/history"
)

// What a LogFilter holds at most.
const (
	LogAddressesMax = 1000
	LogTopicsMax    = 1000 // at all positions together
	topicPositions  = 4    // LOG4
)

// A LogFilter is the argument of eth_getLogs, eth_newFilter and eth_subscribe: which
// blocks, and which logs in them.
type LogFilter struct {
	BlockHash *common.Hash // excludes FromBlock and ToBlock
	FromBlock *rpc.BlockNumber
	ToBlock   *rpc.BlockNumber
	// Addresses and Topics select as history.LogQuery's do.
	Addresses []common.Address
	Topics    [][]common.Hash
}

// UnmarshalJSON reads what clients send: an address or many; topics, each null, one
// or many. More than LogAddressesMax or LogTopicsMax is a LimitError, before they
// are decoded.
func (f *LogFilter) UnmarshalJSON(text []byte) error {
	var in struct {
		BlockHash *common.Hash     `json:"blockHash"`
		FromBlock *rpc.BlockNumber `json:"fromBlock"`
		ToBlock   *rpc.BlockNumber `json:"toBlock"`
		Address   addressList      `json:"address"`
		Topics    topicLists       `json:"topics"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	switch {
	case in.BlockHash != nil && (in.FromBlock != nil || in.ToBlock != nil):
		return errors.New("cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
	case in.Address.err != nil:
		return in.Address.err
	case in.Topics.err != nil:
		return in.Topics.err
	}
	*f = LogFilter{in.BlockHash, in.FromBlock, in.ToBlock, in.Address.list, in.Topics.list}
	return nil
}

// Query is a query for what f selects, over no blocks yet.
func (f *LogFilter) Query() *history.LogQuery {
	return &history.LogQuery{Addresses: f.Addresses, Topics: f.Topics}
}

// Matches reports whether f selects l, whatever its block.
func (f *LogFilter) Matches(l *chain.Log) bool {
	q := history.LogQuery{Addresses: f.Addresses, Topics: f.Topics}
	return q.Selects(l)
}

// elementsMax is the most elements that a JSON array, with the arrays in it, can
// have: one more than commas. (Strings with commas are no hex.)
func elementsMax(text []byte) int { return bytes.Count(text, []byte{','}) + 1 }

// An addressList is an address or many, or what is wrong with it: errors are for
// later, so that those of go-ethereum come in its order.
type addressList struct {
	list []common.Address
	err  error
}

func (l *addressList) UnmarshalJSON(text []byte) error {
	l.list, l.err = parseAddresses(text)
	return nil
}

func parseAddresses(text []byte) ([]common.Address, error) {
	if elementsMax(text) > LogAddressesMax {
		return nil, &LimitError{fmt.Sprintf("addresses or topics per search position: %d addresses", LogAddressesMax)}
	}
	var in any
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	switch in := in.(type) {
	case nil:
		return nil, nil
	case string:
		addr, err := decodeAddress(in)
		if err != nil {
			return nil, fmt.Errorf("invalid address: %w", err)
		}
		return []common.Address{addr}, nil
	case []any:
		return eachAddress(in)
	}
	return nil, errors.New("invalid addresses in query")
}

func eachAddress(in []any) ([]common.Address, error) {
	list := make([]common.Address, len(in))
	for i, v := range in {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("non-string address at index %d", i)
		}
		addr, err := decodeAddress(s)
		if err != nil {
			return nil, fmt.Errorf("invalid address at index %d: %w", i, err)
		}
		list[i] = addr
	}
	return list, nil
}

// topicLists are the topics by position, or what is wrong with them.
type topicLists struct {
	list [][]common.Hash
	err  error
}

func (l *topicLists) UnmarshalJSON(text []byte) error {
	l.list, l.err = parseTopics(text)
	return nil
}

func parseTopics(text []byte) ([][]common.Hash, error) {
	// Commas between positions count too; a position without topics has none.
	if elementsMax(text) > LogTopicsMax+topicPositions {
		return nil, tooManyTopics()
	}
	var in []any
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, errInvalidTopic
	}
	if len(in) > topicPositions {
		return nil, &LimitError{"topics"}
	}
	var (
		list  [][]common.Hash
		count int
	)
	for _, v := range in {
		topics, err := topicsAt(v)
		if err != nil {
			return nil, err
		}
		if count += len(topics); count > LogTopicsMax {
			return nil, tooManyTopics()
		}
		list = append(list, topics)
	}
	return list, nil
}

func tooManyTopics() error {
	return &LimitError{fmt.Sprintf("addresses or topics per search position: %d topics", LogTopicsMax)}
}

var errInvalidTopic = errors.New("invalid topic(s)")

// topicsAt are the topics that a position may have; none for any.
func topicsAt(v any) ([]common.Hash, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		topic, err := decodeTopic(v)
		return []common.Hash{topic}, err
	case []any:
		var topics []common.Hash
		for _, v := range v {
			if v == nil { // as one of many: any
				return nil, nil
			}
			s, ok := v.(string)
			if !ok {
				return nil, errInvalidTopic
			}
			topic, err := decodeTopic(s)
			if err != nil {
				return nil, err
			}
			topics = append(topics, topic)
		}
		return topics, nil
	}
	return nil, errInvalidTopic
}

func decodeAddress(s string) (a common.Address, err error) {
	err = decodeFixed(a[:], s, "address")
	return a, err
}

func decodeTopic(s string) (h common.Hash, err error) {
	err = decodeFixed(h[:], s, "topic")
	return h, err
}

func decodeFixed(dst []byte, s, what string) error {
	b, err := hexutil.Decode(s)
	if err != nil {
		return err
	}
	if len(b) != len(dst) {
		return fmt.Errorf("hex has invalid length %d after decoding; expected %d for %s", len(b), len(dst), what)
	}
	copy(dst, b)
	return nil
}
