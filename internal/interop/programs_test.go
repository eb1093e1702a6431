package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/rpc"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// Sequencer, full nodes and prover are the programs that people start, with no flags but
// those that keep a test out of others' ports and directories: a contract is deployed and
// used through the full nodes' doors.
func TestPrograms(t *testing.T) {
	k := prepare(t)
	p := buildPrograms(t)
	sequencer := p.start(t, "sequencer", "sequencer of chain", "-datadir="+t.TempDir(), "-http.port=0", "-p2p.port=0", "-da.port=0")
	follow := func(flags ...string) endpoints {
		return p.start(t, "fullnode", "full node of chain", append(flags, "-sequencer="+sequencer.http, "-datadir="+t.TempDir(), "-http.port=0", "-p2p.port=0")...)
	}
	p.start(t, "prover", "prover of chain", "-sequencer="+sequencer.http, "-http.port=0")
	accounts := genesis.DevAccounts()
	viem := script{"viem", func(*testing.T, kit) []string { return []string{"node", "fullnode_viem.mjs"} }}
	for i, node := range []struct {
		name    string
		at      endpoints
		lacking []string
	}{
		{"archive", follow(), nil},
		// It keeps no logs, and asks the sequencer for single transactions and receipts.
		{"state", follow("-mode=state"), []string{"logs"}},
	} {
		t.Run(node.name, func(t *testing.T) { runScript(t, k, viem, node.at, accounts[i].Key, node.lacking) })
	}
}

// programs is where the examples are, built.
type programs string

func buildPrograms(t *testing.T) programs {
	dir := t.TempDir()
	require.NoError(t, run(".", "go", "build", "-o", dir, "../../examples/sequencer", "../../examples/fullnode", "../../examples/prover"))
	return programs(dir)
}

// start runs a program until the end of the test, and returns where its door is, if it says
// so in the line that begins with hello.
func (p programs) start(t *testing.T, name, hello string, flags ...string) endpoints {
	t.Helper()
	lines := start(t, exec.Command(filepath.Join(string(p), name), flags...), hello)
	_, rest, _ := strings.Cut(lines[len(lines)-1], "http://")
	at, _, _ := strings.Cut(rest, " ")
	at = strings.TrimSuffix(at, ",")
	return endpoints{name, "http://" + at, "ws://" + at, "http://" + at + rpc.PathRealtime}
}
