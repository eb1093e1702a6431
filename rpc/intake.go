package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// bulkBytes is what a request takes, with its copy, that is not small any more.
	bulkBytes = 32 << 10
	// connectionBytes is what a connection may take for requests and answers without
	// asking: for a small one of both.
	connectionBytes = 2 * bulkBytes
)

var (
	errTooLarge = errors.New("request is too large")
	errMemory   = errors.New("server is busy: too many bytes in flight")
	errTurn     = errors.New("server is busy: too many large requests")
)

// An intake is a request on its way from the network to its answer, with what it
// holds of what all requests share.
type intake struct {
	door      *Server
	allowance allowance // of its connection
	body      []byte
	calls     []call // of the body; one more than a batch may have, if it has too many
	batch     bool
	valid     bool          // JSON; not looked at where nobody asks
	reserved  int64         // for the body
	from      *memory       // where that is from; nil if it is nothing
	turn      *turn         // if it is bulk
	place     chan struct{} // of larges, while its answer is in the making and may be large
}

// done gives back what the request holds.
func (in *intake) done() {
	in.giveBody()
	in.end()
}

// forget is done for a request of which nobody keeps a part.
func (in *intake) forget() {
	in.done()
	recycle(in.body)
	in.body, in.calls = nil, nil
}

func (in *intake) giveBody() {
	if in.from != nil {
		in.from.give(in.reserved)
		in.from = nil
	}
}

// end says that the answer is made.
func (in *intake) end() {
	in.turn.end()
	if in.place != nil {
		<-in.place
		in.place = nil
	}
}

// tooMany reports whether the request is a batch of more calls than one may have.
func (in *intake) tooMany() bool { return len(in.calls) > in.door.cfg.Limits.BatchItems }

// read reads the request, at most limit bytes, and looks into it. The error matches
// errTooLarge, errMemory or errTurn, or is r's.
//
// A request that is not small is bulk, and waits for a turn to be looked into when all of
// it is here: how long the rest takes to come is its client's to say.
func (in *intake) read(ctx context.Context, r io.Reader, limit int) error {
	if err := in.readAll(r, limit); err != nil {
		return err
	}
	if in.bulk() {
		turn, err := in.door.turns.takeHeavy(ctx, in.door.cfg.Limits.Timeout)
		if err != nil {
			return err
		}
		defer turn.end()
	}
	in.calls, in.batch = parseRequest(in.body, in.door.cfg.Limits.BatchItems+1)
	if len(in.calls) > 0 && !in.tooMany() && (in.batch || in.calls[0].subscribes()) {
		in.valid = json.Valid(in.body)
	}
	return nil
}

func (in *intake) bulk() bool { return in.reserved > bulkBytes }

// readAll reserves memory as the bytes come, not as they are announced. They are
// copied once more by the server below, so each counts twice.
func (in *intake) readAll(r io.Reader, limit int) error {
	in.body = make([]byte, 0, 512)
	pause := pauseBytes
	for {
		n, err := r.Read(in.body[len(in.body):min(cap(in.body), pause)])
		in.body = in.body[:len(in.body)+n]
		if len(in.body) == pause {
			in.door.turns.pause()
			pause += pauseBytes
		}
		switch {
		case len(in.body) > limit:
			return fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(in.body) < cap(in.body):
			continue
		}
		if err := in.grow(min(2*cap(in.body), limit+1)); err != nil {
			return err
		}
	}
}

func (in *intake) grow(size int) error {
	in.giveBody() // for the larger one
	in.reserved = 2 * int64(size)
	if in.from = in.allowance.take(in.reserved); in.from == nil {
		return errMemory
	}
	grown := newBuffer(size)
	for part := range slices.Chunk(in.body, pauseBytes) { // nothing stops the processor while it copies memory
		grown = append(grown, part...)
	}
	recycle(in.body)
	in.body = grown
	return nil
}

// begin waits until the answer to a request that is no batch may be made: for a place
// among large answers, if it may be one, and for a turn, if the request is bulk; what begins
// or ends a subscription is bulk too. The error matches errLarge or errTurn.
func (in *intake) begin(ctx context.Context) (err error) {
	if !in.batch {
		if in.place, err = in.door.larges.take(ctx, in.calls[0].volume(), in.door.cfg.Limits.Timeout); err != nil {
			return err
		}
	}
	if in.bulk() || in.batch || in.calls[0].subscribes() {
		in.turn, err = in.door.turns.takeHeavy(ctx, in.door.cfg.Limits.Timeout)
		return err
	}
	in.door.turns.seeSmall()
	return nil
}
