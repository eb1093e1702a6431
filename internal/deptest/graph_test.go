package deptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/vivace-chain/vivace"

// A node is a package, with what `go list` says about it.
type node struct {
	ImportPath   string
	Standard     bool
	Imports      []string
	TestImports  []string // of tests within the package
	XTestImports []string // of tests beside the package
	Dir          string
}

// A graph is all packages of this module and what they import, by import path.
// Test imports are edges only where a test asks for them.
type graph map[string]*node

var loadGraph = sync.OnceValues(func() (graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,Dir", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + "\n" + stderr.String())
	}
	g := make(graph)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		n := new(node)
		if err := dec.Decode(n); errors.Is(err, io.EOF) {
			return g, g.touch()
		} else if err != nil {
			return nil, err
		}
		g[n.ImportPath] = n
	}
})

// touch looks at every file of ours itself: go test takes an earlier result for
// good while the files that the test opened are the same, and does not know what
// another process read.
func (g graph) touch() error {
	for _, pkg := range g.own() {
		dir := g[module+"/"+pkg].Dir
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			if _, err := os.Stat(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	_, err := os.Stat(filepath.Join("..", "..", "go.mod"))
	return err
}

func load(t *testing.T) graph {
	t.Helper()
	g, err := loadGraph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// own are the packages of this module, in order, by their path in it.
func (g graph) own() []string {
	var list []string
	for p := range g {
		if rel, ok := strings.CutPrefix(p, module+"/"); ok {
			list = append(list, rel)
		}
	}
	slices.Sort(list)
	return list
}

// path is the shortest way of imports from a package of this module to one that
// matches to, or nil. It does not go through packages that match closed.
func (g graph) path(from string, to, closed func(string) bool) []string {
	var (
		start = module + "/" + from
		via   = map[string]string{start: ""}
		queue = []string{start}
	)
	for ; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != start && to(at) {
			way := []string{at}
			for at != start {
				at = via[at]
				way = append([]string{at}, way...)
			}
			return way
		}
		if at != start && closed(at) || g[at] == nil {
			continue
		}
		for _, next := range g[at].Imports {
			if _, seen := via[next]; !seen {
				via[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// foreign are the packages outside std and this module that a package needs.
func (g graph) foreign(from string) []string {
	var (
		list  []string
		seen  = make(map[string]bool)
		visit func(string)
	)
	visit = func(p string) {
		if seen[p] || g[p] == nil || g[p].Standard {
			return
		}
		seen[p] = true
		if !strings.HasPrefix(p, module+"/") {
			list = append(list, p)
		}
		for _, next := range g[p].Imports {
			visit(next)
		}
	}
	visit(module + "/" + from)
	slices.Sort(list)
	return list
}

// under reports whether p is root or below it.
func under(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// anyUnder makes a matcher of import paths; a name without a host is in this
// module.
func anyUnder(roots ...string) func(string) bool {
	return func(p string) bool {
		return slices.ContainsFunc(roots, func(root string) bool {
			if first, _, _ := strings.Cut(root, "/"); !strings.Contains(first, ".") {
				root = path.Join(module, root)
			}
			return under(p, root)
		})
	}
}

func nothing(string) bool { return false }

func arrows(way []string) string { return strings.Join(way, " -> ") }
