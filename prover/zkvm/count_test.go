//go:build unix

package zkvm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/bench"
)

// pluginVersions is how many versions of QEMU's interface are tried: 7.2 takes 0 and
// 1, 10.0 wants a later one. What the plugin uses is the same in all.
const pluginVersions = 9

// A plugin counts the instructions of a command.
type plugin struct{ library, counts string }

// args go before the guest's path.
func (p *plugin) args() []string { return []string{"-plugin", p.library + ",out=" + p.counts} }

// total is what the last run counted, over all threads.
func (p *plugin) total(t *testing.T) (sum uint64) {
	t.Helper()
	text, err := os.ReadFile(p.counts)
	require.NoError(t, err)
	require.NotEmpty(t, text)
	for line := range strings.Lines(string(text)) {
		var vcpu, n uint64
		_, err := fmt.Sscanf(line, "%d %d\n", &vcpu, &n)
		require.NoError(t, err)
		sum += n
	}
	require.NoError(t, os.Remove(p.counts))
	return sum
}

// buildPlugin compiles the plugin for the first version that this QEMU takes, or ends
// the test with what it says.
func buildPlugin(t *testing.T) *plugin {
	t.Helper()
	var (
		qemu = find(t, "qemu-riscv64", "qemu-user")
		gcc  = find(t, "gcc", "gcc")
		dir  = t.TempDir()
		p    = &plugin{filepath.Join(dir, "count.so"), filepath.Join(dir, "counts")}
		said []byte
	)
	for version := 1; version <= pluginVersions; version++ {
		out, err := exec.CommandContext(t.Context(), gcc, "-O2", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
			fmt.Sprintf("-DVERSION=%d", version), "-o", p.library, filepath.Join("count", "count.c")).CombinedOutput()
		require.NoError(t, err, string(out))
		if said, err = exec.CommandContext(t.Context(), qemu, append(p.args(), writeLoop(t, 1))...).CombinedOutput(); err == nil {
			t.Logf("interface version %d", version)
			require.Positive(t, p.total(t))
			return p
		}
	}
	word := fmt.Sprintf("%s takes no plugin of the versions 1 to %d: %s", qemu, pluginVersions, said)
	if os.Getenv(guestVariable) != "" {
		t.Fatal(word)
	}
	t.Skip(word)
	return nil
}

// writeLoop makes an executable for riscv64 that counts down from pages*4096 and then
// ends; loopLength is how many instructions that takes.
func writeLoop(t *testing.T, pages uint32) (name string) {
	t.Helper()
	code := []uint32{
		0x00000537 | pages<<12, // lui  a0, pages
		0xfff50513,             // addi a0, a0, -1
		0xfe051ee3,             // bnez a0, -4
		0x05e00893,             // li   a7, 94 (exit_group)
		0x00000513,             // li   a0, 0
		0x00000073,             // ecall
	}
	const base, head = 0x10000, 64 + 56
	file := new(bytes.Buffer)
	file.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	for _, part := range []any{
		[]uint16{2, 243}, uint32(1), []uint64{base + head, 64, 0}, uint32(0), []uint16{64, 56, 1, 0, 0, 0}, // executable, RISC-V
		[]uint32{1, 5}, []uint64{0, base, base, head + uint64(4*len(code)), head + uint64(4*len(code)), 4096}, // loaded, may be read and run
		code,
	} {
		require.NoError(t, binary.Write(file, binary.LittleEndian, part))
	}
	name = filepath.Join(t.TempDir(), "loop")
	require.NoError(t, os.WriteFile(name, file.Bytes(), 0o700))
	return name
}

func loopLength(pages uint64) uint64 { return 2*4096*pages + 4 }

// TestCountIsExact: of a program of which every instruction is known, none is missed.
func TestCountIsExact(t *testing.T) {
	p := buildPlugin(t)
	for _, pages := range []uint32{1, 2, 1000} {
		out, err := exec.CommandContext(t.Context(), "qemu-riscv64", append(p.args(), writeLoop(t, pages))...).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, loopLength(uint64(pages)), p.total(t))
	}
	out, err := exec.CommandContext(t.Context(), "qemu-riscv64", "-plugin", p.library, writeLoop(t, 1)).CombinedOutput()
	require.Error(t, err, "no file to write to")
	require.Contains(t, string(out), "count: the one argument is out=FILE")
}

// TestInstructions prints what the check of a block costs in a machine. What a guest
// does before it has read anything is printed beside; the rest is the same at every
// run, but for what Go's own threads do.
func TestInstructions(t *testing.T) {
	p := buildPlugin(t)
	count := func(t *testing.T, task *task) uint64 {
		b := emulated(t, task.config)
		b.config.Command = slices.Insert(slices.Clone(b.config.Command), 1, p.args()...)
		_, err := b.Prove(t.Context(), task.in)
		require.NoError(t, err)
		return p.total(t)
	}
	begin := func(t *testing.T) uint64 {
		cmd := exec.CommandContext(t.Context(), "qemu-riscv64", append(p.args(), buildGuest(t, "linux", "riscv64"))...)
		cmd.Env = defaultEnv
		require.Error(t, cmd.Run(), "it has no input")
		return p.total(t)
	}
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			workload, err := w.load(t)
			require.NoError(t, err)
			task := newTask(t, workload)
			empty, first, second := begin(t), count(t, task), count(t, task)
			t.Logf("%s: %s instructions, of which %s to begin (again: %+.2g %%); %d gas; %s instructions a gas",
				workload.Name, digits(float64(first)), digits(float64(empty)), 100*(float64(second)/float64(first)-1),
				task.gas, digits(float64(first)/float64(task.gas)))
			require.Less(t, empty, first/2)
			require.InEpsilon(t, first, second, 0.01)
		})
	}
	t.Run("more", func(t *testing.T) {
		var last uint64
		for _, txs := range []int{1, 10, 40} {
			made, err := bench.Generated(t.Context(), bench.ERC20(40, txs))
			require.NoError(t, err)
			next := count(t, newTask(t, made))
			require.Greater(t, next, last, "%d transactions", txs)
			last = next
		}
	})
}

// digits writes x with three of them: more are not to be believed.
func digits(x float64) string {
	for _, unit := range []struct {
		one  float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if x >= 0.9995*unit.one { // what is rounded up to one is one
			return fmt.Sprintf("%.3g%s", x/unit.one, unit.name)
		}
	}
	return fmt.Sprintf("%.3g", x)
}

func TestDigits(t *testing.T) {
	for x, want := range map[float64]string{511_900_000: "512 M", 2_671_000_000: "2.67 G", 41.46: "41.5", 1234: "1.23 k", 999_900: "1 M"} {
		require.Equal(t, want, digits(x))
	}
}
