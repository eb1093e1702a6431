package rpc

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What comes while a batch is being written goes out at once after it, in order; who
// finds the outbox full waits; and all memory is given back in the end, also of what
// was never written.
func TestOutbox(t *testing.T) {
	shared := &memory{limit: 1 << 20}
	a := newAllowance(shared)
	closed := make(chan struct{})
	o := newOutbox(a, closed)
	var (
		writes  [][]byte
		writing = make(chan struct{})
		goOn    = make(chan error)
		ended   = make(chan error, 1)
	)
	go func() {
		ended <- o.run(func(frames []byte) error {
			writes = append(writes, append([]byte(nil), frames...))
			writing <- struct{}{}
			return <-goOn
		})
	}()
	_, err := o.put([]byte("a"))
	require.NoError(t, err)
	<-writing
	_, err = o.put([]byte("b"), []byte("c"))
	require.NoError(t, err)
	last, err := o.put([]byte("d"))
	require.NoError(t, err)
	goOn <- nil
	<-writing
	require.Equal(t, [][]byte{[]byte("\x81\x01a"), []byte("\x81\x02bc\x81\x01d")}, writes)
	goOn <- nil
	<-last.written
	require.Zero(t, a.own.used.Load())

	require.NoError(t, o.wait(t.Context()))
	_, err = o.put(make([]byte, outboxBytes))
	require.NoError(t, err)
	<-writing
	_, err = o.put(make([]byte, 1<<16))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, o.wait(ctx), context.DeadlineExceeded, "it is full")
	require.Positive(t, shared.used.Load())
	broken := errors.New("broken")
	goOn <- broken
	require.ErrorIs(t, <-ended, broken)
	require.Zero(t, a.own.used.Load()+shared.used.Load())
	_, err = o.put([]byte("e"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Zero(t, a.own.used.Load()+shared.used.Load())
}

// Headers are those of RFC 6455, section 5.7.
func TestFrameHeader(t *testing.T) {
	for size, want := range map[int]string{
		0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 256: "\x81\x7e\x01\x00",
		65535: "\x81\x7e\xff\xff", 65536: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		require.Equal(t, want, string(appendFrameHeader(nil, size)), size)
	}
}
