package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// A Command is what a process runs.
type Command struct {
	Args []string // the program, looked up as exec.Command does, and its arguments
	Env  []string // added to this process's own, "NAME=value"
	Dir  string   // working directory; by default this process's
}

// A Process is a child of this process, on a node. Its methods may be called from any
// goroutine.
type Process struct {
	// Stdout and Stderr are the files that hold what it writes.
	Stdout, Stderr string

	node    *Node
	command Command
	cmd     *exec.Cmd
	done    chan struct{}
	err     error // of the end; valid once done is closed

	mu    sync.Mutex // held to signal, and to let the number of the process go
	ended bool
}

// Usage is what processes have used.
type Usage struct {
	// CPU is user and system time. Of a process that runs it is its own; of one that
	// has ended, as rusage has it, also its children's that it waited for.
	CPU time.Duration
	// MemoryMax is the most memory it had resident at once, in bytes.
	MemoryMax int64
}

// Start starts a process on the node, as leader of a process group of its own. What
// it writes goes to files. When it ends, whatever is left of its group is killed.
func (n *Node) Start(c Command) (*Process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(c.Args) == 0 {
		return nil, errors.New("netlab: a command without a program")
	}
	name := fmt.Sprintf("%d-%s", len(n.processes), filepath.Base(c.Args[0]))
	return n.start(&Process{
		Stdout: filepath.Join(n.dir, name+".stdout"), Stderr: filepath.Join(n.dir, name+".stderr"),
		node: n, command: c,
	})
}

// start is called with the node's lock held.
func (n *Node) start(p *Process) (*Process, error) {
	if n.closed {
		return nil, fmt.Errorf("netlab: node %d: %w", n.index, chain.ErrClosed)
	}
	p.cmd = exec.Command(p.command.Args[0], p.command.Args[1:]...)
	p.cmd.Env = append(os.Environ(), p.command.Env...)
	p.cmd.Dir = p.command.Dir
	for _, out := range []struct {
		name string
		to   *io.Writer
	}{{p.Stdout, &p.cmd.Stdout}, {p.Stderr, &p.cmd.Stderr}} {
		f, err := os.OpenFile(out.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, fmt.Errorf("netlab: node %d: %w", n.index, err)
		}
		defer f.Close() // the child has it
		*out.to = f
	}
	lead(p.cmd)
	if err := n.space.do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("netlab: node %d: %w", n.index, err)
	}
	p.done = make(chan struct{})
	n.processes = append(n.processes, p)
	go p.await()
	return p, nil
}

// await ends the group with its leader: while that is not yet waited for, no other
// group can have its number.
func (p *Process) await() {
	defer close(p.done)
	awaitEnd(p.cmd.Process.Pid)
	p.mu.Lock()
	p.ended = true
	_ = signalGroup(p.cmd.Process.Pid, syscall.SIGKILL) // nobody may be left
	p.mu.Unlock()
	p.err = p.cmd.Wait()
}

// PID is its number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to its process group. It wraps chain.ErrClosed if the
// process has ended.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return fmt.Errorf("netlab: process %d has ended: %w", p.PID(), chain.ErrClosed)
	}
	return signalGroup(p.PID(), s)
}

// Kill ends its process group by SIGKILL and waits until the process is gone. One
// that has ended stays as it is.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL) // whoever has ended need not be killed
	<-p.done
}

// Stop sends SIGTERM and waits for the end, of which it returns what Wait does. One
// that still runs when ctx ends is killed; the error then wraps that of ctx.
func (p *Process) Stop(ctx context.Context) error {
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("netlab: process %d did not end by SIGTERM: %w", p.PID(), ctx.Err())
	}
}

// Wait waits for the end of the process and returns what exec.Cmd.Wait says of it:
// nil if it exited with 0. If ctx ends before, it returns ctx's error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Restart starts the command of a process that has ended again; what it writes
// is appended to the same files.
func (p *Process) Restart() (*Process, error) {
	select {
	case <-p.done:
	default:
		return nil, fmt.Errorf("netlab: process %d runs: %w", p.PID(), chain.ErrBusy)
	}
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	return p.node.start(&Process{Stdout: p.Stdout, Stderr: p.Stderr, node: p.node, command: p.command})
}

// Usage is what the process has used so far.
func (p *Process) Usage() Usage {
	p.mu.Lock()
	if !p.ended {
		defer p.mu.Unlock()
		return usageOf(p.PID())
	}
	p.mu.Unlock()
	<-p.done
	return usageAtEnd(p.cmd.ProcessState)
}
