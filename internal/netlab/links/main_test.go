package links

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vivace-chain/vivace/internal/netlab"
)

// patience is how long anything may take that does happen: the machine may be busy.
const patience = time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(observerRole) != "" {
		os.Exit(observe(os.Args[1:]))
	}
	code := m.Run()
	forget()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// full reports whether the tests run in their full size.
func full() bool { return os.Getenv("VIVACE_LINKS") == "full" }

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

// newLab is closed at the end of the test, which is skipped where there is no lab.
func newLab(t testing.TB, o netlab.Options) *netlab.Lab {
	t.Helper()
	lab, err := netlab.New(o)
	if errors.Is(err, netlab.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lab.Close()) })
	return lab
}
