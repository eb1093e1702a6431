package envelope

import "fmt"

// A Kind says what the body is.
type Kind byte

// The kinds, and what their bodies are.
const (
	KindFrame       Kind = 'f' // chain.Frame
	KindHeader      Kind = 'h' // a block's header, and how to go on after it
	KindBodies      Kind = 'b' // chain.MiniBody
	KindPublication Kind = 'p' // chain.Publication
	KindSnapshot    Kind = 's' // a snapshot's manifest
	KindHeartbeat   Kind = 't' // how far the sequencer is
	KindAttestation Kind = 'a' // chain.Attestation
)

// A Limit is how large a body may be, in bytes.
type Limit struct {
	Sent    uint32 // as sent
	Decoded uint32 // unpacked; at most DecodedMax
}

// Limits are the limits by kind. A kind with none is not known.
type Limits [256]Limit

// DecodedMax is what no Limit exceeds: 64 MiB.
const DecodedMax = 64 << 20

const kib, mib = 1 << 10, 1 << 20

// kinds are the facts of each kind.
var kinds = map[Kind]struct {
	name  string
	limit Limit
	// mini: there is one for each mini-block; the Index is its own. Else the Index
	// is chain.HeaderIndex.
	mini bool
	// once: a signer says one thing only at each place, in one term.
	once bool
	// pack: worth a try. A frame's diff is packed already; hashes cannot be.
	pack bool
}{
	KindFrame:       {name: "frame", limit: Limit{4 * mib, DecodedMax}, mini: true, once: true},
	KindHeader:      {name: "header", limit: Limit{2 * kib, 2 * kib}, once: true, pack: true},
	KindBodies:      {name: "bodies", limit: Limit{8 * mib, 32 * mib}, mini: true, once: true, pack: true},
	KindPublication: {name: "publication", limit: Limit{256 * kib, 256 * kib}, once: true},
	KindSnapshot:    {name: "snapshot manifest", limit: Limit{256 * kib, 256 * kib}},
	KindHeartbeat:   {name: "heartbeat", limit: Limit{kib, kib}},
	KindAttestation: {name: "attestation", limit: Limit{kib, kib}},
}

// DefaultLimits are the limits that every node of a network has, unless it is told
// otherwise: 4 MiB for a frame, which may unpack to 64 MiB, 2 KiB for a header, 8
// MiB for a mini-block's body, which may unpack to 32 MiB.
func DefaultLimits() *Limits {
	l := new(Limits)
	for k, facts := range kinds {
		l[k] = facts.limit
	}
	return l
}

// Once reports whether a signer says one thing only at each place, so that two
// envelopes of the kind contradict each other: see Evidence.
func (k Kind) Once() bool { return kinds[k].once }

func (k Kind) String() string {
	if name := kinds[k].name; name != "" {
		return name
	}
	return fmt.Sprintf("kind %#02x", byte(k))
}
