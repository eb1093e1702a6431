package zkvm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/params"
)

// Config says what is run. Guest and Chain are required.
type Config struct {
	// Guest is the file of the guest's executable. It is read when the Backend is
	// made; one that is replaced afterwards is noticed, and not used.
	Guest string
	// Chain is the chain's rules, which become part of the Program. Not altered
	// after.
	Chain *params.ChainConfig
	// Command is the program that runs the guest and its first arguments; the
	// guest's path becomes the last. Default: qemu-riscv64 with 4 GiB for the guest
	// and nothing that it could load from the host.
	Command []string
	// Env is the whole environment of the command. Default: one thread that Go code
	// runs on, and no preemption, so that two runs do the same.
	Env []string
	// Timeout is how long a run may take. Default 5 minutes.
	Timeout time.Duration
	// ProofMax is the most bytes of a proof. Default 0: the command makes none.
	ProofMax int
}

var (
	defaultCommand = []string{"qemu-riscv64", "-R", "0x100000000", "-L", "/nonexistent"}
	defaultEnv     = []string{"GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1"}
)

// Validate reports the first thing that is missing or wrong, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Guest == "":
		return errors.New("zkvm: Config.Guest is required")
	case c.Chain == nil:
		return errors.New("zkvm: Config.Chain is required")
	case c.ProofMax < 0:
		return fmt.Errorf("zkvm: Config.ProofMax is %d", c.ProofMax)
	}
	return nil
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Command) == 0 {
		c.Command = defaultCommand
	}
	if c.Env == nil {
		c.Env = defaultEnv
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Minute
	}
	var err error
	if c.Guest, err = filepath.Abs(c.Guest); err != nil {
		return c, fmt.Errorf("zkvm: guest: %w", err)
	}
	// The command's own environment has no PATH to find it by.
	name, err := exec.LookPath(c.Command[0])
	if err != nil {
		return c, fmt.Errorf("zkvm: command: %w", err)
	}
	c.Command = slices.Concat([]string{name}, c.Command[1:], []string{c.Guest})
	return c, nil
}

// A guest is the executable as it was when it was read.
type guest struct {
	info  os.FileInfo
	bytes []byte
}

func readGuest(name string) (*guest, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("zkvm: guest: %w", err)
	}
	executable, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("zkvm: guest: %w", err)
	}
	return &guest{info, executable}, nil
}
