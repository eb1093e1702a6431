package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	vivace "github.com/vivace-chain/vivace/rpc"
)

// slow is what a devnet says when the machine had no time for it.
var slow = regexp.MustCompile(`^(devnet: |\t)(\d+ transactions acknowledged, [\d.]+ % of \d+|the proven head is \d+ blocks behind, more than 3)$`)

// runSound runs the program and finds nothing wrong but that the machine is slow.
func runSound(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	_, stdout, stderr := runDevnet(t, args...)
	for line := range strings.Lines(stderr) {
		require.Regexp(t, slow, strings.TrimSuffix(line, "\n"))
	}
	require.Contains(t, stdout, "\nall roots equal: yes\n")
	return stdout
}

// A chain in a directory goes on where it was, with the load; and it is that chain only.
func TestDevnetGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing", "chain")
	args := []string{"-datadir=" + dir, "-duration=1500ms", "-rate=50", "-block=200ms", "-json"}
	var before summary
	for range 3 {
		stdout := runSound(t, append(args, "-accounts=20")...)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		var s summary
		require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &s))
		require.Positive(t, s.Transactions)
		require.Greater(t, s.Head, before.Head)
		require.Greater(t, s.ProvenHead, before.ProvenHead)
		before = s
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	code, _, stderr := runDevnet(t, append(args, "-accounts=21")...)
	require.Equal(t, cli.ExitError, code)
	require.Contains(t, stderr, "genesis")
	require.NotContains(t, stderr, "\ngoroutine ")
}

// When the links do not reach back to the first block any more, full nodes join at a
// snapshot, and what was proven is not proven again.
func TestDevnetJoinsAgain(t *testing.T) {
	dir := t.TempDir()
	again := func() {
		runSound(t, "-datadir="+dir, "-duration=2s", "-rate=20", "-mini-block=10ms", "-block=20ms", "-accounts=4", "-history-blocks=10")
	}
	first := func(topic string) string { return filepath.Join(dir, "links", topic, strings.Repeat("0", 20)) }
	for range 20 {
		again()
		gone := 0
		for _, topic := range []string{"feed", "attestations", "publications"} {
			if _, err := os.Stat(first(topic)); errors.Is(err, os.ErrNotExist) {
				gone++
			}
		}
		if gone == 3 {
			again()
			return
		}
	}
	t.Fatal("the links keep everything")
}

func TestDevnetWithoutLoad(t *testing.T) {
	stdout := runSound(t, "-duration=1s", "-rate=0", "-block=200ms", "-accounts=2")
	require.Contains(t, stdout, "\ntransactions: 0\n")
}

// A chain of somebody's own genesis, which funds nobody for the load.
func TestServeGenesis(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	sequencer, node := serveDevnet(t, "-genesis=../../sequencer/genesis/testdata/prague.json", "-rate=0", "-block=200ms")
	for _, address := range []string{sequencer, node} {
		door, err := rpc.Dial("http://" + address)
		require.NoError(t, err)
		defer door.Close()
		var id string
		require.NoError(t, door.Call(&id, "eth_chainId"))
		require.Equal(t, "0x301824", id)
		require.Eventually(t, func() bool {
			var number string
			return door.Call(&number, "eth_blockNumber") == nil && len(number) > 2 && number != "0x0"
		}, time.Minute, 10*time.Millisecond)
	}
	http.DefaultClient.CloseIdleConnections()
}

// admin_drain ends the devnet as Ctrl-C does.
func TestServeDrain(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, door := range []string{"sequencer", "full node"} {
		var (
			out    = new(reader)
			errs   bytes.Buffer
			code   = make(chan int, 1)
			secret = filepath.Join(t.TempDir(), "secret")
		)
		t.Setenv("TMPDIR", t.TempDir())
		go func() {
			code <- run([]string{"-serve", "-rate=0", "-accounts=2", "-http.port=0", "-fullnode.http.port=0",
				"-admin.enable", "-admin.jwtsecret=" + secret, "-log-level=error"}, out, &errs)
		}()
		address := out.address(t, door)
		key, err := vivace.LoadSecret(secret)
		require.NoError(t, err)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(time.Now())}).SignedString(key)
		require.NoError(t, err)
		request, err := http.NewRequest(http.MethodPost, "http://"+address+vivace.PathAdmin,
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"admin_drain","params":[]}`))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		select {
		case c := <-code:
			require.Zero(t, c, errs.String())
		case <-time.After(time.Minute):
			t.Fatal("it goes on")
		}
		require.NotContains(t, out.all(), "until Ctrl-C", "progress is for people")
		require.Contains(t, out.all(), "\nall roots equal: yes\n")
		http.DefaultClient.CloseIdleConnections()
	}
}
