package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A complaint is a line and what is wrong with it.
type complaint struct {
	line int
	what string
}

// rules look at one file each.
var rules = []struct {
	name  string
	apply func(*file) []complaint
	// good and bad are texts of a file with the name of the key: the rule has
	// nothing against the good, and complains about the bad.
	good, bad map[string]string
}{
	{
		name: "gofmt", apply: gofmt,
		good: map[string]string{"a.go": "package a\n\nvar x = 1\n"},
		bad:  map[string]string{"a.go": "package a\nvar x=1\n"},
	},
	{
		name: "imports", apply: forbiddenImports,
		good: map[string]string{"a.go": "package a\n\nimport \"errors\"\n"},
		bad: map[string]string{
			"a.go":           "package a\n\nimport . \"fmt\"\n",
			"b.go":           "package a\n\nimport \"github.com/pkg/errors\"\n",
			"c/c_test.go":    "package a\n\nimport \"io/ioutil\"\n",
			"d/d_test.go":    "package a\n\nimport \"github.com/stretchr/testify/assert\"\n",
			"e/e_test.go":    "package a\n\nimport \"math/rand\"\n",
			"state/store.go": "package state\n\nimport \"github.com/stretchr/testify/require\"\n",
		},
	},
	{
		name: "leftovers", apply: leftovers,
		good: map[string]string{"a.go": "package a // what is to be done stands in the issues\n", "README.md": "mastodon\n"},
		bad: map[string]string{
			"a.go":      "package a // TO" + "DO: all of it\n",
			"README.md": "FIX" + "ME\n",
			"x.sh":      "# XX" + "X\n",
		},
	},
	{
		name: "panics", apply: panics,
		good: map[string]string{
			"trie/a.go":      "package trie\n\nfunc f() { panic(\"trie: a stub\") }\n",
			"trie/b.go":      "package trie\n\nfunc f() { panic(\"trie: \" + x) }\n",
			"trie/c.go":      "package trie\n\nfunc f() { panic(fmt.Sprintf(\"trie: %d\", x)) }\n",
			"trie/a_test.go": "package trie\n\nfunc f() { panic(err) }\n",
		},
		bad: map[string]string{
			"trie/a.go": "package trie\n\nfunc f() { panic(err) }\n",
			"trie/b.go": "package trie\n\nfunc f() { panic(\"state: a stub\") }\n",
			"trie/c.go": "package trie\n\nfunc f() { panic(fmt.Sprintf(\"%d\", x)) }\n",
			"trie/d.go": "package trie\n\nfunc f() { panic(fmt.Errorf(\"state: %d\", x)) }\n",
		},
	},
	{
		name: "docs", apply: docs,
		good: map[string]string{
			"a.go":       "package a\n\n// F does.\nfunc F() {}\n\nfunc g() {}\n\ntype t struct{}\n\nfunc (t) Exported() {}\n\n// Some.\nconst (\n\tA = 1\n\tB = 2\n)\n",
			"b.go":       "package main\n\nfunc F() {}\n",
			"c_test.go":  "package a\n\nfunc F() {}\n",
			"d.go":       "package a\n\nvar (\n\tA = 1 // is one\n)\n",
			"chain/e.go": "package chain\n\n// I is.\ntype I interface {\n\t// F does, G undoes.\n\tF()\n\tG()\n\tg()\n}\n",
			"f.go":       "package a\n\n// T is.\ntype T struct{}\n\nfunc (T) String() string { return \"\" }\n\n// I is.\ntype I interface{ F() }\n",
		},
		bad: map[string]string{
			"a.go":       "package a\n\nfunc F() {}\n",
			"b.go":       "package a\n\n// T is.\ntype T struct{}\n\nfunc (t *T) F() {}\n",
			"c.go":       "package a\n\ntype T struct{}\n",
			"d.go":       "package a\n\nvar V int\n",
			"chain/e.go": "package chain\n\n// I is.\ntype I interface {\n\t// F does.\n\tF()\n\n\tG()\n}\n",
			"f.go":       "package a\n\n// T is.\ntype T[P any] struct{}\n\nfunc (t *T[P]) F() {}\n",
		},
	},
	{
		name: "private", apply: private,
		good: map[string]string{
			"README.md": "see ../shared, https://ethereum.org and go.uber.org/goleak\n",
			"a.go":      "package a // the path /" + "workers is fine\n",
		},
		bad: map[string]string{
			"README.md":   "in /" + "work/main\n",
			"a.go":        "package a // from /" + "root/go\n",
			"x.json":      "\"resolved\": \"https://registry" + ".npmjs.org/a\"\n",
			"Makefile":    "GOPROXY=https://proxy." + "golang.org\n",
			"script/x.sh": "curl http://10.1" + ".2.3/x\n",
		},
	},
}

// TestRules applies each rule to its own examples: a rule that finds nothing any
// more is no rule.
func TestRules(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			check := func(texts map[string]string, wrong bool) {
				for name, text := range texts {
					f, err := parse(name, []byte(text))
					if err != nil {
						t.Fatal(err)
					}
					if got := rule.apply(f); (len(got) > 0) != wrong {
						t.Errorf("%s: complaints %v about\n%s", name, got, text)
					}
				}
			}
			check(rule.good, false)
			check(rule.bad, true)
			if len(rule.good) == 0 || len(rule.bad) == 0 {
				t.Error("no examples")
			}
		})
	}
}

func TestRepository(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, f := range readRepository(t) {
				for _, c := range rule.apply(f) {
					t.Errorf("%s:%d: %s", f.name, c.line, c.what)
				}
			}
		})
	}
}

func gofmt(f *file) []complaint {
	if f.ast == nil {
		return nil
	}
	if want, err := format.Source(f.text); err != nil || !bytes.Equal(want, f.text) {
		return []complaint{{1, "not as gofmt writes it"}}
	}
	return nil
}

// bannedImports stand in no file, tests included; package deptest has the rules
// about what needs what.
var bannedImports = map[string]string{
	"io/ioutil":                          "use io and os",
	"math/rand":                          "use math/rand/v2, with a seed",
	"github.com/pkg/errors":              "use errors and %w",
	"golang.org/x/exp/slices":            "use slices",
	"golang.org/x/exp/maps":              "use maps",
	"github.com/stretchr/testify/assert": "use require: what follows a failure is noise",
	"github.com/stretchr/testify/suite":  "use t.Run",
}

func forbiddenImports(f *file) (list []complaint) {
	if f.ast == nil {
		return nil
	}
	for _, spec := range f.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		if why, banned := bannedImports[p]; banned {
			list = append(list, complaint{f.line(spec.Pos()), p + ": " + why})
		}
		if spec.Name != nil && spec.Name.Name == "." {
			list = append(list, complaint{f.line(spec.Pos()), "dot import of " + p})
		}
		if strings.HasPrefix(p, "github.com/stretchr/testify") && !f.isTest() {
			list = append(list, complaint{f.line(spec.Pos()), p + " is for tests"})
		}
	}
	return list
}

var leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func leftovers(f *file) []complaint {
	return matches(f, leftover, "a leftover: do it, or open an issue")
}

// privatePattern matches what is true on one machine only: absolute paths of
// whoever wrote it, addresses, hosts of package registries.
var privatePattern = regexp.MustCompile(`(^|[^\w.])/(work|root|home/\w+)/|` +
	`\bregistry\.[a-z]|\bproxy\.golang\.org|\bsum\.golang\.org|artifac` + `tory|://(10|192\.168|172\.\d+)\.\d+\.|://[a-z0-9.-]+\.(internal|corp|local)\b`)

func private(f *file) []complaint {
	return matches(f, privatePattern, "holds on one machine only")
}

func matches(f *file, pattern *regexp.Regexp, what string) (list []complaint) {
	number := 0
	for line := range bytes.Lines(f.text) {
		number++
		if m := pattern.Find(line); m != nil {
			list = append(list, complaint{number, fmt.Sprintf("%q: %s", m, what)})
		}
	}
	return list
}

// panics: a panic is for a broken invariant of our own, and says whose it is: its
// text begins with the package's name. A bare panic(err) would pass on what
// somebody else did wrong.
func panics(f *file) (list []complaint) {
	if f.ast == nil || f.isTest() || strings.HasPrefix(f.name, "bench/") {
		return nil
	}
	prefix := strconv.Quote(path.Base(path.Dir(f.name)) + ": ")
	prefix = prefix[:len(prefix)-1]
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "panic" {
			return true
		}
		if text := firstText(call.Args[0]); !strings.HasPrefix(text, prefix) {
			list = append(list, complaint{f.line(call.Pos()), fmt.Sprintf("panic with %s: its text begins with %s\"", text, prefix)})
		}
		return true
	})
	return list
}

// firstText is the literal that a panic's text begins with: of a concatenation its
// left, of fmt.Sprintf or errors.New its first argument.
func firstText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Value
	case *ast.BinaryExpr:
		return firstText(e.X)
	case *ast.CallExpr:
		if len(e.Args) > 0 {
			return firstText(e.Args[0])
		}
	}
	return "something else"
}

// selfEvident are methods of interfaces that every reader of Go knows.
var selfEvident = map[string]bool{"String": true, "Error": true}

// docs: everything exported that others can reach has a comment. Of interfaces
// the type's comment will do, but for the contracts in package chain.
func docs(f *file) (list []complaint) {
	if f.ast == nil || f.isTest() || f.isCommand() || f.isGenerated() {
		return nil
	}
	missing := func(name *ast.Ident, comments ...*ast.CommentGroup) {
		if name.IsExported() && !selfEvident[name.Name] && !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c != nil }) {
			list = append(list, complaint{f.line(name.Pos()), name.Name + " has no doc comment"})
		}
	}
	for _, decl := range f.ast.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil || ast.IsExported(receiver(decl.Recv.List[0].Type)) {
				missing(decl.Name, decl.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					missing(spec.Name, spec.Doc, decl.Doc)
					if i, ok := spec.Type.(*ast.InterfaceType); ok && path.Dir(f.name) == "chain" {
						for _, method := range undocumented(f, i) {
							missing(method)
						}
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						missing(name, spec.Doc, spec.Comment, decl.Doc)
					}
				}
			}
		}
	}
	return list
}

// undocumented are the methods of an interface that have no comment and do not
// stand directly below a method that has one: a comment may be about both.
func undocumented(f *file, i *ast.InterfaceType) (list []*ast.Ident) {
	covered := 0 // the last line that a comment is about
	for _, method := range i.Methods.List {
		line := f.line(method.Pos())
		switch {
		case method.Doc != nil || method.Comment != nil || line == covered+1:
			covered = f.line(method.End())
		case len(method.Names) > 0: // else embedded
			list = append(list, method.Names[0])
		}
	}
	return list
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// Every package says what it is for, in one file only.
func TestPackageComments(t *testing.T) {
	comments := make(map[string][]string)
	for _, f := range goFiles(t) {
		dir := path.Dir(f.name)
		if f.isTest() {
			continue
		}
		if comments[dir] == nil {
			comments[dir] = []string{}
		}
		if f.ast.Doc == nil {
			continue
		}
		comments[dir] = append(comments[dir], f.name)
		text, want := f.ast.Doc.Text(), "Package "+f.ast.Name.Name+" "
		if f.isCommand() {
			want = strings.ToUpper(path.Base(dir)[:1]) + path.Base(dir)[1:] // Command's name, as a sentence begins
			if !strings.HasPrefix(text, want) && !strings.HasPrefix(text, "Command ") {
				t.Errorf("%s: the comment of a command begins with its name", f.name)
			}
		} else if !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment does not begin with %q", f.name, want)
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("package in %s has %d package comments %v, want one", dir, len(files), files)
		}
	}
}

// Assembly has a twin in Go, to read, to test against, and for other machines.
func TestAssemblyHasGenericTwin(t *testing.T) {
	twin := func(name string) string {
		stem := strings.TrimSuffix(name, path.Ext(name))
		if i := strings.LastIndexByte(stem, '_'); i >= 0 {
			stem = stem[:i]
		}
		return stem + "_generic.go"
	}
	if got := twin("trie/internal/hash/keccak_amd64.s"); got != "trie/internal/hash/keccak_generic.go" {
		t.Fatalf("twin is %s", got)
	}
	names := make(map[string]bool)
	for _, f := range readRepository(t) {
		names[f.name] = true
	}
	for name := range names {
		if path.Ext(name) == ".s" && !names[twin(name)] {
			t.Errorf("%s has no %s", name, twin(name))
		}
	}
}

// Every function that takes a *testing.F has a corpus, which runs as an ordinary
// test.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	for _, f := range goFiles(t) {
		if !f.isTest() {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") || !takesF(fn) {
				continue
			}
			if !hasCorpus(f.name, fn.Name.Name) && !bytes.Contains(f.text[fn.Pos()-f.ast.FileStart:fn.End()-f.ast.FileStart], []byte(".Add(")) {
				t.Errorf("%s:%d: %s has no seeds: put them into %s", f.name, f.line(fn.Pos()), fn.Name.Name, corpus(f.name, fn.Name.Name))
			}
		}
	}
}

// corpus is where the seeds of a fuzz target are.
func corpus(name, target string) string { return path.Join(path.Dir(name), "testdata", "fuzz", target) }

func hasCorpus(name, target string) bool {
	seeds, err := os.ReadDir(filepath.Join("..", "..", filepath.FromSlash(corpus(name, target))))
	return err == nil && len(seeds) > 0
}

func takesF(fn *ast.FuncDecl) bool {
	if len(fn.Type.Params.List) != 1 {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "F"
}

func TestVet(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything")
	}
	readRepository(t) // so that the result is not taken from a cache when a file changed
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}
