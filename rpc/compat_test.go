package rpc_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// differences are the conversations of the suite in which we answer otherwise, each
// with the reason. One that comes to agree must leave the list.
var differences = map[string]string{
	"txpool_content/get-content": "the blob transaction that the suite sent before is in our pool, and not in its author's answer",
}

// TestExecutionAPIs holds the conversations of execution-apis' test suite with the
// door, over HTTP, on the suite's own chain, and compares the answers as hive's
// rpc-compat simulator does: all but the texts of errors must be equal, and where the
// suite says "speconly", only the form.
func TestExecutionAPIs(t *testing.T) {
	files := readSuite(t)
	spec, err := genesis.Read(bytes.NewReader(files["genesis.json"]))
	require.NoError(t, err)
	node := rpctest.New(t, spec, rpctest.Options{Hold: true})
	node.ImportAll(bytes.NewReader(files["chain.rlp"]))
	requireHead(t, node, files["headfcu.json"])
	url := serve(t, rpc.Config{Backend: node, Engine: node.Engine(), Namespaces: append(rpc.DefaultNamespaces(), "testing")})

	var (
		passed, failed = make(map[string]int), make(map[string]int)
		total          int
	)
	for _, name := range sortedKeys(files) {
		if path.Ext(name) != ".io" {
			continue
		}
		total++
		name := strings.TrimSuffix(name, ".io")
		method := path.Dir(name)
		err := converse(url, string(files[name+".io"]))
		reason, listed := differences[name]
		switch {
		case err == nil:
			passed[method]++
			if listed {
				t.Errorf("%s agrees, but is listed as different: %s", name, reason)
			}
		case listed:
			failed[method]++
			t.Logf("%s differs as listed (%s): %v", name, reason, err)
		default:
			failed[method]++
			t.Errorf("%s: %v", name, err)
		}
		delete(differences, name)
	}
	for name := range differences {
		t.Errorf("%s is listed as different, but not in the suite", name)
	}
	require.Equal(t, 155, total, "conversations in the suite")
	t.Log(table(passed, failed))
}

func readSuite(t *testing.T) map[string][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Fixtures(t), "rpc-compat.tar.zst"))
	require.NoError(t, err)
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	require.NoError(t, err)
	defer z.Close()
	files := make(map[string][]byte)
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		name := path.Clean(header.Name)
		files[strings.TrimPrefix(name, "rpc-compat/")] = data
	}
}

// requireHead checks that the chain ends where the suite's consensus client says.
func requireHead(t *testing.T, node *rpctest.Node, forkchoice []byte) {
	t.Helper()
	var message struct {
		Params []struct{ HeadBlockHash string }
	}
	require.NoError(t, json.Unmarshal(forkchoice, &message))
	require.NotEmpty(t, message.Params)
	require.Equal(t, message.Params[0].HeadBlockHash, node.Head().Hash().Hex())
}

// converse sends the requests of a conversation and compares the answers.
func converse(url, script string) error {
	var (
		answer   []byte
		speconly bool
	)
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		switch text := strings.TrimSpace(strings.TrimLeft(line, "/<>")); {
		case strings.HasPrefix(line, "//"):
			speconly = speconly || strings.HasPrefix(text, "speconly:")
		case strings.HasPrefix(line, ">>"):
			response, err := http.Post(url, "application/json", strings.NewReader(text))
			if err != nil {
				return err
			}
			answer, err = io.ReadAll(response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil {
				return err
			}
		case strings.HasPrefix(line, "<<"):
			if err := compareAnswers(answer, []byte(text), speconly); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareAnswers(got, want []byte, speconly bool) error {
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		return fmt.Errorf("answer %q: %w", got, err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		return fmt.Errorf("suite: %w", err)
	}
	if speconly {
		return compareForm("", g, w)
	}
	redact(g, w)
	return compare("", g, w)
}

// redact removes the texts of errors that both sides have.
func redact(got, want any) {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for key := range w {
			ge, isError := g[key].(map[string]any)
			we, alike := w[key].(map[string]any)
			if key == "error" && isError && alike && ge["message"] != nil && we["message"] != nil {
				delete(ge, "message")
				delete(we, "message")
			}
			redact(g[key], w[key])
		}
	case []any:
		g, _ := got.([]any)
		for i := range min(len(g), len(w)) {
			redact(g[i], w[i])
		}
	}
}

// compare names the first place where two answers differ.
func compare(at string, got, want any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		if err := sameKeys(at, g, w); err != nil {
			return err
		}
		for _, key := range sortedKeys(w) {
			if err := compare(at+"."+key, g[key], w[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			if err := compare(fmt.Sprintf("%s[%d]", at, i), g[i], w[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: got %s, want %s", at, brief(got), brief(want))
	}
	return nil
}

// compareForm compares the keys and the types of values.
func compareForm(at string, got, want any) error {
	if reflect.TypeOf(got) != reflect.TypeOf(want) {
		return fmt.Errorf("%s: got %s, want something like %s", at, brief(got), brief(want))
	}
	w, ok := want.(map[string]any)
	if !ok {
		return nil
	}
	g := got.(map[string]any)
	if isTable(w) {
		return compareTables(at, g, w)
	}
	if err := sameKeys(at, g, w); err != nil {
		return err
	}
	for _, key := range sortedKeys(w) {
		if err := compareForm(at+"."+key, g[key], w[key]); err != nil {
			return err
		}
	}
	return nil
}

// isTable reports whether an object's keys are data, hexadecimal or decimal, rather
// than names.
func isTable(object map[string]any) bool {
	for key := range object {
		if !strings.HasPrefix(key, "0x") && strings.Trim(key, "0123456789") != "" {
			return false
		}
	}
	return len(object) > 0
}

// compareTables checks that each of got's values has the form of one of want's.
func compareTables(at string, got, want map[string]any) error {
	for key, g := range got {
		var err error
		for _, w := range want {
			if err = compareForm(at+"."+key, g, w); err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sameKeys(at string, got, want map[string]any) error {
	if g, w := sortedKeys(got), sortedKeys(want); !slices.Equal(g, w) {
		return fmt.Errorf("%s: got keys %v, want %v: %s", at, g, w, brief(got))
	}
	return nil
}

func brief(v any) string {
	text, _ := json.Marshal(v)
	if len(text) > 300 {
		text = append(text[:300], "..."...)
	}
	return string(text)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func table(passed, failed map[string]int) string {
	methods := make(map[string]bool)
	for _, counts := range []map[string]int{passed, failed} {
		for method := range counts {
			methods[method] = true
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-42s %7s %7s\n", "method", "passed", "failed")
	p, f := 0, 0
	for _, method := range sortedKeys(methods) {
		fmt.Fprintf(&b, "%-42s %7d %7d\n", method, passed[method], failed[method])
		p, f = p+passed[method], f+failed[method]
	}
	fmt.Fprintf(&b, "%-42s %7d %7d", "all", p, f)
	return b.String()
}

// The comparison itself must be able to fail.
func TestCompareAnswers(t *testing.T) {
	for _, c := range []struct {
		got, want       string
		speconly, alike bool
	}{
		{`{"id":1,"result":"0x1"}`, `{"result":"0x1","id":1}`, false, true},
		{`{"id":1,"result":"0x1"}`, `{"id":1,"result":"0x2"}`, false, false},
		{`{"id":1,"result":"0x1"}`, `{"id":1,"result":"0x2"}`, true, true},
		{`{"id":1,"result":null}`, `{"id":1,"result":"0x2"}`, true, false},
		{`{"id":1,"result":{"a":1}}`, `{"id":1,"result":{"a":1,"b":null}}`, false, false},
		{`{"id":1,"result":{"a":1,"b":1}}`, `{"id":1,"result":{"a":1}}`, true, false},
		{`{"id":1,"result":[1]}`, `{"id":1,"result":[1,2]}`, false, false},
		{`{"id":1,"result":[1]}`, `{"id":1,"result":[1,2]}`, true, true},
		{`{"id":1,"error":{"code":1,"message":"a"}}`, `{"id":1,"error":{"code":1,"message":"b"}}`, false, true},
		{`{"id":1,"error":{"code":1,"message":"a"}}`, `{"id":1,"error":{"code":2,"message":"a"}}`, false, false},
		{`{"id":1,"error":{"code":1}}`, `{"id":1,"error":{"code":1,"message":"a"}}`, false, false},
		{`{"id":1,"error":{"code":1,"message":"a"}}`, `{"id":1,"error":{"code":1,"message":"a","data":"0x"}}`, false, false},
		{`{"result":[{"error":{"code":1,"message":"a"}}]}`, `{"result":[{"error":{"code":1,"message":"b"}}]}`, false, true},
		{`{"result":{"0x12":{"a":1}}}`, `{"result":{"0x34":{"b":1},"0x56":{"a":2}}}`, true, true},
		{`{"result":{"0x12":{"a":1}}}`, `{"result":{"0x34":{"b":1},"0x56":{"c":2}}}`, true, false},
		{`nonsense`, `{}`, false, false},
	} {
		err := compareAnswers([]byte(c.got), []byte(c.want), c.speconly)
		require.Equal(t, c.alike, err == nil, "%s and %s, speconly %t: %v", c.got, c.want, c.speconly, err)
	}
}
