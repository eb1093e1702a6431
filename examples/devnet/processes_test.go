package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/cli"
)

// TestMain is also the roles of -processes, as main is, and the devnet itself.
func TestMain(m *testing.M) {
	becomeRole()
	if len(os.Args) > 1 && os.Args[1] == "devnet" {
		os.Exit(run(os.Args[2:], os.Stdout, os.Stderr))
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
	require.Greater(t, s.BodyBytesPerTx, 65.0, "a signature at least")
	require.Positive(t, s.ReceiptBytesPerTx)
	require.Less(t, s.ReceiptBytesPerTx, 256.0, "no bloom is sent")
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

	devnet, roles := devnetAtWork(t, dir, nil)
	kill(t, roles["fullnode-2"])
	var errs bytes.Buffer
	_, _ = errs.ReadFrom(devnet.errors)
	_ = devnet.Wait()
	require.Equal(t, cli.ExitError, devnet.ProcessState.ExitCode())
	require.Contains(t, errs.String(), "fullnode-2 ended by itself: signal: killed")
}

// Who kills the devnet ends its roles: none outlives it, and the chain goes on.
func TestProcessesEndWithTheDevnet(t *testing.T) {
	dir := t.TempDir()
	alive, held, err := os.Pipe()
	require.NoError(t, err)
	defer alive.Close()
	devnet, roles := devnetAtWork(t, dir, held)
	require.NoError(t, held.Close())
	kill(t, devnet.Process.Pid)
	_ = devnet.Wait() // says that it was killed

	require.NoError(t, alive.SetReadDeadline(time.Now().Add(stopPatience)))
	_, err = alive.Read(make([]byte, 1))
	if !errors.Is(err, io.EOF) {
		for _, id := range roles { // nothing else would end them
			kill(t, id)
		}
	}
	require.ErrorIs(t, err, io.EOF, "somebody still holds what the devnet held")

	code, stdout, stderr := runDevnet(t, "-processes", "-duration=1s", "-rate=50", "-datadir="+dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "\nall roots equal: yes\n")
}

// A devnetProcess is a devnet that is a process itself.
type devnetProcess struct {
	*exec.Cmd
	errors io.Reader // its standard error
}

// atWork is progress of a devnet whose full nodes and provers have begun.
var atWork = regexp.MustCompile(`full node 1: latest [1-9].*full node 2: latest [1-9].*finalized [1-9]`)

// devnetAtWork starts a devnet that inherits a file, as its roles do, if it is not nil, and
// returns when all roles are at work, and their process ids.
func devnetAtWork(t *testing.T, dir string, inherited *os.File) (*devnetProcess, map[string]int) {
	t.Helper()
	d := &devnetProcess{Cmd: exec.Command(os.Args[0], "devnet", "-processes", "-duration=1h", "-rate=50", "-datadir="+dir)}
	if inherited != nil {
		d.ExtraFiles = []*os.File{inherited}
	}
	out, err := d.StdoutPipe()
	require.NoError(t, err)
	d.errors, err = d.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, d.Start())
	t.Cleanup(func() { _ = d.Process.Kill() }) // of a test that failed
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if atWork.MatchString(lines.Text()) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return d, processIDs(t, dir)
		}
	}
	t.Fatal("the devnet ended before its roles were at work")
	return nil, nil
}

// processIDs reads the ids of the roles' processes.
func processIDs(t *testing.T, dir string) map[string]int {
	t.Helper()
	ids := make(map[string]int)
	for _, name := range []string{"sequencer", "fullnode-1", "fullnode-2", "prover-1", "prover-2"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".pid"))
		require.NoError(t, err)
		ids[name], err = strconv.Atoi(strings.TrimSpace(string(text)))
		require.NoError(t, err)
	}
	return ids
}

// kill sends SIGKILL.
func kill(t *testing.T, id int) {
	t.Helper()
	process, err := os.FindProcess(id)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
}
