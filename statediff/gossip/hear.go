package gossip

import (
	"errors"
	"fmt"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/signature"
)

// hear is what becomes of a message of the network. What is cheap comes first, and
// what trusts least: a look at the head, whether it is wanted, whether that peer had us
// check too many signatures in vain, the signature, the body. Only good messages that are
// new go on to others.
//
// A peer answers for what it relays as far as it could know better: for what is no
// envelope, of another chain, larger than it may be, or signed by a stranger. It does
// not answer for a signer who signs nonsense, for terms that changed, or for what we
// have or cannot use yet.
func (n *Node) hear(from peer.ID, kinds []envelope.Kind, msg []byte) pubsub.ValidationResult {
	h, err := n.checker.Peek(msg)
	if err == nil && !slices.Contains(kinds, h.Kind) {
		err = fmt.Errorf("%w: a %s has another topic", chain.ErrMismatch, h.Kind)
	}
	if err != nil {
		return n.refuse(err)
	}
	if v := n.shelf.has(&h); v != Taken {
		n.tally.verdicts[v].Add(1)
		if v == Far {
			n.peers.ahead(from)
		}
		return pubsub.ValidationIgnore
	}
	if !n.peers.solvent(from, billHeard) {
		n.tally.refused[refusedCost].Add(1)
		return pubsub.ValidationIgnore
	}
	v, err := n.receive(msg)
	if err == nil && v == Taken {
		return pubsub.ValidationAccept
	}
	n.peers.charge(from, billHeard, 1)
	if err != nil {
		return n.refuse(err)
	}
	return pubsub.ValidationIgnore
}

// receive opens a message and takes what is in it.
func (n *Node) receive(msg []byte) (Verdict, error) {
	o, err := n.checker.Open(msg)
	if err != nil {
		return 0, err
	}
	return n.take(o, false)
}

// refuse counts why a message is refused, and says whether its sender answers for it.
func (n *Node) refuse(err error) pubsub.ValidationResult {
	r := refusalOf(err)
	n.tally.refused[r].Add(1)
	switch r {
	case refusedTerm:
		return pubsub.ValidationIgnore
	case refusedFault:
		n.tally.fault.Store(&err)
		n.Logger.Error("gossip: a signer signs what is wrong", "err", err)
		return pubsub.ValidationIgnore
	}
	return pubsub.ValidationReject
}

// A refusal is why a message was refused.
type refusal int

const (
	refusedCorrupt refusal = iota
	refusedSize
	refusedForeign
	refusedSigner
	refusedTerm  // perhaps the sender does not know of the newer term
	refusedFault // the signer's
	refusedCost  // the peer's share of our time is used up
	refusals
)

func (r refusal) String() string {
	return [...]string{"corrupt", "size", "foreign", "signer", "term", "fault", "cost"}[r]
}

func refusalOf(err error) refusal {
	switch {
	case errors.Is(err, envelope.ErrFault):
		return refusedFault
	case errors.Is(err, envelope.ErrTerm):
		return refusedTerm
	case errors.Is(err, envelope.ErrSigner):
		return refusedSigner
	case errors.Is(err, chain.ErrTooLarge):
		return refusedSize
	case errors.Is(err, chain.ErrMismatch):
		return refusedForeign
	}
	return refusedCorrupt
}

// take puts an opened envelope where it belongs. own: it is published here. An error
// is the signer's fault.
func (n *Node) take(o envelope.Opened, own bool) (v Verdict, err error) {
	now := time.Now()
	switch o.Kind {
	case envelope.KindFrame, envelope.KindHeader:
		v, err = n.takeFeed(o, own, now)
	case envelope.KindHeartbeat:
		var h Heartbeat
		if err = h.UnmarshalBinary(o.Body); err == nil && h.Newest.Number != o.Place.Number {
			err = &chain.MismatchError{Block: o.Place.Number, Field: "newest", Got: h.Newest.String(), Want: o.Place.String()}
		}
		if err != nil {
			return 0, o.Fault(err)
		}
		v = n.shelf.takeHeartbeat(h, &o.Header, now)
	case envelope.KindBodies:
		var b *body
		if b, err = readBody(o); err == nil {
			v = n.shelf.takeBody(b, now)
		}
	case envelope.KindPublication:
		if err = checkNumbered(&o, new(chain.Publication), func(p *chain.Publication) uint64 { return p.Block.Number }); err == nil {
			v = n.shelf.takePublication(o)
		}
	case envelope.KindSnapshot:
		if err = checkNumbered(&o, new(chain.SnapshotOffer), func(s *chain.SnapshotOffer) uint64 { return s.Block.Number }); err == nil {
			v = n.shelf.takeArrival(&n.shelf.snapshots, o, o.Signer)
		}
	case envelope.KindAttestation:
		v, err = n.takeAttestation(o)
	}
	if err == nil {
		n.tally.verdicts[v].Add(1)
	}
	return v, err
}

func (n *Node) takeFeed(o envelope.Opened, own bool, now time.Time) (Verdict, error) {
	m, err := readMessage(o)
	if err != nil {
		return 0, err
	}
	v := n.shelf.takeFeed(m, own, now)
	switch {
	case v == Taken && m.Sealed != nil:
		n.checker.Fence(m.Place.Number, m.Term)
		n.shelf.fence(m.Place.Number, m.Term)
	case v == Contradiction && n.Signer != nil && o.Signer == n.Signer.Address():
		n.speaker.deny(o.Term)
	}
	return v, nil
}

// takeAttestation takes the word of a prover, which bears its own signature. A sequencer
// passes on what provers hand in; a prover says nothing in the name of another.
func (n *Node) takeAttestation(o envelope.Opened) (Verdict, error) {
	a := new(chain.Attestation)
	if err := checkNumbered(&o, a, func(a *chain.Attestation) uint64 { return a.Block.Number }); err != nil {
		return 0, err
	}
	who, err := signature.RecoverOnly(n.Recover, a.SigningHash(), &a.Signature)
	switch {
	case err != nil:
		return 0, o.Fault(&chain.CorruptError{What: "attestation", Offset: -1, Err: err})
	case who != o.Signer && !n.believes(o.Signer, envelope.KindFrame):
		return 0, o.Fault(&chain.MismatchError{Block: o.Place.Number, Field: "prover", Got: who.Hex(), Want: o.Signer.Hex()})
	}
	return n.shelf.takeArrival(&n.shelf.attestations, o, who), nil
}

// checkNumbered checks that a body is a noun about the block that the head names.
func checkNumbered[T interface{ UnmarshalBinary([]byte) error }](o *envelope.Opened, noun T, number func(T) uint64) error {
	if err := noun.UnmarshalBinary(o.Body); err != nil {
		return o.Fault(err)
	}
	if got := number(noun); got != o.Place.Number {
		return o.Fault(&chain.MismatchError{Block: o.Place.Number, Field: "number", Got: fmt.Sprint(got), Want: fmt.Sprint(o.Place.Number)})
	}
	return nil
}
