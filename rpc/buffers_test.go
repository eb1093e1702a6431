package rpc

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A large body that comes after another of its size takes no memory of its own.
func TestBuffersAreRecycled(t *testing.T) {
	body := strings.Repeat(" ", 3<<20)
	door := &Server{turns: newTurns(1)}
	door.memory.limit = 1 << 30
	read := func() {
		in := &intake{door: door, allowance: newAllowance(&door.memory)}
		require.NoError(t, in.readAll(strings.NewReader(body), 5<<20))
		require.Equal(t, body, string(in.body))
		in.forget()
	}
	read()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 20
	for range n {
		read()
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*n*len(body)), "the test's own copy, and less than one more")
	require.Zero(t, door.memory.used.Load())
}
