package rpc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
)

func token(t *testing.T, method jwt.SigningMethod, key any, claims jwt.Claims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return "Bearer " + text
}

func issued(ago time.Duration) jwt.MapClaims {
	return jwt.MapClaims{"iat": time.Now().Add(-ago).Unix()}
}

func TestAdmin(t *testing.T) {
	var (
		secret  = make([]byte, rpc.SecretSize)
		other   = append([]byte{1}, secret[1:]...)
		level   slog.LevelVar
		drained = make(chan struct{})
		cfg     = config(t)
	)
	cfg.Admin = &rpc.Admin{Secret: secret, LogLevel: &level, Drain: func() { close(drained) }}
	url := serve(t, cfg)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	good := token(t, jwt.SigningMethodHS256, secret, issued(0))
	expired := issued(10 * time.Second)
	expired["exp"] = time.Now().Add(-time.Second).Unix()

	for name, header := range map[string]string{
		"nothing":       "",
		"no token":      "Bearer ",
		"garbage":       "Bearer a.b.c",
		"another way":   "Basic " + good[7:],
		"alg none":      token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, issued(0)),
		"HS384":         token(t, jwt.SigningMethodHS384, secret, issued(0)),
		"HS512":         token(t, jwt.SigningMethodHS512, secret, issued(0)),
		"RS256":         token(t, jwt.SigningMethodRS256, rsaKey, issued(0)),
		"wrong secret":  token(t, jwt.SigningMethodHS256, other, issued(0)),
		"no iat":        token(t, jwt.SigningMethodHS256, secret, jwt.MapClaims{}),
		"stale":         token(t, jwt.SigningMethodHS256, secret, issued(70*time.Second)),
		"future":        token(t, jwt.SigningMethodHS256, secret, issued(-70*time.Second)),
		"expired":       token(t, jwt.SigningMethodHS256, secret, expired),
		"cut signature": good[:len(good)-4],
	} {
		status, body, answer := request{
			method: "POST", path: "/admin", body: `{"jsonrpc":"2.0","id":1,"method":"admin_drain"}`,
			header: http.Header{"Authorization": {header}},
		}.send(t, url)
		require.Equal(t, http.StatusUnauthorized, status, "%s: %s", name, body)
		require.Equal(t, "Bearer", answer.Get("WWW-Authenticate"))
	}

	call := func(age time.Duration, body string) string {
		status, answer, _ := request{method: "POST", path: "/admin", body: body, header: http.Header{
			"Authorization": {token(t, jwt.SigningMethodHS256, secret, issued(age))},
		}}.send(t, url)
		require.Equal(t, http.StatusOK, status, answer)
		return answer
	}
	for _, age := range []time.Duration{0, 50 * time.Second, -50 * time.Second} {
		require.Contains(t, call(age, `{"jsonrpc":"2.0","id":1,"method":"admin_status"}`), `"ready":true`)
	}
	require.Contains(t, call(0, `{"jsonrpc":"2.0","id":1,"method":"admin_setLogLevel","params":["DEBUG"]}`), `"result":true`)
	require.Equal(t, slog.LevelDebug, level.Level())
	require.Contains(t, call(0, `{"jsonrpc":"2.0","id":1,"method":"admin_logLevel"}`), `"DEBUG"`)
	require.Contains(t, call(0, `{"jsonrpc":"2.0","id":1,"method":"admin_setLogLevel","params":["LOUD"]}`), `"code":-32000`)
	require.Contains(t, call(0, `{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`), `-32601`, "nothing else is there")
	select {
	case <-drained:
		t.Fatal("drained by a request without a token")
	default:
	}
	require.Contains(t, call(0, `{"jsonrpc":"2.0","id":1,"method":"admin_drain"}`), `"result":true`)
	<-drained
}

func TestLoadSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "jwt.hex")
	secret, err := rpc.LoadSecret(file)
	require.NoError(t, err)
	require.Len(t, secret, rpc.SecretSize)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := rpc.LoadSecret(file)
	require.NoError(t, err)
	require.Equal(t, secret, again)

	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o644} {
		require.NoError(t, os.Chmod(file, mode))
		_, err = rpc.LoadSecret(file)
		require.ErrorContains(t, err, "may be read by others")
	}
	require.NoError(t, os.Chmod(file, 0o400))
	_, err = rpc.LoadSecret(file)
	require.NoError(t, err)

	for _, text := range []string{"", "0x", "zz", "0x00", "0x" + string(make([]byte, 64)), "0x" + hexDigits(66)} {
		bad := filepath.Join(t.TempDir(), "jwt.hex")
		require.NoError(t, os.WriteFile(bad, []byte(text), 0o600))
		_, err = rpc.LoadSecret(bad)
		require.Error(t, err, text)
	}
	plain := filepath.Join(t.TempDir(), "jwt.hex")
	require.NoError(t, os.WriteFile(plain, []byte(hexDigits(64)+"\n"), 0o600))
	_, err = rpc.LoadSecret(plain)
	require.NoError(t, err)
}

func hexDigits(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "0123456789abcdef"[i%16]
	}
	return string(text)
}
