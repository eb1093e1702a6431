package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What each program dumps as its configuration is a file that it reads, and that comes
// to the same.
func TestDumpConfig(t *testing.T) {
	bin := build(t)
	for program, flag := range map[string]string{
		"sequencer": "-admin.enable", "fullnode": "-http.port=1", "devnet": "-rate=max", "prover": "-log-format=json",
	} {
		t.Run(program, func(t *testing.T) {
			dump := func(args ...string) []byte {
				cmd := exec.Command(filepath.Join(bin, program), append([]string{"dumpconfig"}, args...)...)
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				require.NoError(t, err)
				return out
			}
			first := dump(flag)
			require.NotEqual(t, string(dump()), string(first))
			file := filepath.Join(t.TempDir(), "config.toml")
			require.NoError(t, os.WriteFile(file, first, 0o600))
			require.Equal(t, string(first), string(dump("-config", file)))
		})
	}
}
