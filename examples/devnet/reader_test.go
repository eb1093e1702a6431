package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A reader keeps what a program prints, to be looked at while it runs.
type reader struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *reader) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// address waits for the address of a door.
func (r *reader) address(t *testing.T, door string) (address string) {
	require.Eventually(t, func() bool {
		_, after, ok := strings.Cut(r.all(), "\n"+door+"  http://")
		if fields := strings.Fields(after); ok && len(fields) > 1 {
			address = fields[0]
		}
		return address != ""
	}, time.Minute, 5*time.Millisecond)
	return address
}
