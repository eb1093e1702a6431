package rpc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// turns let bulk requests, which are batches and large ones, have only a part of the
// cores, so that small requests find one that is free: the Go scheduler does not look
// at the network while there is something else to run, and lets that run for 10 ms.
// While no small request comes, there is one more: nobody needs the core that is kept.
type turns struct {
	slots   chan struct{}
	extra   chan struct{}
	heavies chan struct{} // that have a turn, or wait for one beside the others
	small   atomic.Int64  // when the newest small request came, Unix time in ns
	lasts   time.Duration
	pausing sync.Mutex
}

func newTurns(n int) *turns {
	return &turns{
		slots: make(chan struct{}, n), extra: make(chan struct{}, 1), heavies: make(chan struct{}, n+1), lasts: turnTime,
	}
}

// seeSmall notes that a small request came.
func (t *turns) seeSmall() { t.small.Store(time.Now().UnixNano()) }

// spare is the slot that small requests do not need, or nil if they do.
func (t *turns) spare() chan struct{} {
	if time.Since(time.Unix(0, t.small.Load())) < turnTime {
		return nil
	}
	return t.extra
}

// pause lets small requests come, if there are some these days, before more of a large
// body is read: how long that takes is its client's to say, so it has no turn for it. Who
// pauses waits for those who do: together they read 128 KiB in 200 us.
func (t *turns) pause() {
	if t.spare() != nil {
		return
	}
	t.pausing.Lock()
	defer t.pausing.Unlock()
	time.Sleep(pauseTime)
}

const (
	// pauseBytes is how much of a body is read before a pause.
	pauseBytes = 128 << 10
	pauseTime  = 200 * time.Microsecond
)

// turnTime is how long a turn lasts. A bulk request that takes longer goes on, but no
// longer keeps others waiting: it may be asleep, until a transaction of it is
// executed.
const turnTime = 100 * time.Millisecond

// A turn is had by one request, until it ends, which may be said more than once and
// concurrently, or its time is over.
type turn struct {
	slots   chan struct{} // where it has its place
	heavies chan struct{} // and here, if it is heavy
	timer   *time.Timer
	once    sync.Once
}

// take waits for a turn, until ctx ends or for at most timeout; then the error is
// errTurn.
func (t *turns) take(ctx context.Context, timeout time.Duration) (*turn, error) {
	return t.begin(ctx, timeout, new(turn))
}

// takeHeavy is take for what lasts longer than a few small calls. Of those who wait for
// it, only the first stand in line with the others: behind a hundred large requests a
// batch of small calls waits for one or two.
func (t *turns) takeHeavy(ctx context.Context, timeout time.Duration) (*turn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case t.heavies <- struct{}{}:
	case <-ctx.Done():
		return nil, errTurn
	}
	one, err := t.begin(ctx, timeout, &turn{heavies: t.heavies})
	if err != nil {
		<-t.heavies
	}
	return one, err
}

func (t *turns) begin(ctx context.Context, timeout time.Duration, one *turn) (*turn, error) {
	spare := t.spare()
	one.slots = t.slots
	select {
	case t.slots <- struct{}{}:
	case spare <- struct{}{}:
		one.slots = spare
	default:
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case t.slots <- struct{}{}:
		case spare <- struct{}{}:
			one.slots = spare
		case <-ctx.Done():
			return nil, errTurn
		case <-timer.C:
			return nil, errTurn
		}
	}
	one.timer = time.AfterFunc(t.lasts, one.free)
	return one, nil
}

// end gives the turn to the next. A request that had none has no turn to end.
func (t *turn) end() {
	if t != nil {
		t.timer.Stop()
		t.free()
	}
}

func (t *turn) free() {
	t.once.Do(func() {
		<-t.slots
		if t.heavies != nil {
			<-t.heavies
		}
	})
}
