package rpc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRequest(t *testing.T) {
	type named struct {
		method string
		id     bool
	}
	for _, c := range []struct {
		body  string
		calls []named
		batch bool
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"a_b","params":[{"method":"no","x":"]}\""}]}`, []named{{"a_b", true}}, false},
		{` { "method" : "a_b" , "id" : null } `, []named{{"a_b", true}}, false},
		{`{"params":{"id":1},"method":"a_b"}`, []named{{"a_b", false}}, false},
		{`{"method":"first","method":"last"}`, []named{{"last", false}}, false},
		{`{"method":"first","method":5,"method":null}`, []named{{"first", false}}, false},
		{`{"method":"first","method":""}`, []named{{"", false}}, false},
		{`{"m\u0065thod":"a\u005fb","\u0069d":1}`, []named{{"a_b", true}}, false},
		{`{"Method":"a_b","ID":1}`, []named{{"", false}}, false},
		{`{"method":5}`, []named{{"", false}}, false},
		{`[{"method":"a","id":1},5,null,[],{"method":"b"}]`, []named{{"a", true}, {}, {}, {}, {"b", false}}, true},
		{`[]`, nil, true},
		{`[{"method":"a"},`, []named{{"a", false}}, true},
		{`[{"method":"a"`, nil, true},
		{`{"method":"a`, []named{{}}, false},
		{`{"method"`, []named{{}}, false},
		{`{"a":"\`, []named{{}}, false},
		{``, []named{{}}, false},
		{`null`, []named{{}}, false},
	} {
		calls, batch := parseRequest([]byte(c.body), 1000)
		var got []named
		for _, call := range calls {
			got = append(got, named{call.method, call.id != nil})
		}
		require.Equal(t, c.calls, got, c.body)
		require.Equal(t, c.batch, batch, c.body)
	}
	calls, _ := parseRequest([]byte("["+strings.Repeat("{},", 1e5)+"{}]"), 7)
	require.Len(t, calls, 7)
}

func TestParseAnswer(t *testing.T) {
	for body, want := range map[string][]outcome{
		`{"jsonrpc":"2.0","id":1,"result":{"error":{"code":5}}}`:                        {{size: 20}},
		`{"jsonrpc":"2.0","id":{"error":1},"error":{"message":"x","code":-32601}}`:      {{-32601, true, 29}},
		`[{"jsonrpc":"2.0","id":1,"result":[]},{"jsonrpc":"2.0","error":{"code":3}},5]`: {{size: 2}, {3, true, 10}, {}},
		`{"error":{}}`: {{0, true, 2}},
		`[]`:           nil,
	} {
		require.Equal(t, want, parseAnswer([]byte(body)), body)
	}
}

// reference is parseRequest by encoding/json: what go-ethereum's server makes of a
// request.
func reference(body []byte) (calls []call, batch bool) {
	var elements []json.RawMessage
	if json.Unmarshal(body, &elements) == nil && elements != nil {
		for _, element := range elements {
			calls = append(calls, referenceCall(element))
		}
		return calls, true
	}
	return []call{referenceCall(body)}, false
}

func referenceCall(message []byte) (c call) {
	decoder := json.NewDecoder(strings.NewReader(string(message)))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return call{}
	}
	version := ""
	for decoder.More() {
		key, _ := decoder.Token()
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return c
		}
		switch key {
		case "id":
			c.id = value
		case "method":
			_ = json.Unmarshal(value, &c.method)
		case "jsonrpc":
			_ = json.Unmarshal(value, &version)
			c.versioned = version == "2.0"
		case "params":
			c.params = true
		case "result", "error":
			c.result = true
		}
	}
	return c
}

// On any JSON the scan sees what a decoder sees; on anything else it ends.
func FuzzParseRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		calls, isBatch := parseRequest(body, 1<<20)
		parseAnswer(body)
		if !json.Valid(body) {
			return
		}
		want, batch := reference(body)
		require.Equal(t, batch, isBatch)
		require.Equal(t, len(want), len(calls))
		for i := range want {
			require.Equal(t, []byte(want[i].id), calls[i].id)
			require.Equal(t, want[i].answered(), calls[i].answered())
			require.Equal(t, want[i].method, string([]rune(calls[i].method))) // invalid UTF-8 replaced
		}
	})
}

// A string ends at the first quote that is not escaped, wherever it is, and finding it
// takes time in proportion to the string.
func TestStringEnd(t *testing.T) {
	for text, want := range map[string]int{
		`""`: 2, `"a"b"`: 3, `"\\"`: 4, `"\""`: 4, `"\\\""`: 6, `"\"\""x`: 6, `"a\"b\"c" "`: 9,
		`"`: -1, `"a`: -1, `"\`: -1, `"\"`: -1, `"\\\"`: -1, `"\"\"`: -1, `"\"a`: -1,
	} {
		require.Equal(t, want, stringEnd([]byte(text), 0), text)
		if want > 0 {
			require.Equal(t, want+2, stringEnd([]byte("[ "+text), 2), text)
		}
	}
	hostile := []byte(`"` + strings.Repeat(`\"\\`, 1<<20) + `"`)
	require.Equal(t, len(hostile), stringEnd(hostile, 0))
}
