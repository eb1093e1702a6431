package deptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// consumers are what a module gets that imports one package of ours and nothing
// else: how many modules it is made to require beside this one, and how many lines
// its go.sum then has.
// DO NOT CHANGE THIS DATA TO FIX BUILDS: importing less is the reason why someone
// takes one of these packages.
var consumers = []struct {
	pkg     string
	modules int
	lines   int
	why     string
}{
	{"chain", 3, 6, "go-ethereum, uint256, x/sys"},
	{"state", 3, 10, "as chain; four lines are of the test library, which its tests use"},
	{"da", 3, 6, "as chain"},
	{"trie", 4, 8, "as chain, and x/sync"},
	{"statediff", 4, 8, "as chain, and a compressor"},
}

// TestConsumer makes a module for each, resolves it as its author would, with
// `go mod tidy`, builds it, and counts. The replace that leads to this checkout is
// the consumer's; the counts are the same when the module comes from a proxy, but
// for our own two lines in go.sum.
func TestConsumer(t *testing.T) {
	if testing.Short() {
		t.Skip("resolves and builds modules")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	load(t) // so that the result is not taken from a cache when an import changed
	for _, c := range consumers {
		t.Run(c.pkg, func(t *testing.T) {
			dir := newConsumer(t, root, c.pkg)
			goCommand(t, dir, "mod", "tidy")
			goCommand(t, dir, "build", "./...")
			modules := lines(t, filepath.Join(dir, "go.mod"), "// indirect")
			sums := lines(t, filepath.Join(dir, "go.sum"), "h1:")
			t.Logf("%d modules, %d lines in go.sum", len(modules), len(sums))
			if len(modules) > c.modules {
				t.Errorf("who imports %s requires %d modules, at most %d may be (%s):\n%s",
					c.pkg, len(modules), c.modules, c.why, strings.Join(modules, "\n"))
			}
			if len(sums) > c.lines {
				t.Errorf("who imports %s gets %d lines into go.sum, at most %d may be (%s):\n%s",
					c.pkg, len(sums), c.lines, c.why, strings.Join(sums, "\n"))
			}
		})
	}
}

// newConsumer writes a module that imports pkg. It begins with our go.sum, so that
// whatever is in the module cache can be verified without asking anyone; tidy
// leaves only what the consumer needs.
func newConsumer(t *testing.T, root, pkg string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": fmt.Sprintf("module consumer.test\n\ngo 1.25.0\n\nrequire %s v0.0.0\n\nreplace %s => %q\n", module, module, root),
		"go.sum": string(sums),
		"consumer.go": fmt.Sprintf("// Package consumer imports one package.\npackage consumer\n\nimport _ %q\n",
			module+"/"+pkg),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func goCommand(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// lines are the lines of a file that contain part.
func lines(t *testing.T, file, part string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, part) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s has no line with %q: nothing was resolved", file, part)
	}
	return list
}
