package cli

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ethereum/go-ethereum/crypto"
)

// Key reads a secp256k1 key from a file of hexadecimal digits, and makes one, for its
// owner alone (0600), if there is no such file. A file that others may read is refused,
// they have read it, and so is one that is theirs. Errors match ErrUsage.
func Key(path string) (*ecdsa.PrivateKey, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: -key: %w", ErrUsage, err)
	}
	return key, nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o): replace it, and chmod 600", path, mode.Perm())
	}
	if err := CheckOwner(path); err != nil {
		return nil, err
	}
	key, err := crypto.LoadECDSA(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(f, "%x\n", crypto.FromECDSA(key))
	return key, errors.Join(err, f.Sync(), f.Close())
}
