package state_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

var temp string

func tempDir() string { return temp }

// TestMain gives the examples a directory that goes away after them, and sees that
// no goroutine is left.
func TestMain(m *testing.M) {
	var err error
	if temp, err = os.MkdirTemp("", "vivace-state"); err != nil {
		panic(err)
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	os.RemoveAll(temp)
	if code == 0 {
		code = leaks(before)
	}
	os.Exit(code)
}

// leaks is 1 if more goroutines are left than before. A leak finder would put two
// more lines into the go.sum of whoever imports this package.
func leaks(before int) (code int) {
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", stacks[:runtime.Stack(stacks, true)])
	return 1
}
