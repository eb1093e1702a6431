package ethapi_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/rpc/internal/rpctest"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// compatSuite reads the files of the execution API's conformance suite.
func compatSuite(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Fixtures(t), "rpc-compat.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	files := make(map[string][]byte)
	for r := tar.NewReader(unpacked); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		dir, file := path.Split(path.Clean(h.Name))
		files[path.Join(path.Base(dir), file)] = text
	}
}

// file is the suite's file with a name, whatever directory it is in.
func file(t testing.TB, files map[string][]byte, name string) []byte {
	t.Helper()
	for full, text := range files {
		if path.Base(full) == name {
			return text
		}
	}
	t.Fatalf("the suite has no %s", name)
	return nil
}

// ours are the suite's methods that this package answers.
var ours = []string{
	"eth_blockNumber", "eth_chainId", "eth_config", "eth_feeHistory", "eth_getBalance", "eth_getBlockByHash",
	"eth_getBlockByNumber", "eth_getBlockReceipts", "eth_getBlockTransactionCountByHash",
	"eth_getBlockTransactionCountByNumber", "eth_getCode", "eth_getLogs", "eth_getProof", "eth_getStorageAt",
	"eth_getStorageValues", "eth_getTransactionByBlockHashAndIndex", "eth_getTransactionByBlockNumberAndIndex",
	"eth_getTransactionByHash", "eth_getTransactionCount", "eth_getTransactionReceipt", "eth_sendRawTransaction",
	"eth_syncing", "txpool_content", "txpool_status",
}

// The suite's answers come from go-ethereum over a chain with every fork and every
// type of transaction.
func TestCompat(t *testing.T) {
	files := compatSuite(t)
	spec, err := genesis.Read(bytes.NewReader(file(t, files, "genesis.json")))
	if err != nil {
		t.Fatal(err)
	}
	node := rpctest.New(t, spec, rpctest.Options{Hold: true})
	node.ImportAll(bytes.NewReader(file(t, files, "chain.rlp")))
	server := serve(t, node)
	for _, method := range ours {
		t.Run(method, func(t *testing.T) {
			found := 0
			for name, text := range files {
				if path.Base(path.Dir(name)) != method {
					continue
				}
				found++
				t.Run(strings.TrimSuffix(path.Base(name), ".io"), func(t *testing.T) { exchange(t, server, text) })
			}
			if found == 0 {
				t.Error("the suite has no such test")
			}
		})
	}
}

// exchange sends the requests of a file and compares the answers.
func exchange(t *testing.T, server *server, text []byte) {
	specOnly := bytes.Contains(text, []byte("speconly:"))
	var got any
	for line := range strings.SplitSeq(string(text), "\n") {
		if request, ok := strings.CutPrefix(line, ">> "); ok {
			got = parse(t, server.send(t, []byte(request)))
		}
		answer, ok := strings.CutPrefix(line, "<< ")
		if !ok {
			continue
		}
		want := parse(t, []byte(answer))
		if specOnly {
			got, want = shape(got), shape(want)
		}
		for _, difference := range differences("", got, want) {
			t.Error(difference)
		}
	}
}

func parse(t testing.TB, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// shape is what an answer consists of, without values: the keys of its result.
func shape(v any) any {
	keys := make(map[string]any)
	if result, ok := v.(map[string]any)["result"].(map[string]any); ok {
		for key := range result {
			keys[key] = true
		}
	}
	return keys
}

// differences are the places where two JSON values differ.
func differences(at string, got, want any) (out []string) {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			break
		}
		for key, w := range want {
			if g, ok := got[key]; !ok {
				out = append(out, at+"/"+key+" is missing")
			} else {
				out = append(out, differences(at+"/"+key, g, w)...)
			}
		}
		for key := range got {
			if _, ok := want[key]; !ok {
				out = append(out, at+"/"+key+" is too much")
			}
		}
		return out
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			break
		}
		for i := range want {
			out = append(out, differences(at+"/"+string(rune('0'+i%10)), got[i], want[i])...)
		}
		return out
	}
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		out = append(out, at+": got "+string(g)+", want "+string(w))
	}
	return out
}
