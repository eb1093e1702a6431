package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/examples/internal/cli"
)

// Flags that make no sense end a program with code 2 and a line about them, before it
// prints or opens anything.
func TestUsage(t *testing.T) {
	bin := build(t)
	loose := filepath.Join(t.TempDir(), "loose")
	require.NoError(t, os.WriteFile(loose, []byte(strings.Repeat("11", 32)), 0o600))
	require.NoError(t, os.Chmod(loose, 0o644))
	doors := [][]string{
		{"-prover-programs=0x01"}, {"-prover-programs=reexecution,riscv"},
		{"-http.port=65536"}, {"-http.api=eht"}, {"-http.api=admin"}, {"-http.addr=127.0.0.1:1"},
		{"-p2p.addr=everywhere"}, {"-p2p.port=65536"},
		{"-admin.enable", "-admin.jwtsecret=" + loose}, {"-state-blocks=1"}, {"-genesis=/does/not/exist"}, {"-genesis=" + loose},
	}
	for program, cases := range map[string][][]string{
		"sequencer": append(doors, []string{"-mini-block-interval=0s"}, []string{"-block-interval=1ms"}, []string{"-snapshot-blocks=0"},
			[]string{"-provers=0x1"}, []string{"-provers=0x00000000000000000000000000000000000000aa", "-prover-threshold=2"}, []string{"-da.layer=eigenda"}, []string{"-provers=dev", "-genesis=/does/not/exist"}),
		"fullnode": append(doors, []string{"-sequencer=localhost:8545"}, []string{"-sequencer="}, []string{"-signer=0x1"}, []string{"-provers=0x00000000000000000000000000000000000000aa", "-prover-threshold=0"}, []string{"-da.layer=carrier-pigeon=http://x"}),
		"prover":   {{"-workers=0"}, {"-key=" + loose}, {"-genesis=/does/not/exist"}, {"-sequencer="}, {"-da.layer=x"}},
	} {
		for _, flags := range cases {
			t.Run(program+" "+strings.Join(flags, " "), func(t *testing.T) {
				dir := t.TempDir()
				args := flags
				if program != "prover" {
					args = append(slices.Clone(args), "-datadir="+filepath.Join(dir, "data"))
				}
				code, stdout, stderr := runToEnd(t, filepath.Join(bin, program), args...)
				require.Equal(t, cli.ExitUsage, code, stderr)
				require.Empty(t, stdout)
				lines := strings.Split(strings.TrimSpace(stderr), "\n")
				require.Len(t, lines, 2)
				require.Contains(t, lines[0], program+": usage: -")
				require.Equal(t, "Try '"+program+" -h'.", lines[1])
				left, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
	t.Run("port taken", func(t *testing.T) { testPortTaken(t, bin) })
}

// testPortTaken: a port that somebody else has is found out before anything is opened, too.
func testPortTaken(t *testing.T, bin string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	dir := t.TempDir()
	for _, program := range []string{"sequencer", "fullnode"} {
		code, stdout, stderr := runToEnd(t, filepath.Join(bin, program), "-http.port="+port, "-datadir="+filepath.Join(dir, "data"))
		require.Equal(t, cli.ExitError, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "address already in use")
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func runToEnd(t *testing.T, program string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, cli.EnvPrefix+"_") }) // of which some are the tests'
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
