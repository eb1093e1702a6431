//go:build unix

package zkvm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/zkvm/program"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vivace-guest")
	if err != nil {
		panic(err)
	}
	executables.dir, executables.once = dir, make(map[string]func() (string, error))
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// shell is a backend whose command is a script; $0 is the guest's path.
func shell(t *testing.T, script string, timeout time.Duration) *Backend {
	t.Helper()
	guest := filepath.Join(t.TempDir(), "guest")
	require.NoError(t, os.WriteFile(guest, []byte("an executable"), 0o600))
	b, err := New(Config{Guest: guest, Chain: params.AllEthashProtocolChanges, Command: []string{"sh", "-c", script}, Timeout: timeout, ProofMax: 8})
	require.NoError(t, err)
	return b
}

// question is an input that no script looks at.
func question() *prover.Input {
	return &prover.Input{ChainID: params.AllEthashProtocolChanges.ChainID.Uint64(), Block: []byte("block"), Witness: make([]byte, 1<<20), Diff: []byte("diff")}
}

// answer is what the guest would say to it, as the name of a file.
func answer(t *testing.T, alter func(*program.Output)) (name string) {
	t.Helper()
	in := question()
	rules, err := program.MarshalRules(params.AllEthashProtocolChanges)
	require.NoError(t, err)
	o := &program.Output{
		Public: chain.Attestation{
			ChainID: in.ChainID, BlockDigest: chain.Keccak256(in.Block),
			WitnessDigest: chain.Keccak256(in.Witness), DiffDigest: chain.Keccak256(in.Diff),
		},
		Rules: chain.Keccak256(rules),
	}
	alter(o)
	raw, err := o.AppendBinary(nil)
	require.NoError(t, err)
	name = filepath.Join(t.TempDir(), "answer")
	require.NoError(t, os.WriteFile(name, raw, 0o600))
	return name
}

func TestAnswer(t *testing.T) {
	t.Setenv("VIVACE_SECRET", "of the prover")
	name := answer(t, func(o *program.Output) { o.Proof = []byte("12345678") })
	for what, script := range map[string]string{
		"reads its input": "cat >/dev/null; cat " + name, "does not": "cat " + name, "leaves a child": "sleep 1000 & cat " + name,
		"has its own environment": `test -z "$VIVACE_SECRET" && test "$GOMAXPROCS" = 1 && cat ` + name,
		"is told the guest":       `grep -q 'an executable' "$0" && cat ` + name,
	} {
		t.Run(what, func(t *testing.T) {
			out, err := shell(t, script, 20*time.Second).Prove(t.Context(), question())
			if what == "leaves a child" {
				// It has the pipes: what came through them is not known to be all.
				require.ErrorIs(t, err, da.ErrTransient)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "12345678", string(out.Proof))
			require.Equal(t, chain.Keccak256([]byte("block")), out.Public.BlockDigest)
		})
	}
}

// TestTrouble: nothing of this is a verdict about the block.
func TestTrouble(t *testing.T) {
	right := answer(t, func(*program.Output) {})
	for what, c := range map[string]struct{ script, say string }{
		"crash":           {"echo 'panic: oh' >&2; echo more >&2; exit 2", "exit status 2: panic: oh"},
		"killed":          {"kill -9 $$", "signal: killed"},
		"silence":         {"exit 0", "corrupt output"},
		"half an answer":  {"head -c 100 " + right, "corrupt output"},
		"no such command": {"exec /nonexistent/qemu", "exit status 127"},
		"flood":           {"cat /dev/zero", "output has more than"},
		"flood of words":  {"cat /dev/zero >&2", "standard error has more than"},
		"deaf flood":      {"trap '' PIPE; while :; do printf 0123456789012345678901234567890123456789 2>/dev/null; done", "output has more than"},
		"long proof":      {"cat " + right + "; printf 123456789", "proof has more than"},
		"hang":            {"sleep 1000", "takes longer than 1s"},
		"hang after all":  {"cat " + right + "; sleep 1000", "takes longer than 1s"},
		"deaf hang":       {"trap '' TERM INT HUP; while :; do sleep 1000; done", "takes longer than 1s"},
		"another chain":   {"cat " + answer(t, func(o *program.Output) { o.Public.ChainID++ }), "for chain"},
		"another block":   {"cat " + answer(t, func(o *program.Output) { o.Public.BlockDigest[0]++ }), "for block"},
		"another witness": {"cat " + answer(t, func(o *program.Output) { o.Public.WitnessDigest[0]++ }), "for witness"},
		"another diff":    {"cat " + answer(t, func(o *program.Output) { o.Public.DiffDigest[0]++ }), "for diff"},
		"other rules":     {"cat " + answer(t, func(o *program.Output) { o.Rules[0]++ }), "for rules"},
		"built again":     {`echo more >>"$0"; cat ` + right, "not the one that was read"},
		"written over":    {`printf 'AN EXECUTABLE' >"$0"; cat ` + right, "not the one that was read"},
		"another file":    {`cp -p "$0" "$0.new" && mv "$0.new" "$0"; cat ` + right, "not the one that was read"},
		"refused by it":   {`echo more >>"$0"; exit 3`, "not the one that was read"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if strings.Contains(what, "hang") {
				timeout = time.Second
			}
			out, err := shell(t, c.script, timeout).Prove(t.Context(), question())
			require.Nil(t, out)
			require.ErrorIs(t, err, da.ErrTransient)
			for _, verdict := range []error{ErrRefused, chain.ErrCorrupt, chain.ErrMismatch, chain.ErrTooLarge} {
				require.NotErrorIs(t, err, verdict)
			}
			require.ErrorContains(t, err, c.say)
		})
	}
}

func TestRefusal(t *testing.T) {
	_, err := shell(t, "echo 'block 7: gas' >&2; echo more >&2; exit 3", time.Minute).Prove(t.Context(), question())
	require.ErrorIs(t, err, ErrRefused)
	require.NotErrorIs(t, err, da.ErrTransient)
	require.EqualError(t, err, "zkvm: guest refuses the block: block 7: gas")
}

// TestKillsGroup: a command that will not end is killed with its children, when its
// time is up, when it floods, and when ctx ends.
func TestKillsGroup(t *testing.T) {
	for what, c := range map[string]struct {
		last    string // what the command does when its child runs
		timeout time.Duration
		want    error
	}{
		"time":        {"wait", 5 * time.Second, da.ErrTransient},
		"flood":       {"cat /dev/zero", time.Minute, da.ErrTransient},
		"its own end": {"exit 0", time.Minute, da.ErrTransient},
		"ctx":         {"wait", time.Minute, context.Canceled},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := shell(t, fmt.Sprintf("sleep 1000 & echo $! >%s; %s", file, c.last), c.timeout)
			done := make(chan error, 1)
			go func() {
				_, err := b.Prove(ctx, question())
				done <- err
			}()
			child := func() string { text, _ := os.ReadFile(file); return strings.TrimSpace(string(text)) }
			require.Eventually(t, func() bool { return child() != "" }, 10*time.Second, time.Millisecond)
			if what == "ctx" {
				require.False(t, gone(t, child()))
				cancel()
			}
			require.ErrorIs(t, <-done, c.want)
			require.Eventually(t, func() bool { return gone(t, child()) }, 10*time.Second, 10*time.Millisecond)
		})
	}
}

// gone reports whether no process has that number, or only its corpse.
func gone(t *testing.T, pid string) bool {
	t.Helper()
	_, err := strconv.Atoi(pid)
	require.NoError(t, err)
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return true
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return fields[0] == "Z" || fields[0] == "X"
}

// TestInputOfAnother: an input that is not for this backend reaches no guest.
func TestInputOfAnother(t *testing.T) {
	b := shell(t, "exit 3", time.Minute)
	for what, c := range map[string]struct {
		alter func(*prover.Input)
		want  error
	}{
		"another chain": {func(in *prover.Input) { in.ChainID++ }, chain.ErrMismatch},
		"other rules":   {func(in *prover.Input) { in.Config = []byte("{}") }, chain.ErrMismatch},
		"too large":     {func(in *prover.Input) { in.Diff = make([]byte, program.InputMax) }, chain.ErrTooLarge},
	} {
		in := question()
		c.alter(in)
		_, err := b.Prove(t.Context(), in)
		require.ErrorIs(t, err, c.want, what)
		require.NotErrorIs(t, err, ErrRefused, what)
		require.NotErrorIs(t, err, da.ErrTransient, what)
	}
	in := question()
	in.Config = b.rules
	_, err := b.Prove(t.Context(), in)
	require.ErrorIs(t, err, ErrRefused, "the same rules are no reason")
}

// TestProgram: the name depends on executable and rules, on nothing else.
func TestProgram(t *testing.T) {
	guest := filepath.Join(t.TempDir(), "guest")
	names := map[prover.Program]int{}
	for _, c := range []struct {
		executable string
		chain      *params.ChainConfig
		command    string
	}{
		{"one", params.AllEthashProtocolChanges, "sh"}, {"one", params.AllEthashProtocolChanges, "cat"},
		{"two", params.AllEthashProtocolChanges, "sh"}, {"one", params.MainnetChainConfig, "sh"},
	} {
		require.NoError(t, os.WriteFile(guest, []byte(c.executable), 0o600))
		b, err := New(Config{Guest: guest, Chain: c.chain, Command: []string{c.command}})
		require.NoError(t, err)
		names[b.Program()]++
	}
	require.Len(t, names, 3)
}

func TestConfig(t *testing.T) {
	guest := filepath.Join(t.TempDir(), "guest")
	require.NoError(t, os.WriteFile(guest, nil, 0o600))
	good := Config{Guest: guest, Chain: params.MainnetChainConfig, Command: []string{"sh"}}
	for what, alter := range map[string]func(*Config){
		"Config.Guest is required": func(c *Config) { c.Guest = "" },
		"Config.Chain is required": func(c *Config) { c.Chain = nil },
		"Config.ProofMax is -1":    func(c *Config) { c.ProofMax = -1 },
		"guest: stat":              func(c *Config) { c.Guest += "x" },
		"guest: read":              func(c *Config) { c.Guest = t.TempDir() },
		"command":                  func(c *Config) { c.Command = []string{"/nonexistent/qemu"} },
		"no 64-bit chain id":       func(c *Config) { c.Chain = new(params.ChainConfig) },
	} {
		bad := good
		alter(&bad)
		_, err := New(bad)
		require.ErrorContains(t, err, what)
	}
	_, err := New(good)
	require.NoError(t, err)
}
