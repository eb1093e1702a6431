package netlab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
)

func roundTrip(t testing.TB, c io.ReadWriter) {
	t.Helper()
	_, err := io.WriteString(c, "hello")
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
}

func TestKillAndRestart(t *testing.T) {
	l := newLab(t, Options{Nodes: 2, Dir: t.TempDir()})
	p := start(t, l.Node(0), child(t, "echo"))
	roundTrip(t, dial(t, l.Node(0), "127.0.0.1:7"))
	roundTrip(t, dial(t, l.Node(0), at(l.Node(0), 7)))
	require.Zero(t, traffic(t, l.Node(0)), "control is no traffic")
	over := dial(t, l.Node(1), at(l.Node(0), 7))
	roundTrip(t, over)
	require.NotZero(t, traffic(t, l.Node(0)).PacketsOut)

	_, err := p.Restart()
	require.ErrorIs(t, err, chain.ErrBusy)
	p.Kill()
	require.ErrorContains(t, p.Wait(t.Context()), "killed")
	require.ErrorIs(t, p.Signal(syscall.SIGTERM), chain.ErrClosed)
	_, err = over.Read(make([]byte, 1))
	require.Error(t, err, "the peer sees the end")
	_, err = l.Node(1).Dial(short(t), "tcp", at(l.Node(0), 7))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	p, err = p.Restart()
	require.NoError(t, err)
	roundTrip(t, dial(t, l.Node(1), at(l.Node(0), 7)))
	require.NoError(t, p.Stop(short(t)))
	require.Equal(t, "started\nstarted\ndrained\n", contents(t, p.Stdout))
	require.True(t, strings.HasPrefix(p.Stdout, l.Node(0).Dir()))
}

func TestStopKillsTheStubborn(t *testing.T) {
	l := newLab(t, Options{Nodes: 1})
	p := start(t, l.Node(0), child(t, "stubborn"))
	says(t, p, "started\n")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Stop(ctx), context.DeadlineExceeded)
	<-p.Done()
}

// The group ends with its leader, whatever that ended by.
func TestGroupEndsWithItsLeader(t *testing.T) {
	l := newLab(t, Options{Nodes: 1})
	p := start(t, l.Node(0), Command{Args: []string{"sh", "-c", "sleep 1000 & echo $!; exit 3"}})
	require.ErrorContains(t, p.Wait(short(t)), "exit status 3")
	requireGone(t, contents(t, p.Stdout))
}

func TestUsage(t *testing.T) {
	l := newLab(t, Options{Nodes: 1})
	p := start(t, l.Node(0), child(t, "burn"))
	says(t, p, "burnt\n")
	running := p.Usage()
	p.Kill()
	ended := p.Usage()
	t.Log(running, ended)
	for _, u := range []Usage{running, ended} {
		require.GreaterOrEqual(t, u.CPU, 300*time.Millisecond)
		require.Less(t, u.CPU, 600*time.Millisecond)
		require.GreaterOrEqual(t, u.MemoryMax, int64(64<<20))
		require.Less(t, u.MemoryMax, int64(512<<20))
	}
	start(t, l.Node(0), Command{Args: []string{"true"}})
	require.GreaterOrEqual(t, l.Node(0).Usage().CPU, ended.CPU)
	require.Equal(t, ended.MemoryMax, l.Node(0).Usage().MemoryMax)
}

func TestTwentyNodes(t *testing.T) {
	for name, fabric := range map[string]Fabric{"switch": Switch, "bridge": Bridge} {
		t.Run(name, func(t *testing.T) {
			o := Options{Nodes: 20, Fabric: fabric}
			if fabric == Switch {
				o.Conditions = Conditions{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}
			}
			l := newLab(t, o)
			var all []string
			for i := range l.Size() {
				all = append(all, at(l.Node(i), 9))
			}
			var processes []*Process
			for i := range l.Size() {
				processes = append(processes, start(t, l.Node(i), child(t, "mesh", all...)))
			}
			for i, p := range processes {
				says(t, p, "greeted 20\n")
				tr := traffic(t, l.Node(i))
				require.Greater(t, tr.PacketsOut, uint64(19*3))
				require.Greater(t, tr.PacketsIn, uint64(19*3))
				require.Zero(t, tr.Lost+tr.Overflow+tr.Cut)
			}
		})
	}
}

func TestBridgeHasNoConditions(t *testing.T) {
	l := newLab(t, Options{Nodes: 2, Fabric: Bridge})
	require.ErrorIs(t, l.Link(0, 1).Set(Conditions{}), errNoLink)
	require.ErrorIs(t, l.Partition([]int{0}), errNoConditions)
}

// A kernel without bridges, or without veth, is a reason to go without, and nothing stays.
func TestKernelWithoutBridges(t *testing.T) {
	newLab(t, Options{Nodes: 2, Fabric: Bridge}) // skips
	ip, err := exec.LookPath("ip")
	require.NoError(t, err)
	for _, kind := range []string{"bridge", "veth"} {
		dir := t.TempDir()
		script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *' type %s'*) echo 'Error: Unknown device type.' >&2; exit 2;; esac\nexec %s \"$@\"\n", kind, ip)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ip"), []byte(script), 0o755))
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		_, err := New(Options{Nodes: 2, Fabric: Bridge})
		require.ErrorIs(t, err, ErrUnsupported)
		require.ErrorContains(t, err, "Unknown device type")
	}
}

// A process may close the lab from within one of its nodes.
func TestTheBroomSparesThisProcess(t *testing.T) {
	newLab(t, Options{Nodes: 1}) // skips
	c := child(t, "inside")
	cmd := exec.CommandContext(short(t), c.Args[0])
	cmd.Env = append(os.Environ(), c.Env...)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "alive\n", string(out))
}

// requireGone is about processes by number, one a line.
func requireGone(t *testing.T, numbers string) {
	t.Helper()
	require.NotEmpty(t, numbers)
	for number := range strings.Lines(numbers) {
		require.Eventually(t, func() bool {
			state, err := os.ReadFile("/proc/" + strings.TrimSpace(number) + "/stat")
			return err != nil || strings.Contains(string(state), ") Z ")
		}, patience, 10*time.Millisecond, number)
	}
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return len(entries)
}

func TestNothingIsLeft(t *testing.T) {
	newLab(t, Options{Nodes: 1}) // whatever the runtime opens once
	descriptors, devices := count(t, "/proc/self/fd"), count(t, "/sys/class/net")
	l, err := New(Options{Nodes: 5})
	require.NoError(t, err)
	require.Greater(t, count(t, "/proc/self/fd"), descriptors)
	// One is a daemon: it left the group that it was started in.
	p := start(t, l.Node(4), Command{Args: []string{"sh", "-c", "setsid sleep 1000 & echo $!; echo $$; exec sleep 1000"}})
	require.Eventually(t, func() bool { return strings.Count(contents(t, p.Stdout), "\n") == 2 }, patience, 10*time.Millisecond)
	numbers := contents(t, p.Stdout)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())

	requireGone(t, numbers)
	require.NoDirExists(t, l.options.Dir)
	require.Equal(t, descriptors, count(t, "/proc/self/fd"))
	require.Equal(t, devices, count(t, "/sys/class/net"))
	_, err = l.Node(0).Start(child(t, "echo"))
	require.ErrorIs(t, err, chain.ErrClosed)
	_, err = l.Node(0).Dial(t.Context(), "tcp", "127.0.0.1:1")
	require.ErrorIs(t, err, chain.ErrClosed)
}

func TestNothingIsLeftAfterAPanic(t *testing.T) {
	newLab(t, Options{Nodes: 1}) // skips
	c := child(t, "panic")
	cmd := exec.CommandContext(short(t), c.Args[0])
	cmd.Env = append(os.Environ(), append(c.Env, "TMPDIR="+t.TempDir())...)
	out, err := cmd.Output()
	require.ErrorContains(t, err, "exit status 2")
	require.Equal(t, 3, strings.Count(string(out), "\n"))
	requireGone(t, string(out))
}

func TestLabsAreApart(t *testing.T) {
	a, b := newLab(t, Options{Nodes: 1}), newLab(t, Options{Nodes: 1})
	p := start(t, b.Node(0), child(t, "echo"))
	start(t, a.Node(0), child(t, "echo"))
	require.NoError(t, a.Close())
	roundTrip(t, dial(t, b.Node(0), "127.0.0.1:7"))
	require.NoError(t, p.Stop(short(t)))
}
