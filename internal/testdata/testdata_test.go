package testdata

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVariableNamesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(FixturesVariable, dir)
	if got := Fixtures(t); got != dir {
		t.Fatalf("got %s, want %s", got, dir)
	}
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	ended string
	word  string
}

func (r *recorder) Helper() {}
func (r *recorder) end(how string, args []any) {
	r.ended = how
	if err, ok := args[0].(error); ok {
		r.word = err.Error()
	}
}
func (r *recorder) Skip(args ...any)  { r.end("skip", args) }
func (r *recorder) Fatal(args ...any) { r.end("fatal", args) }

func TestMissingData(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{file, filepath.Join(t.TempDir(), "missing")} {
		for ci, want := range map[string]string{"true": "fatal", "": "skip"} {
			t.Setenv("CI", ci)
			for variable, find := range map[string]func(testing.TB) string{
				FixturesVariable: Fixtures, MainnetVariable: Mainnet, WorkloadsVariable: Workloads,
			} {
				t.Setenv(variable, where)
				r := &recorder{TB: t}
				find(r)
				if r.ended != want || !strings.Contains(r.word, variable) {
					t.Errorf("%s=%s CI=%q: test ended with %q %q, want %q", variable, where, ci, r.ended, r.word, want)
				}
			}
		}
	}
}

func TestDefaultIsBesideTheRepository(t *testing.T) {
	outside := t.TempDir()
	root := filepath.Join(outside, "repository")
	want := filepath.Join(outside, "shared", "evm-workloads")
	for _, dir := range []string{filepath.Join(root, "internal", "x"), want} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "internal", "x"))
	t.Setenv(WorkloadsVariable, "")
	if got := Workloads(t); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
