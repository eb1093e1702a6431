package rpc

import (
	"context"
	"encoding/binary"
	"io"
	"sync"

	"github.com/gorilla/websocket"
)

// outboxBytes is how much may wait in an outbox before those who have more wait: with
// as much again that is being written, and counted twice for its copies, it is what a
// connection may take without asking.
const outboxBytes = connectionBytes / 4

// An outbox holds what streams have for a socket until it is written: all that there
// is, at once. Who brings something waits for the client only when the outbox is full,
// and before he brings it.
type outbox struct {
	allowance allowance
	closed    <-chan struct{}
	filled    chan struct{} // there is something

	mu      sync.Mutex
	pending *batch // nil in the end
}

// A batch is WebSocket frames that are written at once.
type batch struct {
	frames  []byte
	loans   []loan
	written chan struct{} // closed when they are
}

// A loan is memory that is to be given back.
type loan struct {
	from *memory
	n    int64
}

func newOutbox(a allowance, closed <-chan struct{}) *outbox {
	return &outbox{allowance: a, closed: closed, filled: make(chan struct{}, 1), pending: newBatch(nil)}
}

func newBatch(buffer []byte) *batch { return &batch{frames: buffer[:0], written: make(chan struct{})} }

// put adds a message, given in parts, and returns the batch that it is in.
func (o *outbox) put(parts ...[]byte) (*batch, error) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.pending
	if b == nil {
		return nil, io.ErrClosedPipe
	}
	from := o.allowance.take(2 * int64(size))
	if from == nil {
		return nil, errMemory
	}
	b.loans = append(b.loans, loan{from, 2 * int64(size)})
	b.frames = appendFrameHeader(b.frames, size)
	for _, part := range parts {
		b.frames = append(b.frames, part...)
	}
	select {
	case o.filled <- struct{}{}:
	default:
	}
	return b, nil
}

// full is what to wait for before there is room, or nil if there is.
func (o *outbox) full() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending == nil || len(o.pending.frames) < outboxBytes {
		return nil
	}
	return o.pending.written
}

// wait waits until there is room.
func (o *outbox) wait(ctx context.Context) error {
	for full := o.full(); full != nil; full = o.full() {
		select {
		case <-full:
		case <-o.closed:
			return io.ErrClosedPipe
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// run writes what comes until the outbox is closed, or write fails. Then it takes
// nothing more.
func (o *outbox) run(write func([]byte) error) error {
	defer func() { o.swap(nil).giveBack() }()
	var spare []byte
	for {
		select {
		case <-o.filled:
		case <-o.closed:
			return nil
		}
		b := o.swap(newBatch(spare))
		err := write(b.frames)
		b.giveBack()
		if err != nil {
			return err
		}
		close(b.written)
		if spare = nil; cap(b.frames) <= 2*outboxBytes {
			spare = b.frames
		}
	}
}

// swap takes what is pending and puts next, which may be nil, in its place.
func (o *outbox) swap(next *batch) *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.pending
	o.pending = next
	return b
}

func (b *batch) giveBack() {
	for _, l := range b.loans {
		l.from.give(l.n)
	}
	b.loans = nil
}

// appendFrameHeader begins a frame of RFC 6455, section 5.2, that is a text message of
// size bytes, as a server sends it.
func appendFrameHeader(dst []byte, size int) []byte {
	const final = 0x80
	dst = append(dst, final|websocket.TextMessage)
	switch {
	case size < 126:
		return append(dst, byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(size))
}
