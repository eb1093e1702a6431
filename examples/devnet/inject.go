package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/da"
	"github.com/vivace-chain/vivace/internal/link"
)

// An injection is a fault between the roles: the bytes of one message or object
// are altered on their way. The chain must notice, so a devnet with an injection
// ends with an error; the injections are there to show that the checks check.
type injection string

// The injections.
const (
	injectNothing     injection = ""
	injectDiffBit     injection = "diff-bit"     // flips a bit of a mini-block's diff, on its way to the full nodes
	injectWitnessDrop injection = "witness-drop" // takes a node out of a witness, on its way to the provers
	injectWrongRoot   injection = "wrong-root"   // alters the state root of a header, on its way to the full nodes
)

// UnmarshalText implements encoding.TextUnmarshaler, for flags.
func (i *injection) UnmarshalText(text []byte) error {
	switch in := injection(text); in {
	case injectNothing, injectDiffBit, injectWitnessDrop, injectWrongRoot:
		*i = in
		return nil
	}
	return fmt.Errorf("%q is none of %s, %s, %s", text, injectDiffBit, injectWitnessDrop, injectWrongRoot)
}

// MarshalText implements encoding.TextMarshaler.
func (i injection) MarshalText() ([]byte, error) { return []byte(i), nil }

// injectFrom is the block from which on the first fitting message is altered: not
// the very first, so that there is good state to stand on.
const injectFrom = 2

// A saboteur commits one injection, once.
type saboteur struct {
	injection
	done atomic.Bool
}

// tap is for link.Bus.Tap. What it returns belongs to the bus, as msg did.
func (s *saboteur) tap(topic string, msg []byte) []byte {
	if topic != link.TopicFeed || s.done.Load() {
		return msg
	}
	kind, payload, err := link.ParseFeed(msg)
	if err != nil {
		return msg
	}
	switch {
	case s.injection == injectDiffBit && kind == link.FeedFrame:
		payload = s.flipDiffBit(payload)
	case s.injection == injectWrongRoot && kind == link.FeedHeader:
		payload = s.alterRoot(payload)
	}
	// The message's checksum is made anew, so that what is found out is found out
	// by the content.
	return link.AppendFeed(nil, kind, payload)
}

func (s *saboteur) flipDiffBit(frame []byte) []byte {
	var f chain.Frame
	if f.UnmarshalBinary(frame) != nil || f.Number < injectFrom || f.TxCount == 0 || !s.first() {
		return frame
	}
	f.Diff[len(f.Diff)/2] ^= 1 // a view of frame
	return frame
}

func (s *saboteur) alterRoot(header []byte) []byte {
	var sealed chain.Sealed
	if sealed.UnmarshalBinary(header) != nil || sealed.Header.Number < injectFrom || !s.first() {
		return header
	}
	sealed.Header.StateRoot[31] ^= 1
	out, err := sealed.AppendBinary(nil)
	if err != nil {
		return header
	}
	return out
}

// first is true once.
func (s *saboteur) first() bool { return s.done.CompareAndSwap(false, true) }

// wrap returns a prover's client with the injection on what comes out: the sequencer reads
// back what it puts, and would mend it.
func (s *saboteur) wrap(client chain.DAClient) chain.DAClient {
	if s.injection != injectWitnessDrop {
		return client
	}
	return &lossyDA{client, s}
}

type lossyDA struct {
	chain.DAClient
	*saboteur
}

// Get implements chain.DAClient.
func (l *lossyDA) Get(ctx context.Context, id chain.BlobID) ([]byte, error) {
	blob, err := l.DAClient.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.dropNode(blob), nil
}

// dropNode takes the middle node out of the witness that blob holds, if it is one.
// The object and its commitment are made anew: nothing but the proof is wrong.
func (l *lossyDA) dropNode(blob []byte) []byte {
	var (
		o da.Object
		w chain.Witness
	)
	if o.UnmarshalBinary(blob) != nil || o.Kind != da.Witness || o.Block.Number < injectFrom {
		return blob
	}
	if w.UnmarshalBinary(o.Payload) != nil || len(w.Nodes) == 0 || !l.first() {
		return blob
	}
	at := len(w.Nodes) / 2
	w.Nodes = slices.Delete(w.Nodes, at, at+1)
	payload, err := w.AppendBinary(nil)
	if err != nil {
		return blob
	}
	o.Payload = payload
	out, err := o.AppendBinary(nil)
	if err != nil {
		return blob
	}
	return out
}
