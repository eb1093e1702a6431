package zkvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/vivace-chain/vivace/prover/zkvm/program"
)

const (
	// stderrMax is the most bytes that a command may say beside its output.
	stderrMax = 64 << 10
	// pipesWait is how long the pipes of a command that ended are waited for: a
	// child of its own may hold them.
	pipesWait = time.Second
)

// run starts the command, gives it stdin and returns what it wrote. Nothing of it is
// left when run returns.
func run(ctx context.Context, config *Config, stdin io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, config.Timeout, fmt.Errorf("takes longer than %s", config.Timeout))
	defer cancel()
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)

	cmd := exec.CommandContext(ctx, config.Command[0], config.Command[1:]...)
	group(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = pipesWait
	cmd.Env = config.Env
	cmd.Stdin = stdin
	stdout := &bounded{name: "output", max: program.PublicMax + config.ProofMax, kill: kill}
	stderr := &bounded{name: "standard error", max: stderrMax, kill: kill}
	cmd.Stdout, cmd.Stderr = stdout, stderr

	if err := cmd.Start(); err != nil {
		return nil, trouble(err)
	}
	err := cmd.Wait()
	_ = killGroup(cmd) // children that outlive it; mostly there are none
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, trouble(fmt.Errorf("%s: %w", cmd.Path, context.Cause(ctx)))
	case errors.As(err, &exit) && exit.ExitCode() == program.ExitRefused:
		return nil, fmt.Errorf("%w: %s", ErrRefused, firstLine(stderr.buf.Bytes()))
	case err != nil:
		return nil, trouble(fmt.Errorf("%s: %w: %s", cmd.Path, err, firstLine(stderr.buf.Bytes())))
	}
	return stdout.buf.Bytes(), nil
}

// bounded keeps what is written, up to max bytes; with more the command is killed.
type bounded struct {
	name string
	max  int
	kill context.CancelCauseFunc
	buf  bytes.Buffer
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.max-b.buf.Len() {
		err := fmt.Errorf("%s has more than %d bytes", b.name, b.max)
		b.kill(err)
		return 0, err
	}
	return b.buf.Write(p)
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte{'\n'})
	return program.Line(string(line))
}
