package state_test

import (
	"os"
	"testing"
)

var temp string

func tempDir() string { return temp }

// TestMain gives the examples a directory that goes away after them.
func TestMain(m *testing.M) {
	var err error
	if temp, err = os.MkdirTemp("", "vivace-state"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(temp)
	os.Exit(code)
}
