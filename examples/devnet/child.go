package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vivace-chain/vivace/examples/internal/cli"
	"github.com/vivace-chain/vivace/examples/internal/role"
)

// roles are the programs that this one is when it is started by itself, by its first
// argument.
var roles = map[string]func([]string) int{
	"role-sequencer": role.Sequencer,
	"role-fullnode":  role.Fullnode,
	"role-prover":    role.Prover,
}

// becomeRole does not return if this program was started as a role.
func becomeRole() {
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		return
	}
	go endWith(os.Stdin)
	os.Exit(roles[os.Args[1]](os.Args[2:]))
}

// endWith ends this process when lifeline does: as SIGTERM would, and if that takes too
// long, at once.
func endWith(lifeline io.Reader) {
	_, _ = io.Copy(io.Discard, lifeline)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(syscall.SIGTERM) == nil {
		time.Sleep(2 * stopPatience) // longer than a parent that lives waits
	}
	os.Exit(cli.ExitError)
}

// A child is this program in a process of its own, as a role. What it prints is read; its
// log and its process id are in files of a directory.
//
// Its standard input is its lifeline: a pipe in which nothing ever is, and whose end asks
// it to end. We end it by closing that, and however we end, the system closes it for us:
// no child outlives a devnet that was killed. Linux can send a signal when a parent dies,
// but counts the thread that started the child as the parent; other systems cannot.
type child struct {
	name     string
	cmd      *exec.Cmd
	idFile   string
	lifeline io.Closer
	lines    chan string // of standard output, until it ends or nobody reads
	ended    chan struct{}
	err      error // when ended
}

const (
	// startPatience is how long a program may take to say where it is.
	startPatience = 30 * time.Second
	// stopPatience is how long one may take to end when it is asked to.
	stopPatience = 30 * time.Second
)

// startChild starts a role. If it returns a child, that has to be stopped, also with an
// error.
func startChild(dir, name, role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	c := &child{
		name: name, cmd: exec.Command(self, append([]string{role}, args...)...), idFile: filepath.Join(dir, name+".pid"),
		lines: make(chan string, 1000), ended: make(chan struct{}),
	}
	c.cmd.Stderr, c.cmd.SysProcAttr = log, apart
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.lifeline, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.read(out)
	return c, os.WriteFile(c.idFile, []byte(strconv.Itoa(c.cmd.Process.Pid)+"\n"), 0o600)
}

// read reads what the child prints until it has ended.
func (c *child) read(out io.Reader) {
	defer close(c.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		select {
		case c.lines <- lines.Text():
		default:
		}
	}
	c.err = c.cmd.Wait()
}

// says waits for a line that begins so, and returns it.
func (c *child) says(ctx context.Context, prefix string) (string, error) {
	patience := time.After(startPatience)
	for {
		select {
		case line := <-c.lines:
			if strings.HasPrefix(line, prefix) {
				return line, nil
			}
		case <-c.ended:
			return "", fmt.Errorf("%s: ended: %w", c.name, errors.Join(c.err, errors.New("see its log")))
		case <-patience:
			return "", fmt.Errorf("%s: said nothing for %s", c.name, startPatience)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// door waits until the child says, in a line that begins so, at which address its door is.
func (c *child) door(ctx context.Context, prefix string) (url string, err error) {
	line, err := c.says(ctx, prefix)
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(line, "http://")
	at, _, _ := strings.Cut(rest, " ")
	return "http://" + strings.TrimSuffix(at, ","), nil
}

// failed is what is wrong if the child has ended by itself.
func (c *child) failed() error {
	select {
	case <-c.ended:
		return fmt.Errorf("%s ended by itself: %v", c.name, c.err)
	default:
		return nil
	}
}

// stop asks the child to end, and waits. One that does not end in time is killed, which is
// an error, as is an exit code.
func (c *child) stop() error {
	_ = c.lifeline.Close() // an error says that it has ended
	defer os.Remove(c.idFile)
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		_ = c.cmd.Process.Kill()
		<-c.ended
		return fmt.Errorf("%s did not end within %s", c.name, stopPatience)
	}
	if c.err != nil {
		return fmt.Errorf("%s: %w", c.name, c.err)
	}
	return nil
}
