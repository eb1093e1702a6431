package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func TestLogFilterLimits(t *testing.T) {
	list := func(text string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(text+",", n), ",") + "]"
	}
	address, topic := fmt.Sprintf("%q", common.Address{1}), fmt.Sprintf("%q", common.Hash{1})
	for name, test := range map[string]struct {
		text    string
		refused bool
	}{
		"addresses":             {`{"address":` + list(address, 1000) + `}`, false},
		"an address too many":   {`{"address":` + list(address, 1001) + `}`, true},
		"topics":                {`{"topics":[` + list(topic, 400) + `,` + list(topic, 300) + `,` + list(topic, 300) + `]}`, false},
		"a topic too many":      {`{"topics":[` + list(topic, 400) + `,` + list(topic, 300) + `,` + list(topic, 301) + `]}`, true},
		"nulls":                 {`{"topics":[` + list("null", 1_000_000) + `]}`, true},
		"positions":             {`{"topics":[null,null,null,null]}`, false},
		"a position too many":   {`{"topics":[null,null,null,null,null]}`, true},
		"both at their most":    {`{"address":` + list(address, 1000) + `,"topics":[` + list(topic, 1000) + `]}`, false},
		"empty":                 {`{}`, false},
		"an address of a topic": {`{"address":` + list(`[]`, 2000) + `}`, true},
	} {
		var f wire.LogFilter
		err := json.Unmarshal([]byte(test.text), &f)
		if limit := new(wire.LimitError); test.refused != errors.As(err, &limit) || test.refused != errors.Is(err, chain.ErrTooLarge) || !test.refused && err != nil {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	huge := []byte(`{"topics":[` + list(topic, 70_000) + `]}`)
	if got := testing.AllocsPerRun(10, func() { _ = new(wire.LogFilter).UnmarshalJSON(huge) }); got > 50 {
		t.Errorf("a filter that is refused takes %v allocations", got)
	}
}

func TestLogFilterMatches(t *testing.T) {
	var a, b common.Hash = common.Hash{1}, common.Hash{2}
	log := &chain.Log{Address: common.Address{7}, Topics: []common.Hash{a, b}}
	for i, test := range []struct {
		filter wire.LogFilter
		want   bool
	}{
		{wire.LogFilter{}, true},
		{wire.LogFilter{Addresses: []common.Address{{6}, {7}}}, true},
		{wire.LogFilter{Addresses: []common.Address{{6}}}, false},
		{wire.LogFilter{Topics: [][]common.Hash{{a}, {a, b}}}, true},
		{wire.LogFilter{Topics: [][]common.Hash{nil, {b}}}, true},
		{wire.LogFilter{Topics: [][]common.Hash{nil, nil}}, true},
		{wire.LogFilter{Topics: [][]common.Hash{nil, nil, nil}}, false},
		{wire.LogFilter{Topics: [][]common.Hash{{b}}}, false},
		{wire.LogFilter{Addresses: []common.Address{{6}}, Topics: [][]common.Hash{{a}}}, false},
	} {
		if got := test.filter.Matches(log); got != test.want {
			t.Errorf("%d: got %t", i, got)
		}
	}
}

// FuzzLogFilter compares with go-ethereum's reading of the argument.
func FuzzLogFilter(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		var (
			got  wire.LogFilter
			want filters.FilterCriteria
		)
		gotErr, wantErr := json.Unmarshal(text, &got), json.Unmarshal(text, &want)
		if errors.Is(gotErr, chain.ErrTooLarge) {
			return // go-ethereum has other limits, or refuses later
		}
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, go-ethereum's is %v", gotErr, wantErr)
		}
		if gotErr != nil {
			return
		}
		if !reflect.DeepEqual(got.BlockHash, want.BlockHash) || !sameNumber(got.FromBlock, want.FromBlock) || !sameNumber(got.ToBlock, want.ToBlock) {
			t.Errorf("blocks: got %+v, want %+v", got, want)
		}
		if len(got.Addresses) != len(want.Addresses) || len(want.Addresses) > 0 && !reflect.DeepEqual(got.Addresses, want.Addresses) {
			t.Errorf("addresses: got %v, want %v", got.Addresses, want.Addresses)
		}
		if len(got.Topics) != len(want.Topics) {
			t.Fatalf("topics: got %v, want %v", got.Topics, want.Topics)
		}
		for i := range want.Topics {
			if len(got.Topics[i]) != len(want.Topics[i]) || len(want.Topics[i]) > 0 && !reflect.DeepEqual(got.Topics[i], want.Topics[i]) {
				t.Errorf("topics at %d: got %v, want %v", i, got.Topics[i], want.Topics[i])
			}
		}
	})
}

func sameNumber(got *rpc.BlockNumber, want *big.Int) bool {
	if got == nil || want == nil {
		return got == nil && want == nil
	}
	return want.IsInt64() && got.Int64() == want.Int64()
}
