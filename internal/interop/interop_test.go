package interop

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// scriptTimeout is for one script on a busy machine; they need seconds.
const scriptTimeout = 5 * time.Minute

// A script is a client at work.
type script struct {
	name string
	// command is what runs the file.
	command func(*testing.T, kit) []string
}

func scripts() []script {
	node := func(file string) func(*testing.T, kit) []string {
		return func(*testing.T, kit) []string { return []string{"node", file} }
	}
	foundry := func(tool, file string) func(*testing.T, kit) []string {
		return func(t *testing.T, k kit) []string { return []string{"node", file, k.binary(t, tool)} }
	}
	python := func(file string) func(*testing.T, kit) []string {
		return func(_ *testing.T, k kit) []string { return []string{k.python, file} }
	}
	return []script{
		{"viem", node("viem.mjs")},
		{"ethers", node("ethers.mjs")},
		{"web3", python("web3_check.py")},
		{"cast", foundry("cast", "cast.mjs")},
		{"forge", foundry("forge", "forge.mjs")},
	}
}

// TestClients runs all scripts against all nodes of all targets. A script prints a
// line for each check, and stops at the first that fails. Each has an account of its
// own, so that they can run side by side.
func TestClients(t *testing.T) {
	k := prepare(t)
	accounts := genesis.DevAccounts()
	for _, target := range targets() {
		t.Run(target.name, func(t *testing.T) {
			nodes := target.start(t)
			require.LessOrEqual(t, len(nodes)*len(scripts()), len(accounts))
			t.Run("nodes", func(t *testing.T) { // returns when the parallel ones have
				for i, at := range nodes {
					for j, s := range scripts() {
						key := accounts[i*len(scripts())+j].Key
						t.Run(at.name+"/"+s.name, func(t *testing.T) {
							t.Parallel()
							runScript(t, k, s, at, key, target.lacking)
						})
					}
				}
			})
		})
	}
}

func runScript(t *testing.T, k kit, s script, at endpoints, key common.Hash, lacking []string) {
	command := s.command(t, k)
	out, err := k.run(t, command, map[string]string{
		"HTTP_URL": at.http, "WS_URL": at.ws, "REALTIME_URL": at.realtime,
		"PRIVATE_KEY": key.Hex(), "CHAIN_ID": strconv.Itoa(chainID),
		"LACKING": strings.Join(lacking, ","),
	})
	if err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, out)
	}
	// Whoever exits early with code 0 has not run his checks.
	if !strings.HasSuffix(strings.TrimSpace(out), "\ndone") {
		t.Fatalf("%s ended before it was done:\n%s", s.name, out)
	}
	t.Logf("%d checks", strings.Count(out, "\nok - ")+1)
}

// run runs a command in a copy of the scripts, and returns what it prints.
func (k kit) run(t *testing.T, command []string, env map[string]string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), scriptTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = k.workspace(t)
	cmd.Env = os.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
