package history

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crashDir names the store that the process of TestCrash writes to until it is killed.
const crashDir = "VIVACE_HISTORY_CRASH_DIR"

// crashWorld makes the same blocks in both processes.
func crashWorld(tb testing.TB, dir string) *world {
	return newWorld(tb, shape{txs: 40, logs: 3, data: 100, addresses: 5, topics: 20}, func(c *Config) {
		c.Dir = dir
		if strings.HasSuffix(dir, "pruned") {
			c.KeepBlocks = 25
		}
	})
}

// TestCrashWriter is the process that TestCrash kills. It repeats the chain from the
// start, as a writer does that recovers, and goes on; it says what is persisted.
func TestCrashWriter(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("it runs as a process of TestCrash")
	}
	w := crashWorld(t, dir)
	for {
		w.give(w.block())
		if w.pace.IntN(3) == 0 {
			w.persist()
			fmt.Printf("\npersisted %d\n", w.parent.Number)
		}
	}
}

// After kill -9 at any moment the store opens and has all that Persist returned for.
func TestCrash(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 5
	}
	for _, name := range []string{"all", "pruned"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var (
				dir       = t.TempDir() + "/" + name
				rng       = rand.New(rand.NewPCG(5, 6))
				persisted uint64
			)
			for range kills {
				persisted = runAndKill(t, dir, persisted, time.Duration(rng.IntN(100))*time.Millisecond)
				w := crashWorld(t, dir)
				head := w.store.Head().Number
				require.GreaterOrEqual(t, head, persisted)
				w.expect(head)
				w.check()
				for range 5 {
					w.checkLogs(w.query())
				}
				require.NoError(t, w.store.Close())
			}
			t.Logf("%d blocks after %d kills", persisted, kills)
		})
	}
}

// expect makes the blocks that the store has, up to head.
func (w *world) expect(head uint64) {
	for w.parent.Number < head {
		if b := w.block(); b.Number() < w.store.Oldest() {
			delete(w.blocks, b.Number())
		}
	}
}

// runAndKill kills the writer some time after it first persisted more than what was
// before, and returns the newest block that it said was persisted.
func runAndKill(t *testing.T, dir string, before uint64, after time.Duration) (persisted uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashWriter$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "persisted "); ok {
			n, err := strconv.ParseUint(text, 10, 64)
			require.NoError(t, err)
			if n > before && persisted <= before {
				time.AfterFunc(after, func() { cmd.Process.Kill() }) // SIGKILL
			}
			persisted = n
		}
	}
	require.Error(t, cmd.Wait(), "it ended by itself")
	require.Greater(t, persisted, before)
	return persisted
}
