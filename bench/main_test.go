package bench

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

const digestsFile = "testdata/digests.txt"

var update = flag.Bool("update", false, "write "+digestsFile)

// digests are the results that are on record, by row and workload.
var digests = struct {
	sync.Mutex
	lines map[string]string
}{lines: make(map[string]string)}

// recordDigest compares a result with the one on record, or records it.
func recordDigest(t *testing.T, name string, digest common.Hash) {
	t.Helper()
	digests.Lock()
	defer digests.Unlock()
	t.Logf("%s %s", name, digest)
	switch want := digests.lines[name]; {
	case *update:
		digests.lines[name] = digest.Hex()
	case want == "":
		t.Errorf("%s: no digest in %s; go test -update writes it", name, digestsFile)
	case want != digest.Hex():
		t.Errorf("%s: digest %s, on record is %s: figures of this row no longer compare with older ones; go test -update if that is meant", name, digest, want)
	}
}

// once runs a benchmark for one iteration, as an ordinary test, and returns its
// metrics.
func once(t *testing.T, f func(b *testing.B)) map[string]float64 {
	t.Helper()
	const name = "test.benchtime"
	benchtime := flag.Lookup(name).Value.String()
	if err := flag.Set(name, "1x"); err != nil {
		t.Fatal(err)
	}
	defer flag.Set(name, benchtime) // its own value
	failure := ""
	r := testing.Benchmark(func(b *testing.B) {
		defer func() {
			if b.Failed() {
				failure = "the benchmark failed"
			}
		}()
		f(b)
	})
	if failure != "" || r.N != 1 {
		t.Fatalf("%s after %d iterations", failure, r.N)
	}
	return r.Extra
}

// requireMetrics fails unless all are there and positive.
func requireMetrics(t *testing.T, got map[string]float64, names ...string) {
	t.Helper()
	for _, name := range names {
		if got[name] <= 0 {
			t.Errorf("metric %s is %v", name, got[name])
		}
	}
}

func TestMain(m *testing.M) {
	if impl := os.Getenv(doorVariable); impl != "" { // we are a server for another of us
		if err := serveDoor(impl); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	src, err := os.ReadFile(digestsFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for line := range strings.Lines(string(src)) {
		if name, digest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			digests.lines[name] = digest
		}
	}
	code := m.Run()
	if *update {
		var lines []string
		for name, digest := range digests.lines {
			lines = append(lines, name+" "+digest+"\n")
		}
		slices.Sort(lines)
		if err := os.WriteFile(digestsFile, []byte(strings.Join(lines, "")), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
