package gossip

import "github.com/vivace-chain/vivace/internal/envelope"

// What is said of signatures, for those who fill in a Config.
type (
	// A Signer signs what is published; a key in a vault fits.
	Signer = envelope.Signer
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
