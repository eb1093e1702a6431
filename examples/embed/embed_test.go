// Package embed has programs that embed a part of Vivace; see README.md.
package embed

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The programs print what README.md says and leave nothing behind, and there is no other.
func TestPrograms(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	bin := t.TempDir()
	out, err := exec.Command("go", "build", "-o", bin, "./...").CombinedOutput()
	require.NoError(t, err, string(out))
	programs, err := os.ReadDir(bin)
	require.NoError(t, err)
	require.Len(t, programs, 7)
	for _, p := range programs {
		t.Run(p.Name(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd, tmp := exec.CommandContext(ctx, filepath.Join(bin, p.Name())), t.TempDir()
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, section(string(readme), p.Name()), string(out))
			left, err := os.ReadDir(tmp)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// section is what stands indented in the text below the command that runs name.
func section(text, name string) string {
	_, after, _ := strings.Cut(text, "    $ go run ./examples/embed/"+name+"\n")
	before, _, _ := strings.Cut(after, "\n\n")
	return strings.ReplaceAll(strings.TrimRight("\n"+before, "\n"), "\n    ", "\n")[1:] + "\n"
}

// Whoever copies a program can compile it: it needs nothing that is internal.
func TestNothingInternal(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, "./...").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "vivace/sequencer\n")
	require.NotContains(t, string(out), "/internal/")
}
