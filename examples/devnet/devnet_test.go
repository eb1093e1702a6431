package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/examples/internal/cli"
)

// runDevnet runs the program and returns what it left.
func runDevnet(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	var out, errs bytes.Buffer
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	code = run(append(args, "-log-level=error"), &out, &errs)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "the temporary directory is removed")
	return code, out.String(), errs.String()
}

func TestDevnet(t *testing.T) {
	code, stdout, stderr := runDevnet(t, "-duration=2s", "-rate=100", "-accounts=50", "-json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "\nall roots equal: yes\n")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var s summary
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &s))
	require.GreaterOrEqual(t, s.Transactions, int64(190))
	require.LessOrEqual(t, s.Transactions, int64(200))
	require.InDelta(t, 100, s.TPS, 6)
	require.True(t, s.RootsEqual)
	require.GreaterOrEqual(t, s.Head, uint64(2))
	require.GreaterOrEqual(t, s.ProvenHead+provenLag, s.Head)
	require.Positive(t, s.DiffBytesPerTx)
	require.Positive(t, s.WitnessBytesPerTx)
	require.Greater(t, s.BodyBytesPerTx, 65.0, "a signature at least")
	require.Positive(t, s.ReceiptBytesPerTx)
	require.Less(t, s.ReceiptBytesPerTx, 256.0, "no bloom is sent")
	require.Positive(t, s.ReceiptP50)
	require.GreaterOrEqual(t, s.ReceiptP99, s.ReceiptP50)
	require.Greater(t, s.MiniBlocks, s.Blocks)
}

func TestDevnetAsFastAsItGoes(t *testing.T) {
	code, stdout, stderr := runDevnet(t, "-duration=1s", "-rate=max", "-accounts=50", "-clients=8", "-durability=none")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "\nall roots equal: yes\n")
}

// Each fault is noticed, by the role that should, and the run fails.
func TestDevnetNoticesInjections(t *testing.T) {
	for injection, evidence := range map[string]string{
		"diff-bit":     "diff of mini-block 2/",
		"witness-drop": "missing trie node",
		"wrong-root":   "block 2: stateRoot: got",
	} {
		t.Run(injection, func(t *testing.T) {
			code, stdout, stderr := runDevnet(t, "-duration=3s", "-rate=50", "-accounts=20", "-inject="+injection)
			require.Equal(t, cli.ExitError, code)
			require.Contains(t, stderr, evidence)
			require.Contains(t, stdout, "\nall roots equal: no\n")
		})
	}
}

// An injection that had no occasion must not look like one that was survived.
func TestDevnetInjectionWithoutOccasion(t *testing.T) {
	code, _, stderr := runDevnet(t, "-duration=200ms", "-rate=50", "-accounts=2", "-block=10s", "-inject=wrong-root")
	require.Equal(t, cli.ExitError, code)
	require.Contains(t, stderr, "injection wrong-root found no occasion")
}

func TestDevnetInterrupted(t *testing.T) {
	time.AfterFunc(1500*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGINT) })
	began := time.Now()
	code, stdout, stderr := runDevnet(t, "-duration=1h", "-rate=50", "-accounts=20")
	require.Less(t, time.Since(began), time.Minute)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "\nall roots equal: yes\n")
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-compare"}, {"-v"}, {"-replay=x", "-inject=diff-bit"}, {"-inject=typo"}, {"-duration=0s"},
		{"-accounts=1"}, {"-rate=-1"}, {"-rate=much"}, {"-rate=10000001"}, {"-genesis=x"}, {"-genesis=/none", "-rate=0"},
		{"-inject=diff-bit", "-datadir=x"}, {"-state-blocks=1"}, {"-da-bytes=-1"}, {"-serve", "-http.port=-1"},
		{"-serve", "-fullnode.http.port=65536"}, {"-serve", "-http.api=eht"}, {"-serve", "-admin.enable"}, {"-clients=0"}, {"-durability=much"}, {"-block=1ms"},
	} {
		code, stdout, stderr := runDevnet(t, args...)
		require.Equal(t, cli.ExitUsage, code, args)
		require.Empty(t, stdout)
		require.NotEmpty(t, stderr)
	}
}

func TestHelp(t *testing.T) {
	code, stdout, _ := runDevnet(t, "-h")
	require.Zero(t, code)
	for _, text := range []string{
		"\nLoad:\n", "\nChain:\n", "\nReplay:\n", "\nOutput:\n", "\nGeneral:\n",
		"(default 10s)", "(default 2000)", "(default 1000)", "-inject fault", "-replay directory",
	} {
		require.Contains(t, stdout, text)
	}
}
