package rpc

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SecretSize is the size of the secret behind tokens, in bytes.
const SecretSize = 32

// tokenAge is by how much a token's time of issue may differ from now, to either
// side, as the Engine API has it.
const tokenAge = 60 * time.Second

// LoadSecret reads the secret in a file, 64 hexadecimal digits, also with 0x in front
// as go-ethereum writes them. A file that is not there is made, with a new secret,
// for its owner alone (0600). One that others may read is refused: they have read it.
func LoadSecret(path string) ([]byte, error) {
	secret, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = makeSecret(path)
	}
	if err != nil {
		return nil, fmt.Errorf("rpc: secret: %w", err)
	}
	return secret, nil
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o): replace it, and chmod 600", path, mode.Perm())
	}
	text := make([]byte, 2*SecretSize+16)
	n, err := f.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	digits := strings.TrimPrefix(strings.TrimSpace(string(text[:n])), "0x")
	secret, err := hex.DecodeString(digits)
	if err != nil || len(secret) != SecretSize {
		return nil, fmt.Errorf("%s does not hold %d hexadecimal digits", path, 2*SecretSize)
	}
	return secret, nil
}

func makeSecret(path string) ([]byte, error) {
	secret := make([]byte, SecretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(f, "0x%x\n", secret)
	return secret, errors.Join(err, f.Sync(), f.Close())
}

// authorize returns nil if the request bears a token that the owner of the secret
// issued just now: HS256, with iat.
func authorize(r *http.Request, secret []byte, now time.Time) error {
	const scheme = "bearer "
	header := r.Header.Get("Authorization")
	if len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return errors.New("missing token")
	}
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(header[len(scheme):], &claims, func(*jwt.Token) (any, error) { return secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
	switch {
	case err != nil:
		return errors.New("invalid token")
	case claims.IssuedAt == nil:
		return errors.New("missing issued-at")
	case claims.ExpiresAt != nil && !now.Before(claims.ExpiresAt.Time):
		return errors.New("token is expired")
	case now.Sub(claims.IssuedAt.Time) > tokenAge:
		return errors.New("stale token")
	case claims.IssuedAt.Time.Sub(now) > tokenAge:
		return errors.New("future token")
	}
	return nil
}
