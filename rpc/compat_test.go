package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
)

// A difference is a conversation of the suite in which we answer otherwise.
type difference struct {
	reason string
	where  [][]string // the only places of the answer that differ, by keys
}

// differences are all there are. One that comes to agree must leave the list.
var differences = map[string]difference{
	"txpool_content/get-content": {
		"the suite's blob transaction is listed, which go-ethereum's pool counts and does not list; and two others are queued behind those that the suite no longer sends",
		[][]string{
			{"result", "pending", "0x1F4924B14F34e24159387C0A4CdBaa32f3DDb0cF"},
			{"result", "queued", "0x0c2c51a0990AeE1d73C1228de158688341557508"},
		},
	},
}

// ofPool are the conversations about whatever the suite's others, and its author, left
// in the pool. The suite itself asks only for the form of their answers; it does so of
// others, which are equal here.
var ofPool = []string{"testing_buildBlockV1/build-block-from-mempool", "txpool_content/get-content", "txpool_status/get-status"}

// TestExecutionAPIs holds the conversations of execution-apis' test suite with the
// door, over HTTP, on the suite's own chain, and compares the answers: they are equal,
// texts of errors included, which hive's rpc-compat simulator does not ask for. The
// totals are printed, with -v, and written to the file $VIVACE_FIXTURES_REPORT.rpc.
func TestExecutionAPIs(t *testing.T) {
	files := rpctest.Suite(t)
	node := rpctest.NewSuite(t, files)
	requireHead(t, node, files["headfcu.json"])
	url := serve(t, rpc.Config{Backend: node, Engine: node.Engine(), Namespaces: append(rpc.DefaultNamespaces(), "testing")})

	var (
		agree, total = make(map[string]int), make(map[string]int)
		reasons      strings.Builder
		left         = maps.Clone(differences)
	)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		name, isConversation := strings.CutSuffix(file, ".io")
		if !isConversation {
			continue
		}
		method := path.Dir(name)
		total[method]++
		err := converse(url, name, string(files[file]), nil)
		if err == nil {
			agree[method]++
		}
		switch d, listed := left[name]; {
		case err == nil && listed:
			t.Errorf("%s agrees, but is listed as different: %s", name, d.reason)
		case listed:
			fmt.Fprintf(&reasons, "  %s: %s\n", name, d.reason)
			require.NoError(t, converse(url, name, string(files[file]), d.where), "%s differs elsewhere too", name)
		case err != nil:
			t.Errorf("%s: %v", name, err)
		}
		delete(left, name)
	}
	require.Empty(t, left, "listed as different, but not in the suite")
	require.Equal(t, 155, sum(total), "conversations in the suite")
	require.Equal(t, sum(total)-len(differences), sum(agree))
	t.Log("\n" + table(agree, total))
	words := fmt.Sprintf("execution-apis: %d of %d conversations agree; different:\n%s", sum(agree), sum(total), &reasons)
	t.Log(words)
	if report := os.Getenv("VIVACE_FIXTURES_REPORT"); report != "" {
		require.NoError(t, os.WriteFile(report+".rpc", []byte(words), 0o644))
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

// converse sends the requests of a conversation and compares the answers, but for the
// places without in ours.
func converse(url, name, script string, without [][]string) error {
	var answer []byte
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if request, ok := strings.CutPrefix(line, ">> "); ok {
			response, err := http.Post(url, "application/json", strings.NewReader(request))
			if err != nil {
				return err
			}
			answer, err = io.ReadAll(response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil {
				return err
			}
		}
		if want, ok := strings.CutPrefix(line, "<< "); ok {
			if err := compareAnswers(answer, []byte(want), slices.Contains(ofPool, name), without); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareAnswers(got, want []byte, form bool, without [][]string) error {
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		return fmt.Errorf("answer %q: %w", got, err)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		return fmt.Errorf("suite: %w", err)
	}
	for _, place := range without {
		remove(g, place)
	}
	if form {
		return compareForm("", g, w)
	}
	if list := rpctest.Differences(g, w); len(list) > 0 {
		return errors.New(strings.Join(list, "; "))
	}
	return nil
}

// remove removes what is at a place of an answer, if there is something.
func remove(answer any, at []string) {
	for i, key := range at {
		object, _ := answer.(map[string]any)
		if answer = object[key]; i == len(at)-1 {
			delete(object, key)
		}
	}
}

// compareForm compares the keys and the types of values.
func compareForm(at string, got, want any) error {
	if reflect.TypeOf(got) != reflect.TypeOf(want) {
		return fmt.Errorf("%s: got %v, want something like %v", at, got, want)
	}
	w, ok := want.(map[string]any)
	if !ok {
		return nil
	}
	g := got.(map[string]any)
	if isTable(w) {
		return compareTables(at, g, w)
	}
	keys := slices.Sorted(maps.Keys(w))
	if has := slices.Sorted(maps.Keys(g)); !slices.Equal(has, keys) {
		return fmt.Errorf("%s: got keys %v, want %v", at, has, keys)
	}
	for _, key := range keys {
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

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

func table(agree, total map[string]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-42s %7s %7s\n", "method", "agree", "of")
	for _, method := range slices.Sorted(maps.Keys(total)) {
		fmt.Fprintf(&b, "%-42s %7d %7d\n", method, agree[method], total[method])
	}
	return b.String()
}

// The comparison itself must be able to fail.
func TestCompareAnswers(t *testing.T) {
	for _, c := range []struct {
		got, want   string
		form, alike bool
	}{
		{`{"id":1,"result":"0x1"}`, `{"result":"0x1","id":1}`, false, true},
		{`{"id":1,"result":"0x1"}`, `{"id":1,"result":"0x2"}`, false, false},
		{`{"id":1,"result":"0x1"}`, `{"id":1,"result":"0x2"}`, true, true},
		{`{"id":1,"result":null}`, `{"id":1,"result":"0x2"}`, false, false},
		{`{"id":1,"result":null}`, `{"id":1,"result":"0x2"}`, true, false},
		{`{"id":1,"result":{"a":1}}`, `{"id":1,"result":{"a":1,"b":null}}`, false, false},
		{`{"id":1,"result":{"a":1,"b":null}}`, `{"id":1,"result":{"a":1}}`, false, false},
		{`{"id":1,"result":{"a":1,"b":1}}`, `{"id":1,"result":{"a":1}}`, true, false},
		{`{"id":1,"result":[1]}`, `{"id":1,"result":[1,2]}`, false, false},
		{`{"id":1,"result":[1,2]}`, `{"id":1,"result":[1,3]}`, false, false},
		{`{"id":1,"result":[1]}`, `{"id":1,"result":[1,2]}`, true, true},
		{`{"id":1,"error":{"code":1,"message":"a"}}`, `{"id":1,"error":{"code":1,"message":"b"}}`, false, false},
		{`{"result":{"0x12":{"a":1}}}`, `{"result":{"0x34":{"b":1},"0x56":{"a":2}}}`, true, true},
		{`{"result":{"0x12":{"a":1}}}`, `{"result":{"0x34":{"b":1},"0x56":{"c":2}}}`, true, false},
		{`{"result":{"0x12":{"x":1},"0x13":{"a":1}}}`, `{"result":{"0x34":{"a":1}}}`, true, false},
		{`{"result":{"skip":{"x":1},"0x13":{"a":1}}}`, `{"result":{"0x13":{"a":1}}}`, false, true},
		{`nonsense`, `{}`, false, false},
	} {
		err := compareAnswers([]byte(c.got), []byte(c.want), c.form, [][]string{{"result", "skip"}})
		require.Equal(t, c.alike, err == nil, "%s and %s, form %t: %v", c.got, c.want, c.form, err)
	}
}
