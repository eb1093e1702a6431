package interop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestArtifactIsCurrent compiles the contract anew and compares with what is
// committed.
func TestArtifactIsCurrent(t *testing.T) {
	k := prepare(t)
	out := t.TempDir()
	printed, err := k.run(t, []string{"node", "generate.mjs", out}, nil)
	require.NoError(t, err, "%s", printed)
	want, err := os.ReadFile(filepath.Join(out, "Probe.json"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(clients, "Probe.json"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run `npm run generate` in internal/interop/_clients")
}
