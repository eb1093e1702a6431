package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// ErrCrashed is the error of every operation on a CrashFS that has crashed.
var ErrCrashed = errors.New("file system has crashed")

// A CrashFS is a file system in memory that keeps apart what was written and what
// is durable, by the rules of the package comment. A test runs a program on it
// and crashes it: by itself at an operation, with CrashAt, or between two, with
// Crash; Crash returns the file system that a restarted machine would find.
//
// The operations that change something are numbered from 1. The one at which the
// file system crashes may have happened, in part or whole; all later ones fail.
type CrashFS struct {
	mu         sync.Mutex
	rng        *rand.Rand
	root       *node
	locks      map[string]bool
	ops        int
	crashAt    int // 0: never
	crashed    bool
	ignoreSync bool
	inject     func(Op) error
}

// An Op is one operation that changes something, as Inject sees it.
type Op struct {
	Number int
	Kind   OpKind
	Name   string // of the file or directory; of a Rename, the old name
}

// OpKind is the method of FS or File that an Op calls.
type OpKind string

// The kinds of operations that are numbered.
const (
	OpCreate   OpKind = "create" // Create, and OpenReadWrite of a missing file
	OpWrite    OpKind = "write"
	OpTruncate OpKind = "truncate"
	OpReserve  OpKind = "reserve"
	OpSync     OpKind = "sync"
	OpRename   OpKind = "rename"
	OpRemove   OpKind = "remove"
	OpMkdir    OpKind = "mkdir"
	OpSyncDir  OpKind = "syncdir"
)

// NewCrash returns an empty CrashFS. The seed decides all that is left to chance.
func NewCrash(seed uint64) *CrashFS {
	return &CrashFS{rng: rand.New(rand.NewPCG(seed, 0)), root: newDir(), locks: make(map[string]bool)}
}

// CrashAt makes the file system crash at the operation of that number.
func (c *CrashFS) CrashAt(op int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crashAt = op
}

// Ops is the number of operations so far.
func (c *CrashFS) Ops() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ops
}

// IgnoreSync makes Sync and SyncDir lie: they succeed and do nothing. It is the
// mutation that a test of durability must notice.
func (c *CrashFS) IgnoreSync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ignoreSync = true
}

// Inject calls f before every operation; if it returns an error, the operation
// fails with it and does nothing, but a Write may have written a part.
func (c *CrashFS) Inject(f func(Op) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inject = f
}

// Crash ends this file system and returns what a restart finds, of what was not
// durable the part that loss leaves. The new one has no crash and no errors set.
func (c *CrashFS) Crash(loss Loss) *CrashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crashed = true
	after := &CrashFS{rng: c.rng, locks: make(map[string]bool)}
	s := survivor{loss, c.rng, make(map[*node]*node)}
	after.root = s.node(c.root)
	return after
}

// do runs one numbered operation. part, if there is one, is what a failure in the
// middle may leave behind.
func (c *CrashFS) do(kind OpKind, name string, whole, part func()) error {
	if c.crashed {
		return ErrCrashed
	}
	c.ops++
	err := error(nil)
	if c.inject != nil {
		err = c.inject(Op{c.ops, kind, name})
	}
	switch {
	case c.ops == c.crashAt:
		c.crashed = true
		if c.rng.IntN(2) == 0 {
			whole()
		} else if part != nil {
			part()
		}
		return fmt.Errorf("%s %s: %w", kind, name, ErrCrashed)
	case err != nil:
		if part != nil {
			part()
		}
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	whole()
	return nil
}

// Create implements FS.
func (c *CrashFS) Create(name string) (File, error) { return c.open(name, "create", true, true) }

// OpenReadWrite implements FS.
func (c *CrashFS) OpenReadWrite(name string) (File, error) {
	return c.open(name, "open", true, false)
}

// Open implements FS.
func (c *CrashFS) Open(name string) (File, error) { return c.open(name, "open", false, false) }

func (c *CrashFS) open(name, verb string, write, empty bool) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base, err := c.parent(name)
	if err != nil {
		return nil, &fs.PathError{Op: verb, Path: name, Err: err}
	}
	n := dir.entries[base]
	switch {
	case n != nil && n.entries != nil:
		return nil, &fs.PathError{Op: verb, Path: name, Err: errors.New("is a directory")}
	case n != nil && empty:
		if err := c.do(OpTruncate, name, func() { n.truncate(0) }, nil); err != nil {
			return nil, err
		}
	case n == nil && write:
		n = new(node)
		if err := c.do(OpCreate, name, func() { dir.change(base, n) }, nil); err != nil {
			return nil, err
		}
	case n == nil:
		return nil, &fs.PathError{Op: verb, Path: name, Err: fs.ErrNotExist}
	}
	return &crashFile{fs: c, node: n, name: name, write: write, end: len(n.data)}, nil
}

// Rename implements FS.
func (c *CrashFS) Rename(oldName, newName string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, oldBase, err := c.parent(oldName)
	if err != nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: err}
	}
	to, newBase, err := c.parent(newName)
	if err != nil {
		return &fs.PathError{Op: "rename", Path: newName, Err: err}
	}
	n := from.entries[oldBase]
	switch {
	case n == nil:
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	case from != to:
		return &fs.PathError{Op: "rename", Path: newName, Err: errors.New("CrashFS renames within one directory only")}
	}
	return c.do(OpRename, oldName, func() { from.rename(oldBase, newBase, n) }, nil)
}

// Remove implements FS.
func (c *CrashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base, err := c.parent(name)
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	n := dir.entries[base]
	switch {
	case n == nil:
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	case len(n.entries) > 0:
		return &fs.PathError{Op: "remove", Path: name, Err: errors.New("directory not empty")}
	}
	return c.do(OpRemove, name, func() { dir.change(base, nil) }, nil)
}

// MkdirAll implements FS.
func (c *CrashFS) MkdirAll(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crashed {
		return ErrCrashed
	}
	at := c.root
	for _, base := range split(dir) {
		next := at.entries[base]
		if next == nil {
			next = newDir()
			if err := c.do(OpMkdir, dir, func() { at.change(base, next) }, nil); err != nil {
				return err
			}
		}
		if next.entries == nil {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("not a directory")}
		}
		at = next
	}
	return nil
}

// List implements FS.
func (c *CrashFS) List(dir string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(dir)
	if err == nil && n.entries == nil {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: err}
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

// Size implements FS.
func (c *CrashFS) Size(name string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(name)
	if err != nil {
		return 0, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return int64(len(n.data)), nil
}

// SyncDir implements FS.
func (c *CrashFS) SyncDir(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find(dir)
	if err != nil {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: err}
	}
	return c.do(OpSyncDir, dir, func() { c.sync(n) }, nil)
}

func (c *CrashFS) sync(n *node) {
	if !c.ignoreSync {
		n.sync()
	}
}

// Lock implements FS.
func (c *CrashFS) Lock(name string) (io.Closer, error) {
	f, err := c.OpenReadWrite(name)
	if err != nil {
		return nil, err
	}
	f.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.locks[name] {
		return nil, fmt.Errorf("%s: %w", name, ErrLocked)
	}
	c.locks[name] = true
	return unlocker{c, name}, nil
}

type unlocker struct {
	fs   *CrashFS
	name string
}

func (u unlocker) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	delete(u.fs.locks, u.name)
	return nil
}

// parent finds the directory of name.
func (c *CrashFS) parent(name string) (dir *node, base string, err error) {
	path := split(name)
	if len(path) == 0 {
		return nil, "", errors.New("is a directory")
	}
	dir, err = c.walk(path[:len(path)-1])
	if err == nil && dir.entries == nil {
		err = errors.New("not a directory")
	}
	return dir, path[len(path)-1], err
}

func (c *CrashFS) find(name string) (*node, error) { return c.walk(split(name)) }

func (c *CrashFS) walk(path []string) (*node, error) {
	if c.crashed {
		return nil, ErrCrashed
	}
	n := c.root
	for _, base := range path {
		if n = n.entries[base]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

// split cuts a path into its names. Relative paths begin at the root too.
func split(name string) []string {
	name = filepath.ToSlash(filepath.Clean(name))
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '.' && name == "." })
}
