package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Place is where a program, or the network that programs share, keeps its files unless
// it is told: of the user's data, as XDG has it ($XDG_DATA_HOME, ~/.local/share), the
// directory vivace/name. Without a home directory it is .vivace/name, where the program
// was started. The system's temporary directory was rejected: it does not survive what
// an fsync is for, and any user may be there first.
func Place(name string) string {
	data := os.Getenv("XDG_DATA_HOME")
	if filepath.IsAbs(data) {
		return filepath.Join(data, "vivace", name)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(".vivace", name)
	}
	return filepath.Join(home, ".local", "share", "vivace", name)
}

// DataDir makes a directory, for its owner alone, unless it is there. Another user's is
// refused, with an error that matches ErrUsage.
func DataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := CheckOwner(dir); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return nil
}

// CheckOwner refuses what exists and belongs to another user, root excepted, who could
// read and replace what is in it. Only unix knows.
func CheckOwner(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if uid, ok := owner(info); ok && uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user (%d): name one of your own, or chown it", path, uid)
	}
	return nil
}
