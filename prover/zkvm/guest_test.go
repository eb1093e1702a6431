//go:build unix

package zkvm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/bench"
	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/execution"
	"github.com/vivace-chain/vivace/internal/testdata"
	"github.com/vivace-chain/vivace/prover"
	"github.com/vivace-chain/vivace/prover/zkvm/program"
	"github.com/vivace-chain/vivace/statediff"
)

// guestVariable makes what these tests need and do not find a failure.
const guestVariable = "VIVACE_GUEST"

// find returns the path of a command, or ends the test.
func find(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv(guestVariable) != "":
		t.Fatalf("%v: Debian has it in the package %s", err, debianPackage)
	default:
		t.Skipf("%v: Debian has it in the package %s", err, debianPackage)
	}
	return ""
}

// executables are the guest for this machine and for the one that is emulated, built
// once for all tests.
var executables struct {
	dir  string
	mu   sync.Mutex
	once map[string]func() (string, error)
}

func buildGuest(t *testing.T, goos, goarch string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds executables")
	}
	executables.mu.Lock()
	build := executables.once[goarch]
	if build == nil {
		name := filepath.Join(executables.dir, "guest-"+goos+"-"+goarch)
		build = sync.OnceValues(func() (string, error) { return name, goBuild(name, goos, goarch) })
		executables.once[goarch] = build
	}
	executables.mu.Unlock()
	name, err := build()
	require.NoError(t, err)
	return name
}

func goBuild(name, goos, goarch string) error {
	args, env := []string{"build", "-o", name}, os.Environ()
	if goos != runtime.GOOS || goarch != runtime.GOARCH { // as its main says; this machine's takes what the cache has
		args = append(args, "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
		env = append(env, "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	}
	cmd := exec.Command("go", append(args, "./guest")...)
	cmd.Env = env
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// A task is a block with what the machines need for it, and what holds of it.
type task struct {
	config *params.ChainConfig
	in     *prover.Input
	gas    uint64
	want   chain.Attestation // by prover.Verify
}

// workloads are a generated block, and a real one on made-up ancestors.
var workloads = []struct {
	name string
	load func(*testing.T) (*bench.Workload, error)
}{
	{"generated", func(t *testing.T) (*bench.Workload, error) { return bench.Generated(t.Context(), bench.ERC20(40, 20)) }},
	{"mainnet", func(t *testing.T) (*bench.Workload, error) {
		return bench.Mainnet(t.Context(), testdata.Mainnet(t), 11114732)
	}},
}

// newTask seals the only block of a workload: see bench.Workload.Proofs.
func newTask(t *testing.T, w *bench.Workload) *task {
	t.Helper()
	proofs, err := w.Proofs(t.Context())
	require.NoError(t, err)
	require.Len(t, proofs.Blocks, 1)
	var (
		b       = proofs.Blocks[0]
		block   chain.Block
		witness chain.Witness
	)
	rules, err := program.MarshalRules(w.Config)
	require.NoError(t, err)
	executor, err := execution.New(execution.Config{Chain: w.Config})
	require.NoError(t, err)
	require.NoError(t, block.UnmarshalBinary(b.Block))
	require.NoError(t, witness.UnmarshalBinary(b.Encoded))
	v, err := prover.Verify(t.Context(), executor, &block, &witness)
	require.NoError(t, err)
	diff, err := statediff.New(statediff.Config{Stateless: true}).AppendEncode(nil, v.Changes, v.Prior, nil)
	require.NoError(t, err)
	return &task{
		config: w.Config, gas: block.Header.GasUsed,
		in: &prover.Input{ChainID: w.Config.ChainID.Uint64(), Config: rules, Block: b.Block, Witness: b.Encoded, Diff: diff},
		want: chain.Attestation{
			ChainID: w.Config.ChainID.Uint64(), Term: block.Header.Term(), Block: block.Header.ID(), ParentHash: block.Header.ParentHash,
			PreRoot: v.PreRoot, PostRoot: b.Sealed.Header.StateRoot, ReceiptsRoot: b.Sealed.Header.ReceiptsRoot,
			BlockDigest: chain.Keccak256(b.Block), ChangesDigest: v.Changes.Digest(),
			WitnessDigest: chain.Keccak256(b.Encoded), DiffDigest: chain.Keccak256(diff),
		},
	}
}

// native runs the guest as a process of this machine: env takes the place of the
// emulator.
func native(t *testing.T, config *params.ChainConfig) *Backend {
	t.Helper()
	env := find(t, "env", "coreutils")
	b, err := New(Config{Guest: buildGuest(t, runtime.GOOS, runtime.GOARCH), Chain: config, Command: []string{env}})
	require.NoError(t, err)
	return b
}

// emulated runs the guest as the default configuration does.
func emulated(t *testing.T, config *params.ChainConfig) *Backend {
	t.Helper()
	find(t, "qemu-riscv64", "qemu-user")
	b, err := New(Config{Guest: buildGuest(t, "linux", "riscv64"), Chain: config})
	require.NoError(t, err)
	return b
}

var machines = []struct {
	name    string
	backend func(*testing.T, *params.ChainConfig) *Backend
}{{"native", native}, {"riscv64", emulated}}

// TestGuest: the guest comes to what prover.Verify comes to, on this machine and on
// the emulated one.
func TestGuest(t *testing.T) {
	for _, machine := range machines {
		t.Run(machine.name, func(t *testing.T) {
			for _, w := range workloads {
				t.Run(w.name, func(t *testing.T) {
					workload, err := w.load(t)
					require.NoError(t, err)
					task := newTask(t, workload)
					b := machine.backend(t, task.config)
					begin := time.Now()
					out, err := b.Prove(t.Context(), task.in)
					require.NoError(t, err)
					require.Equal(t, &prover.Output{Public: task.want}, out)
					t.Logf("%d gas, %d bytes of input in %s, program %s", task.gas,
						len(task.in.Block)+len(task.in.Witness)+len(task.in.Diff), time.Since(begin).Round(time.Millisecond), b.Program())
				})
			}
		})
	}
}

// TestGuestRefuses damages what the guest is given. What it refuses is a verdict,
// with the reason that prover.Verify has.
func TestGuestRefuses(t *testing.T) {
	made, err := bench.Generated(t.Context(), bench.ERC20(40, 3))
	require.NoError(t, err)
	task := newTask(t, made)
	cases := map[string]struct {
		alter func(in *prover.Input)
		say   string
	}{
		"block: root": {func(in *prover.Input) {
			in.Block = spoilBlock(t, in.Block, func(b *chain.Block) { b.Header.StateRoot[5] ^= 1 })
		}, "stateRoot"},
		"block: transaction": {func(in *prover.Input) { in.Block = spoilBlock(t, in.Block, func(b *chain.Block) { b.Txs = b.Txs[1:] }) }, "transactionsRoot"},
		"block: bytes":       {func(in *prover.Input) { in.Block = in.Block[:len(in.Block)-1] }, "corrupt block"},
		"witness: node":      {func(in *prover.Input) { in.Witness = spoil(in.Witness, len(in.Witness)-1) }, "missing trie node"},
		"witness: bytes":     {func(in *prover.Input) { in.Witness = in.Witness[:len(in.Witness)-1] }, "corrupt witness"},
		"diff":               {func(in *prover.Input) { in.Diff = spoil(in.Diff, len(in.Diff)/2) }, "diff of block"},
		"no diff":            {func(in *prover.Input) { in.Diff = nil }, "diff of block"},
	}
	for _, machine := range machines {
		t.Run(machine.name, func(t *testing.T) {
			b := machine.backend(t, task.config)
			for name, c := range cases {
				in := *task.in
				c.alter(&in)
				_, err := b.Prove(t.Context(), &in)
				require.ErrorIs(t, err, ErrRefused, name)
				require.ErrorContains(t, err, c.say, name)
				_, native := program.Check(t.Context(), &in, nil)
				require.ErrorContains(t, err, program.Line(native.Error()), name)
			}
		})
	}
}

// TestGuestByOtherRules: by the rules of another fork or chain the block does not
// hold. By rules that make no difference to it, it does; but under another name.
func TestGuestByOtherRules(t *testing.T) {
	made, err := bench.Generated(t.Context(), bench.ERC20(40, 3))
	require.NoError(t, err)
	task := newTask(t, made)
	for _, machine := range machines {
		t.Run(machine.name, func(t *testing.T) {
			genuine := machine.backend(t, task.config)

			earlier := *task.config
			earlier.PragueTime, earlier.OsakaTime = nil, nil
			_, err := machine.backend(t, &earlier).Prove(t.Context(), &prover.Input{
				ChainID: task.in.ChainID, Block: task.in.Block, Witness: task.in.Witness, Diff: task.in.Diff,
			})
			require.ErrorIs(t, err, ErrRefused)

			later, never := *task.config, uint64(1)<<62
			later.BPO1Time = &never
			later.BlobScheduleConfig = new(params.BlobScheduleConfig)
			*later.BlobScheduleConfig = *task.config.BlobScheduleConfig
			later.BlobScheduleConfig.BPO1 = params.DefaultBPO1BlobConfig
			same := machine.backend(t, &later)
			_, err = same.Prove(t.Context(), task.in)
			require.ErrorIs(t, err, chain.ErrMismatch, "the input names its rules")
			in := *task.in
			in.Config = nil
			out, err := same.Prove(t.Context(), &in)
			require.NoError(t, err)
			require.Equal(t, task.want, out.Public)
			require.NotEqual(t, genuine.Program(), same.Program())
		})
	}
}

// TestGuestReadsOneFrame gives the executable itself what no backend would.
func TestGuestReadsOneFrame(t *testing.T) {
	name := buildGuest(t, runtime.GOOS, runtime.GOARCH)
	for what, c := range map[string]struct{ stdin, say string }{
		"nothing":   {"", "corrupt input: head: 0 bytes of 20"},
		"noise":     {strings.Repeat("noise", 10), "corrupt input: begins with"},
		"too large": {"VZI1\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", "too large: input of 4294967295 bytes"},
		"one more":  {"VZI1" + strings.Repeat("\x00", 17), "corrupt input: bytes after its end"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, name)
		cmd.Stdin = strings.NewReader(c.stdin)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, what)
		require.Equal(t, program.ExitRefused, exit.ExitCode(), what)
		require.Empty(t, stdout, what)
		require.True(t, strings.HasPrefix(stderr.String(), c.say), "%s: %s", what, stderr.String())
		require.Equal(t, 1, strings.Count(stderr.String(), "\n"), what)
	}
}

func spoil(genuine []byte, at int) []byte {
	out := append([]byte(nil), genuine...)
	out[at] ^= 1
	return out
}

func spoilBlock(t *testing.T, genuine []byte, alter func(*chain.Block)) []byte {
	t.Helper()
	var b chain.Block
	require.NoError(t, b.UnmarshalBinary(genuine))
	alter(&b)
	raw, err := b.AppendBinary(nil)
	require.NoError(t, err)
	return raw
}
