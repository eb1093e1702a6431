package links

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// patience is how long anything may take that does happen: the machine may be busy.
const patience = time.Minute

// roles are what this binary does as a child, by the value of LINKS_ROLE.
var roles = map[string]func(ctx context.Context, args []string) error{"observer": observe, "rogue": harass, "perjurer": perjure}

func TestMain(m *testing.M) {
	if role := roles[os.Getenv("LINKS_ROLE")]; role != nil {
		os.Exit(play(role))
	}
	code := m.Run()
	forget()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// play plays a role until the process is asked to end.
func play(role func(context.Context, []string) error) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := role(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// role is the command of a child of this binary, which is given something as JSON and
// further arguments.
func role(t testing.TB, name string, given any, args ...string) netlab.Command {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	text, err := json.Marshal(given)
	require.NoError(t, err)
	return netlab.Command{Args: append([]string{self, string(text)}, args...), Env: []string{"LINKS_ROLE=" + name}}
}

// rounds is how often each harm is done to each role: VIVACE_LINKS times, once in the
// reduced size.
func rounds() int {
	n, _ := strconv.Atoi(os.Getenv("VIVACE_LINKS"))
	return max(1, n)
}

// full reports whether the tests run in their full size.
func full() bool { return os.Getenv("VIVACE_LINKS") != "" }

// sized is reduced, or whole if the tests run in full.
func sized[T any](reduced, whole T) T {
	if full() {
		return whole
	}
	return reduced
}

// program is the path of one of the programs, which are built once.
func program(t testing.TB, name string) string {
	t.Helper()
	dir, err := programs()
	require.NoError(t, err)
	return filepath.Join(dir, name)
}

var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "programs-")
	if err != nil {
		return "", err
	}
	forget = func() { os.RemoveAll(dir) }
	const examples = "github.com/vivace-chain/vivace/examples/"
	out, err := exec.Command("go", "build", "-o", dir, examples+"sequencer", examples+"fullnode", examples+"prover").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return dir, err
})

// forget removes what programs made.
var forget = func() {}

// newLab is closed at the end of the test, which is skipped where there is no lab, unless
// somebody asked for one. A bridge is left out also then: few need it.
func newLab(t testing.TB, o netlab.Options) *netlab.Lab {
	t.Helper()
	lab, err := netlab.New(o)
	if errors.Is(err, netlab.ErrUnsupported) && (o.Fabric == netlab.Bridge || !asked()) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lab.Close()) })
	return lab
}

// asked reports whether tests without a lab are worth nothing.
func asked() bool {
	return os.Getenv("CI") == "true" || os.Getenv("VIVACE_LINKS") != "" || os.Getenv("VIVACE_MEASURE") != ""
}
