package realtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/fullnode/history"
	"github.com/vivace-chain/vivace/rpc/internal/wire"
)

func TestQuantity(t *testing.T) {
	for text, want := range map[string]Quantity{
		`0`: 0, `2000`: 2000, `"0x7d0"`: 2000, `"0x0"`: 0, `"0x07D0"`: 2000,
		`18446744073709551615`: math.MaxUint64, `18446744073709551616`: math.MaxUint64, `"0x10000000000000000"`: math.MaxUint64,
	} {
		var q Quantity
		require.NoError(t, q.UnmarshalJSON([]byte(text)), text)
		require.Equal(t, want, q, text)
	}
	for _, text := range []string{``, `"`, `""`, `"0x"`, `"2000"`, `-1`, `"-0x1"`, `"0x-1"`, `1.0`, `1e3`, `true`, `{}`, `[1]`, `"0x1`, `"0x1_0"`} {
		var q Quantity
		require.Error(t, q.UnmarshalJSON([]byte(text)), text)
	}
}

func TestAddressesMax(t *testing.T) {
	list := func(n int) []byte {
		return []byte("[" + strings.TrimSuffix(strings.Repeat(`"0x00000000000000000000000000000000000000ff",`, n), ",") + "]")
	}
	var a Addresses
	require.NoError(t, json.Unmarshal(list(wire.LogAddressesMax), &a))
	require.Len(t, a, 1)
	var limit *wire.LimitError
	require.ErrorAs(t, a.UnmarshalJSON(list(wire.LogAddressesMax+1)), &limit)
}

func FuzzQuantity(f *testing.F) {
	for _, seed := range []string{`0`, `2000`, `"0x7d0"`, `null`, `-1`, `1e3`, `"0x"`, `"0xffffffffffffffffff"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var q Quantity
		if q.UnmarshalJSON(text) != nil {
			return
		}
		// Both forms of what was read are read as the same.
		for _, form := range []string{"%d", `"%#x"`} {
			var again Quantity
			if err := again.UnmarshalJSON(fmt.Appendf(nil, form, uint64(q))); err != nil || again != q {
				t.Fatalf("%s is %d, and then %d: %v", text, q, again, err)
			}
		}
	})
}

func FuzzResume(f *testing.F) {
	for _, seed := range []string{`{"from":"0x1000000"}`, `{"from":1}`, `{}`, `{"from":null}`, `[]`, `{"from":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r Resume
		if r.UnmarshalJSON(text) != nil {
			return
		}
		var again Resume
		if err := again.UnmarshalJSON(fmt.Appendf(nil, `{"from":"%#x"}`, uint64(r.From))); err != nil || again != r {
			t.Fatalf("%s is %d, and then %d: %v", text, r.From, again.From, err)
		}
	})
}

func FuzzCursorFilter(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"cursor":""}`, `{"cursor":"0x0000000000000004ffffffff"}`, `{"cursor":null,"fromBlock":"0x1","toBlock":"pending"}`,
		`{"address":["0x00000000000000000000000000000000000000ff"],"topics":[null,["0x0000000000000000000000000000000000000000000000000000000000000001"]]}`,
		`{"blockHash":"0x0000000000000000000000000000000000000000000000000000000000000001","cursor":"0x1"}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var filter CursorFilter
		if filter.UnmarshalJSON(text) != nil {
			return
		}
		topics := 0
		for _, any := range filter.Topics {
			topics += len(any)
		}
		if len(filter.Addresses) > wire.LogAddressesMax || topics > wire.LogTopicsMax {
			t.Fatalf("%d addresses, %d topics", len(filter.Addresses), topics)
		}
		if filter.Cursor == nil {
			return
		}
		if p, err := parseCursor(string(appendCursor(nil, *filter.Cursor))); err != nil || p != *filter.Cursor {
			t.Fatalf("cursor %v is %v: %v", *filter.Cursor, p, err)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{`[]`, `["0x00000000000000000000000000000000000000ff"]`, `null`, `{}`, `["0x1"]`, `[` + strings.Repeat(`0,`, 1000) + `0]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var a Addresses
		err := a.UnmarshalJSON(text)
		if len(a) > wire.LogAddressesMax {
			t.Fatalf("%d addresses", len(a))
		}
		if err != nil {
			return
		}
		for addr := range a {
			if !a.match(addr) {
				t.Fatalf("%s does not match", addr)
			}
		}
		if len(a) == 0 && !a.match(common.Address{1}) {
			t.Fatal("none is not all")
		}
	})
}

var errWrite = errors.New("write")

func seqs(entries []*encoding) (out []history.Seq) {
	for _, e := range entries {
		out = append(out, e.seq)
	}
	return out
}
