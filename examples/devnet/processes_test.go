package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/cli"
)

// TestMain is also the roles of -processes, as main is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role := roles[os.Args[1]]; role != nil {
			os.Exit(role(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func TestProcesses(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	code, stdout, stderr := runDevnet(t, "-processes", "-duration=3s", "-rate=100", "-json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "\nall roots equal: yes\n")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var s summary
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &s))
	require.GreaterOrEqual(t, s.Transactions, int64(280))
	require.GreaterOrEqual(t, s.Head, uint64(3))
	require.GreaterOrEqual(t, s.ProvenHead+provenLag, s.Head)
	require.Positive(t, s.DiffBytesPerTx)
	require.Positive(t, s.WitnessBytesPerTx)
	require.Greater(t, s.MiniBlocks, s.Blocks)
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A chain in a directory goes on, and a process that ends by itself is what went wrong.
func TestProcessesGoOn(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-processes", "-duration=2s", "-rate=50", "-datadir=" + dir}
	code, _, stderr := runDevnet(t, args...)
	require.Zero(t, code, stderr)
	code, stdout, stderr := runDevnet(t, append(args, "-duration=1s")...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "\nall roots equal: yes\n")

	pgrep, err := exec.LookPath("pkill")
	if err != nil {
		t.Skip("pkill is not installed: nothing is killed")
	}
	time.AfterFunc(3*time.Second, func() {
		_ = exec.Command(pgrep, "-KILL", "-f", "role-fullnode.*"+filepath.Join(dir, "fullnode-2")).Run()
	})
	code, _, stderr = runDevnet(t, append(args, "-duration=1h")...)
	require.Equal(t, cli.ExitError, code)
	require.Contains(t, stderr, "fullnode-2 ended by itself: signal: killed")
}
