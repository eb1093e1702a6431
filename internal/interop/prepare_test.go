package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// clients is where the scripts and the pinned versions are. The underscore keeps Go's
// tools out, and out of what npm puts there for those who work on the scripts.
const clients = "_clients"

// A kit is what npm and pip have installed, in the user's cache.
type kit struct {
	npm    string // holds node_modules
	python string // the interpreter of a virtual environment
	err    error  // why there is none
}

// installed is the kit, made once for all tests. Its directories are named by what
// pins the versions: a change there is another directory.
var installed = sync.OnceValue(func() kit {
	cache, err := os.UserCacheDir()
	if err != nil {
		return kit{err: err}
	}
	cache = filepath.Join(cache, "vivace-interop")
	npm, err := install(cache, "package-lock.json", func(dir string) error {
		for _, name := range []string{"package.json", "package-lock.json"} {
			if err := copyFile(filepath.Join(dir, name), filepath.Join(clients, name)); err != nil {
				return err
			}
		}
		return run(dir, "npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error")
	})
	if err != nil {
		return kit{err: fmt.Errorf("npm: %w", err)}
	}
	venv, err := install(cache, "requirements.txt", func(dir string) error {
		if err := run(".", "python3", "-m", "venv", dir); err != nil {
			return err
		}
		requirements := filepath.Join(clients, "requirements.txt")
		return run(".", filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
	})
	if err != nil {
		return kit{err: fmt.Errorf("python: %w", err)}
	}
	return kit{npm: npm, python: filepath.Join(venv, "bin", "python")}
})

// install returns the directory for what the file pins. If it is not there, fill makes
// it, under another name until it is complete.
func install(cache, pins string, fill func(dir string) error) (string, error) {
	src, err := os.ReadFile(filepath.Join(clients, pins))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(src)
	dir := filepath.Join(cache, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(cache, "partial-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	begin := time.Now()
	if err := fill(partial); err != nil {
		return "", err
	}
	fmt.Printf("interop: %s installed in %v\n", pins, time.Since(begin).Round(time.Second/10))
	if err := os.Rename(partial, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return dir, nil
}

// prepare returns the kit, or ends the test as the package comment says: what was not
// asked for is skipped, and what was asked for in CI must be there.
func prepare(t *testing.T) kit {
	t.Helper()
	if os.Getenv("VIVACE_INTEROP") != "1" {
		t.Skip("clients from npm and pip are not run: VIVACE_INTEROP is not 1")
	}
	for _, tool := range []string{"node", "npm", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "clients are not run: %s is not installed", tool)
		}
	}
	k := installed()
	if k.err != nil {
		missing(t, "clients are not run: %v", k.err)
	}
	return k
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// binary is a program that npm has installed; foundry's are only there on Linux/amd64.
func (k kit) binary(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(k.npm, "node_modules", ".bin", name)
	if _, err := os.Stat(path); err != nil {
		missing(t, "%s is not run: npm has none for this platform", name)
	}
	return path
}

// workspace is a copy of the scripts beside the packages that they import.
func (k kit) workspace(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clients")
	if err := os.CopyFS(dir, os.DirFS(clients)); err != nil {
		t.Fatal(err)
	}
	_ = os.RemoveAll(filepath.Join(dir, "node_modules")) // of who works on the scripts
	if err := os.Symlink(filepath.Join(k.npm, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

func copyFile(dst, src string) error {
	data, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, data, 0o644)
}
