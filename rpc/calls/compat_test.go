package calls_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/rpc/calls"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// compat is the conformance suite of the execution API: its files by name.
func compat(tb testing.TB) map[string][]byte {
	tb.Helper()
	f, err := os.Open(filepath.Join(testdata.Fixtures(tb), "rpc-compat.tar.zst"))
	require.NoError(tb, err)
	defer f.Close()
	unpacked, err := zstd.NewReader(f)
	require.NoError(tb, err)
	defer unpacked.Close()
	files := make(map[string][]byte)
	for r := tar.NewReader(unpacked); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(tb, err)
		text, err := io.ReadAll(r)
		require.NoError(tb, err)
		files[strings.TrimPrefix(path.Clean(h.Name), "rpc-compat/")] = text
	}
}

// compatDoor serves the chain of the suite.
func compatDoor(tb testing.TB, files map[string][]byte) *door {
	tb.Helper()
	spec, err := genesis.Read(bytes.NewReader(files["genesis.json"]))
	require.NoError(tb, err)
	node := rpctest.New(tb, spec, rpctest.Options{Hold: true})
	node.ImportAll(bytes.NewReader(files["chain.rlp"]))
	return serve(tb, node, calls.Options{})
}

// TestCompat compares all of the suite's answers for this package's methods, texts of
// errors too, and those of which the suite asks the form only. Numbers in parentheses
// are how many there are.
func TestCompat(t *testing.T) {
	files := compat(t)
	d := compatDoor(t, files)
	for method, want := range map[string]int{
		"eth_call": 4, "eth_estimateGas": 4, "eth_createAccessList": 3, "eth_simulateV1": 62, "testing_buildBlockV1": 3,
	} {
		found := 0
		for name, text := range files {
			if path.Dir(name) != method {
				continue
			}
			found++
			t.Run(strings.TrimSuffix(name, ".io"), func(t *testing.T) { converse(t, d, string(text)) })
		}
		require.Equal(t, want, found, method)
	}
}

// fromPool is the one conversation whose answer depends on what others left in the
// pool: it executes a transaction of eth_sendRawTransaction's tests.
const fromPool = `"method":"eth_sendRawTransaction"`

func converse(t *testing.T, d *door, text string) {
	if strings.Contains(text, fromPool) {
		t.Skip("the answer depends on the pool: see TestBuildFromPool")
	}
	var got []byte
	for line := range strings.Lines(text) {
		if request, ok := strings.CutPrefix(line, ">> "); ok {
			got = d.send(t, []byte(request))
		}
		if want, ok := strings.CutPrefix(line, "<< "); ok {
			for _, difference := range compare("", parse(t, got), parse(t, []byte(want))) {
				t.Error(difference)
			}
		}
	}
}

func parse(t testing.TB, text []byte) (v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &v), "%s", text)
	return v
}

// compare lists where two JSON values differ.
func compare(at string, got, want any) (out []string) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			break
		}
		for key := range object {
			if _, ok := want[key]; !ok {
				out = append(out, fmt.Sprintf("%s.%s: got %v, want nothing", at, key, object[key]))
			}
		}
		for key := range want {
			value, ok := object[key]
			if !ok {
				out = append(out, fmt.Sprintf("%s.%s: got nothing, want %v", at, key, want[key]))
				continue
			}
			out = append(out, compare(at+"."+key, value, want[key])...)
		}
		return out
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			break
		}
		for i := range want {
			out = append(out, compare(fmt.Sprintf("%s[%d]", at, i), list[i], want[i])...)
		}
		return out
	default:
		if got == want {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: got %v, want %v", at, got, want)}
}
