package sequencer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vivace-chain/vivace/da"
)

// A window is the sealed blocks that are not published yet, oldest first. Its bound is
// the back-pressure of the data-availability layer: who wants to add a block to a full
// one waits.
type window struct {
	slots chan struct{}

	mu     sync.Mutex
	since  []time.Time // when each block entered
	flying int         // blocks of which something is being put
	errors PutErrors
	losses uint64
	absent map[object]string // what was lost and is not there yet, and what the layer says of it
}

// An object is one of a block.
type object struct {
	number uint64
	kind   da.Kind
}

// resize makes room for blocks, before anything enters.
func (w *window) resize(blocks int) { w.slots = make(chan struct{}, blocks) }

// entered counts a block that has taken a slot.
func (w *window) entered(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = append(w.since, now)
}

// leave gives the oldest block's slot back.
func (w *window) leave() {
	w.mu.Lock()
	w.since = w.since[1:]
	w.mu.Unlock()
	<-w.slots
}

func (w *window) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.since)
}

func (w *window) fly(blocks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying += blocks
}

// failed counts a put that failed.
func (w *window) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors.count(err)
}

// lost counts an object that the layer took and does not give back. The chain waits for those
// of blocks: a snapshot is not missed.
func (w *window) lost(o *da.Object, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.losses++
	if o.Kind == da.Snapshot {
		return
	}
	if w.absent == nil {
		w.absent = make(map[object]string)
	}
	w.absent[object{o.Block.Number, o.Kind}] = da.Excerpt([]byte(err.Error()))
}

// found: the layer has an object.
func (w *window) found(o *da.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.absent, object{o.Block.Number, o.Kind})
}

// missing says which object of the oldest block is lost.
func (w *window) missing() string {
	var first object
	for o := range w.absent {
		if first.kind == 0 || o.number < first.number || o.number == first.number && o.kind < first.kind {
			first = o
		}
	}
	if first.kind == 0 {
		return ""
	}
	return fmt.Sprintf("%s of block %d: %s", first.kind, first.number, w.absent[first])
}

// report is what Stats says of the window.
func (w *window) report(now time.Time, s *Stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Unpublished, s.Publishing, s.PutErrors = len(w.since), w.flying, w.errors
	s.Lost, s.Missing = w.losses, w.missing()
	if len(w.since) > 0 {
		s.OldestUnpublished = now.Sub(w.since[0])
	}
}

// PutErrors counts tries to put an object into the data-availability layer that
// failed, each once, by what the errors of package da tell an operator.
type PutErrors struct {
	Final     uint64 // da.Final: it cannot go better as things are
	Refused   uint64 // da.ErrRefused: wrong address, mode or right
	Failover  uint64 // da.ErrFailover: the layer says that it is down
	Busy      uint64 // da.ErrBusy: it wants to be asked less
	Transient uint64 // all others
}

func (p *PutErrors) count(err error) {
	switch {
	case da.Final(err):
		p.Final++
	case errors.Is(err, da.ErrRefused):
		p.Refused++
	case errors.Is(err, da.ErrFailover):
		p.Failover++
	case errors.Is(err, da.ErrBusy):
		p.Busy++
	default:
		p.Transient++
	}
}
