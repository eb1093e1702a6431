package gossip

import (
	"errors"
	"fmt"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A message is a message of the feed: an opened envelope, and what is in it. Exactly
// one of Frame and Sealed is set. It is not altered any more.
type message struct {
	envelope.Opened
	Frame  *chain.Frame // its Diff is a view of Body
	Sealed *chain.Sealed
}

// readMessage reads the body of an opened envelope of the feed. What the head says must be
// what the body says: an error is the signer's fault (envelope.FaultError), unless
// the envelope is of another kind, which is the caller's.
func readMessage(o envelope.Opened) (*message, error) {
	m := &message{Opened: o}
	var (
		place chain.Place
		term  uint64
		err   error
	)
	switch o.Kind {
	case envelope.KindFrame:
		m.Frame = new(chain.Frame)
		err = m.Frame.UnmarshalBinary(o.Body)
		place, term = m.Frame.Place(), m.Frame.Term
	case envelope.KindHeader:
		m.Sealed = new(chain.Sealed)
		if err = m.Sealed.UnmarshalBinary(o.Body); err == nil {
			place, term = chain.HeaderPlace(m.Sealed.Header.Number), m.Sealed.Header.Term()
		}
	default:
		return nil, fmt.Errorf("gossip: a %s is not of the feed", o.Kind)
	}
	switch {
	case err != nil:
	case place != o.Place:
		err = &chain.MismatchError{Block: o.Place.Number, Field: "place", Got: place.String(), Want: o.Place.String()}
	case term != o.Term:
		err = &chain.MismatchError{Block: o.Place.Number, Field: "term", Got: fmt.Sprint(term), Want: fmt.Sprint(o.Term)}
	case m.Frame != nil && place.Index >= chain.FramesMax:
		err = fmt.Errorf("%w: mini-block %s, a block has at most %d", chain.ErrTooLarge, place, chain.FramesMax)
	case place.Number == 0:
		err = &chain.CorruptError{What: "feed message", Offset: -1, Err: errors.New("nobody sequenced genesis")}
	default:
		return m, nil
	}
	return nil, o.Fault(err)
}

// messageOverhead is about what a message takes beside its bytes.
const messageOverhead = 512

// weight is about how many bytes m keeps alive.
func (m *message) weight() int {
	n := len(m.Envelope) + messageOverhead
	if m.Packed {
		n += len(m.Body)
	}
	return n
}

// after is the first place after m.
func (m *message) after() chain.Place {
	switch {
	case m.Frame == nil:
		return chain.Place{Number: m.Place.Number + 1}
	case m.Frame.Last:
		return chain.HeaderPlace(m.Place.Number)
	}
	return chain.Place{Number: m.Place.Number, Index: m.Place.Index + 1}
}
