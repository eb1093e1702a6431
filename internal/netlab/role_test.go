package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// roles are what this test's binary does as a child, by the value of NETLAB_ROLE.
var roles = map[string]func(args []string){
	"echo": echo, "stubborn": stubborn, "mesh": mesh, "burn": burn, "panic": panicking, "inside": inside, "send": send, "sink": sink,
}

const patience = 30 * time.Second // the machine may be busy

func TestMain(m *testing.M) {
	if role := roles[os.Getenv("NETLAB_ROLE")]; role != nil {
		role(os.Args[1:])
		return
	}
	goleak.VerifyTestMain(m)
}

// newLab is closed at the end of the test.
func newLab(t testing.TB, o Options) *Lab {
	t.Helper()
	l, err := New(o)
	if errors.Is(err, ErrUnsupported) && (o.Fabric == Bridge || os.Getenv("CI") != "true") {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func child(t testing.TB, role string, args ...string) Command {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return Command{Args: append([]string{self}, args...), Env: []string{"NETLAB_ROLE=" + role}}
}

func start(t testing.TB, n *Node, c Command) *Process {
	t.Helper()
	p, err := n.Start(c)
	require.NoError(t, err)
	return p
}

func short(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial tries until somebody listens.
func dial(t testing.TB, n *Node, address string) net.Conn {
	t.Helper()
	var conn net.Conn
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		conn, err = n.Dial(ctx, "tcp", address)
		return err == nil
	}, patience, 10*time.Millisecond)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

func at(n *Node, port int) string { return net.JoinHostPort(n.Addr().String(), strconv.Itoa(port)) }

func contents(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// says waits until it is what the process has written.
func says(t testing.TB, p *Process, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); contents(t, p.Stdout) != want; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "want %q: %q, %q", want, contents(t, p.Stdout), contents(t, p.Stderr))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// echo answers on port 7 what it is sent, and drains on SIGTERM.
func echo([]string) {
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	l, err := net.Listen("tcp", ":7")
	must(err)
	fmt.Println("started")
	go func() {
		for {
			c, err := l.Accept()
			must(err)
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	<-terms
	fmt.Println("drained")
}

func stubborn([]string) {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("started")
	time.Sleep(time.Hour)
}

// mesh greets every address it is given, its own among them, and waits until it has
// been greeted as often.
func mesh(addresses []string) {
	l, err := net.Listen("tcp", ":9")
	must(err)
	for _, a := range addresses {
		go func() {
			for {
				c, err := net.DialTimeout("tcp", a, time.Second)
				if err != nil {
					time.Sleep(20 * time.Millisecond) // not yet there
					continue
				}
				_, err = io.WriteString(c, "hello")
				must(errors.Join(err, c.Close()))
				return
			}
		}()
	}
	for range addresses {
		c, err := l.Accept()
		must(err)
		b, err := io.ReadAll(c)
		must(err)
		if string(b) != "hello" {
			panic(b)
		}
	}
	fmt.Println("greeted", len(addresses))
	time.Sleep(time.Hour) // others may not yet be through
}

// burn takes 300 ms of CPU and 64 MiB.
func burn([]string) {
	memory := make([]byte, 64<<20)
	for usageOf(os.Getpid()).CPU < 300*time.Millisecond {
		for i := 0; i < len(memory); i += 512 {
			memory[i]++
		}
	}
	fmt.Println("burnt")
	time.Sleep(time.Hour)
}

// panicking makes a lab with processes in and out of the group that it knows, says
// their numbers, and panics.
func panicking([]string) {
	l, err := New(Options{Nodes: 2})
	must(err)
	p, err := l.Node(1).Start(Command{Args: []string{"sh", "-c", "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; echo $$; wait"}})
	must(err)
	for {
		out, err := os.ReadFile(p.Stdout)
		must(err)
		if strings.Count(string(out), "\n") == 3 {
			fmt.Print(string(out))
			panic("at the disco")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func init() {
	if os.Getenv("NETLAB_ROLE") == "inside" {
		runtime.LockOSThread() // main is on the process's first thread, and stays there
	}
}

// inside closes the lab while the thread that stands for this process in /proc is in
// the namespace of a node.
func inside([]string) {
	l, err := New(Options{Nodes: 1})
	must(err)
	must(l.Node(0).inside(l.Close))
	fmt.Println("alive")
}

// send writes until the connection is closed.
func send(args []string) {
	c, err := net.Dial("tcp", args[0])
	must(err)
	b := make([]byte, 64<<10)
	for err == nil {
		_, err = c.Write(b)
	}
}

// sink reads as much as it is told.
func sink(args []string) {
	size, err := strconv.ParseInt(args[0], 10, 64)
	must(err)
	l, err := net.Listen("tcp", ":9")
	must(err)
	c, err := l.Accept()
	must(err)
	_, err = io.CopyN(io.Discard, c, size)
	must(err)
}
