package gossip

import (
	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// The topics of Publish, Subscribe and Latest, and what their messages are: the nouns of
// package chain, encoded by their AppendBinary.
const (
	// TopicFeed: a chain.Frame or a chain.Sealed; see ParseFeed.
	TopicFeed = link.TopicFeed
	// TopicBodies: the chain.MiniBody of each frame.
	TopicBodies = link.TopicBodies
	// TopicPublications: chain.Publication, ascending by block.
	TopicPublications = link.TopicPublications
	// TopicAttestations: chain.Attestation, as they come.
	TopicAttestations = link.TopicAttestations
	// TopicSnapshots: chain.SnapshotOffer, as they come.
	TopicSnapshots = link.TopicSnapshots
)

// Oldest, given to Subscribe in place of a number, is the oldest message that this node
// or a peer of it keeps.
const Oldest uint64 = link.Oldest

// A Next returns the messages of a subscription one after the other, each with its
// number; see Node.Subscribe.
type Next = link.Next

// SeqOf is the number of a message of TopicFeed or TopicBodies that is about a place: it
// ascends with the places of a chain, with gaps. PlaceOf is its inverse. A block has
// fewer than 2^24-1 mini-blocks, and its number fewer than 40 bits. In the other topics
// the number is the block's.
func SeqOf(p chain.Place) uint64 { return link.SeqOf(p) }

// PlaceOf is the place whose SeqOf is seq.
func PlaceOf(seq uint64) chain.Place { return link.PlaceOf(seq) }

// AppendFeed appends a message of TopicFeed: KindFrame or KindHeader, with the encoded
// chain.Frame or chain.Sealed, and a checksum.
func AppendFeed(dst []byte, kind Kind, noun []byte) []byte {
	return link.AppendFeed(dst, byte(kind), noun)
}

// ParseFeed splits a message of TopicFeed: kind is KindFrame or KindHeader, noun the
// encoded chain.Frame or chain.Sealed, a view of msg. The error matches chain.ErrCorrupt.
func ParseFeed(msg []byte) (kind Kind, noun []byte, err error) {
	k, noun, err := link.ParseFeed(msg)
	return Kind(k), noun, err
}

// What is said of signatures, for those who fill in a Config.
type (
	// A Signer signs what is published; a key in a vault fits.
	Signer = envelope.Signer
	// A Key is a Signer that has its key at hand.
	Key = envelope.Key
	// A Grant is in what a signer is believed: kinds of messages, all if there are none,
	// and terms.
	Grant = envelope.Grant
	// A TermRange is terms of a Grant.
	TermRange = envelope.TermRange
	// A Kind of message is what its body is.
	Kind = envelope.Kind
	// Recover finds who signed.
	Recover = envelope.Recover
	// Sizes are the limits of single messages by kind.
	Sizes = envelope.Limits
	// Evidence is two words of one signer that contradict each other.
	Evidence = envelope.Evidence
)

// DefaultSizes are the Sizes that every node takes, for those who raise some.
func DefaultSizes() *Sizes { return envelope.DefaultLimits() }

// NewKey makes a Key of a secret, 32 bytes between 0 and the order of secp256k1.
func NewKey(secret []byte) (*Key, error) { return envelope.NewKey(secret) }

// The kinds.
const (
	KindFrame       = envelope.KindFrame
	KindHeader      = envelope.KindHeader
	KindBodies      = envelope.KindBodies
	KindPublication = envelope.KindPublication
	KindSnapshot    = envelope.KindSnapshot
	KindHeartbeat   = envelope.KindHeartbeat
	KindAttestation = envelope.KindAttestation
)
