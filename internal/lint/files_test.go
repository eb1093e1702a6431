package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A file is one text of the repository.
type file struct {
	name string // from the root, with slashes
	text []byte
	// of a Go file:
	ast *ast.File
	set *token.FileSet
}

// skippedDirs hold nothing of ours, whatever is in them.
var skippedDirs = []string{".git", "node_modules", "bin", "target"}

// repository reads all texts of the repository. Binaries, corpora of fuzz targets
// and large data are left out.
var repository = sync.OnceValues(func() (files []*file, err error) {
	root := filepath.Join("..", "..")
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (slices.Contains(skippedDirs, entry.Name()) || strings.HasSuffix(rel, "testdata/fuzz")):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || slices.Contains([]string{".test", ".prof", ".out"}, path.Ext(rel)):
			return nil
		}
		if info, err := entry.Info(); err != nil || info.Size() > 1<<20 {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		f, err := parse(rel, text)
		files = append(files, f)
		return err
	})
	return files, err
})

func parse(name string, text []byte) (*file, error) {
	f := &file{name: name, text: text}
	if !strings.HasSuffix(name, ".go") {
		return f, nil
	}
	var err error
	f.set = token.NewFileSet()
	f.ast, err = parser.ParseFile(f.set, name, text, parser.ParseComments)
	return f, err
}

func (f *file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// isCommand reports whether the file is of a program: nobody can import it.
func (f *file) isCommand() bool { return f.ast.Name.Name == "main" }

func (f *file) line(pos token.Pos) int { return f.set.Position(pos).Line }

// isGenerated: by the header that Go's tools know, with its full stop.
func (f *file) isGenerated() bool { return ast.IsGenerated(f.ast) }

func readRepository(t *testing.T) []*file {
	t.Helper()
	files, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files found", len(files))
	}
	return files
}

func goFiles(t *testing.T) []*file {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(readRepository(t)), func(f *file) bool { return f.ast == nil })
}
