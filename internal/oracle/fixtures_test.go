package oracle_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/vivace-chain/vivace/internal/oracle/fixtures"
	"github.com/vivace-chain/vivace/internal/testdata"
)

// lastWords are printed when all tests are done, so that they are the last line
// of the output.
var lastWords string

func TestMain(m *testing.M) {
	code := m.Run()
	if lastWords != "" {
		fmt.Println(lastWords)
	}
	os.Exit(code)
}

// TestFixtures runs the conformance suites of Ethereum.
//
//   - VIVACE_FIXTURES_ALL=1 takes tests too that take minutes each
//   - VIVACE_FIXTURES_SLOW=1 takes the slow pack instead, and needs -timeout 0
//   - VIVACE_FIXTURES_ONLY takes only the files whose path contains it
//   - VIVACE_FIXTURES_REPORT names a file that gets the totals too: go test shows
//     what a test that passes has printed only with -v
func TestFixtures(t *testing.T) {
	options := fixtures.Options{Only: os.Getenv("VIVACE_FIXTURES_ONLY"), All: os.Getenv("VIVACE_FIXTURES_ALL") == "1"}
	if os.Getenv("VIVACE_FIXTURES_SLOW") == "1" {
		options.Packs = fixtures.SlowPacks
	}
	summary, err := fixtures.Run(t.Context(), testdata.Fixtures(t), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range summary.Failures() {
		t.Errorf("%s: %v", f.Case, f.Err)
	}
	if summary.Total() == (fixtures.Count{}) {
		t.Error("no cases in the packs")
	}
	summary.WriteTable(os.Stdout)
	lastWords = summary.String()
	if path := os.Getenv("VIVACE_FIXTURES_REPORT"); path != "" {
		report, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		summary.WriteTable(report)
		fmt.Fprintln(report, lastWords)
		if err := report.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
