package program

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/prover"
)

func frame(t testing.TB, in *prover.Input) []byte {
	t.Helper()
	r, err := InputReader(in)
	require.NoError(t, err)
	raw, err := io.ReadAll(r)
	require.NoError(t, err)
	return raw
}

var sample = &prover.Input{Config: []byte("{}"), Block: []byte("block"), Witness: []byte("witness"), Diff: []byte("d")}

// head is that of a frame with these lengths.
func head(sizes ...uint32) []byte {
	raw := []byte("VZI1")
	for _, size := range sizes {
		raw = binary.BigEndian.AppendUint32(raw, size)
	}
	return raw
}

func TestInput(t *testing.T) {
	raw := frame(t, sample)
	require.Equal(t, append(head(2, 5, 7, 1), "{}blockwitnessd"...), raw)
	got, err := ReadInput(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, sample, got)

	// What is appended to one part does not reach the next.
	_ = append(got.Block, 'x')
	require.Equal(t, sample.Witness, got.Witness)
}

func TestInputRefuses(t *testing.T) {
	raw := frame(t, sample)
	for n := range raw {
		_, err := ReadInput(bytes.NewReader(raw[:n]))
		require.ErrorIs(t, err, chain.ErrCorrupt, "%d bytes", n)
	}
	_, err := ReadInput(bytes.NewReader(append(bytes.Clone(raw), 0)))
	require.ErrorIs(t, err, chain.ErrCorrupt, "a byte after the end")
	raw[3] = '2'
	_, err = ReadInput(bytes.NewReader(raw))
	require.ErrorIs(t, err, chain.ErrCorrupt, "another version")
}

// counter counts the bytes that are taken from it.
type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// TestInputSizes: what is too large is refused when its head is read; nothing more
// is read then, and no memory taken.
func TestInputSizes(t *testing.T) {
	for name, sizes := range map[string][]uint32{
		"rules":          {RulesMax + 1, 0, 0, 0},
		"block":          {0, InputMax + 1, 0, 0},
		"all together":   {1, InputMax / 2, InputMax / 4, InputMax / 4},
		"over 32 bits":   {0, 1<<32 - 1, 1, 0},
		"over all sizes": {1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<32 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			r := &counter{Reader: io.MultiReader(bytes.NewReader(head(sizes...)), endless{})}
			runtime.ReadMemStats(&before)
			_, err := ReadInput(r)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, chain.ErrTooLarge)
			require.Equal(t, inputHead, r.n)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
		})
	}
	_, err := InputReader(&prover.Input{Config: make([]byte, RulesMax+1)})
	require.ErrorIs(t, err, chain.ErrTooLarge)
	_, err = InputReader(&prover.Input{Diff: make([]byte, InputMax), Block: make([]byte, 1)})
	require.ErrorIs(t, err, chain.ErrTooLarge)

	// The largest that is allowed is.
	largest := &prover.Input{Config: make([]byte, RulesMax), Block: make([]byte, InputMax-RulesMax)}
	got, err := ReadInput(bytes.NewReader(frame(t, largest)))
	require.NoError(t, err)
	require.Len(t, got.Block, len(largest.Block))
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// failing gives an error after what it has.
type failing struct{ io.Reader }

var errDisk = errors.New("disk")

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errDisk
	}
	return n, err
}

// TestInputPassesErrors: trouble with the pipe is not taken for a bad frame.
func TestInputPassesErrors(t *testing.T) {
	raw := frame(t, sample)
	for n := range len(raw) + 1 {
		_, err := ReadInput(failing{bytes.NewReader(raw[:n])})
		require.ErrorIs(t, err, errDisk, "after %d bytes", n)
		require.NotErrorIs(t, err, chain.ErrCorrupt)
	}
}

// FuzzInput: what is read is written the same, and what is not is refused with the
// errors that are promised.
func FuzzInput(f *testing.F) {
	f.Add(frame(f, sample))
	f.Add(head(0, 0, 0, 0))
	f.Add(head(0, InputMax, 0, 0))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := ReadInput(bytes.NewReader(raw))
		if err != nil {
			require.True(t, errors.Is(err, chain.ErrCorrupt) || errors.Is(err, chain.ErrTooLarge), err)
			return
		}
		require.Equal(t, raw, frame(t, in))
	})
}
