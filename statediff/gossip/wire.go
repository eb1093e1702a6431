package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// Each request has a stream of its own: 15 bytes there; back a byte that says how it
// went, and if it went well items, each after its length, until a length of 0. Items
// that the sequencer signed travel as it signed them, so that an answer is as good as
// gossip, and who answers with others answers for it.
//
//	request  1 type ‖ 8 number ‖ 4 index ‖ 2 how many at most
//	answer   1 outcome ‖ (4 length ‖ item)* ‖ 0000
const requestSize = 1 + 8 + 4 + 2

// A question is a type of request.
type question byte

const (
	askStatus       question = 1 + iota
	askFeed                  // from a place on, in the feed's order
	askBodies                // from a place on
	askPublications          // from a number on
	askSnapshots             // the newest
	askAttestations          // the newest
	askPeers                 // addresses of others
	askChunks                // of a snapshot, from an index on
	questionsEnd
)

// facts of each question: how much an answer may be, and how long it may take whoever
// asks. A few bytes have not come in seconds because there is nobody.
var questions = map[question]struct {
	items, bytes int
	kinds        []envelope.Kind // of the items, if they are envelopes
	patience     time.Duration
}{
	askStatus:       {1, statusSize, nil, 3 * time.Second},
	askFeed:         {1024, 16 << 20, []envelope.Kind{envelope.KindFrame, envelope.KindHeader}, requestTimeout},
	askBodies:       {1024, 32 << 20, []envelope.Kind{envelope.KindBodies}, requestTimeout},
	askPublications: {1024, 1 << 20, []envelope.Kind{envelope.KindPublication}, requestTimeout},
	askSnapshots:    {snapshotsKept, 512 << 10, []envelope.Kind{envelope.KindSnapshot}, requestTimeout},
	askAttestations: {1024, 1 << 20, []envelope.Kind{envelope.KindAttestation}, requestTimeout},
	askPeers:        {addressesTold, 4 << 10, nil, 3 * time.Second},
	askChunks:       {chunksTold, chunksTold * chain.ChunkSize, nil, requestTimeout},
}

// addressesTold is how many addresses an answer to askPeers has, at most.
const addressesTold = 16

// Contents of a snapshot are asked for by nameOf, in place of a block's number; the index
// is that of the first chunk, or chunksIndex for the list of all, a chain.Chunks. An answer
// has chunksTold of them at most, so that something comes of it on a slow link.
const (
	chunksTold  = 4
	chunksIndex = 1<<32 - 1
)

func (q question) String() string {
	switch q {
	case askStatus:
		return "status"
	case askFeed:
		return "feed"
	case askBodies:
		return "bodies"
	case askPublications:
		return "publications"
	case askSnapshots:
		return "snapshots"
	case askAttestations:
		return "attestations"
	case askPeers:
		return "peers"
	case askChunks:
		return "chunks"
	}
	return fmt.Sprintf("question %d", byte(q))
}

// A request asks for items from a place on.
type request struct {
	question
	from chain.Place // its Index counts for the feed, bodies and chunks only
	most uint16      // items; 0 is what the question allows
	// fresh: what is on the shelf is not opened again. patience, if set, is how long the
	// answer may take; what came by then counts. These are not on the wire.
	fresh    bool
	patience time.Duration
}

func (r request) append(dst []byte) []byte {
	dst = append(dst, byte(r.question))
	dst = binary.BigEndian.AppendUint64(dst, r.from.Number)
	dst = binary.BigEndian.AppendUint32(dst, r.from.Index)
	return binary.BigEndian.AppendUint16(dst, r.most)
}

// parseRequest reads a request. The error matches chain.ErrCorrupt.
func parseRequest(src []byte) (r request, err error) {
	if len(src) != requestSize {
		return r, &chain.CorruptError{What: "request", Offset: int64(len(src)), Err: fmt.Errorf("want %d bytes", requestSize)}
	}
	r.question = question(src[0])
	if _, known := questions[r.question]; !known {
		return r, &chain.CorruptError{What: "request", Err: fmt.Errorf("unknown %s", r.question)}
	}
	r.from.Number = binary.BigEndian.Uint64(src[1:])
	r.from.Index = binary.BigEndian.Uint32(src[9:])
	r.most = binary.BigEndian.Uint16(src[13:])
	return r, nil
}

// items is how many items the answer may have.
func (r request) items() int {
	limit := questions[r.question].items
	if r.most == 0 {
		return limit
	}
	return min(int(r.most), limit)
}

// meets reports whether among the items of an answer is what was asked for, or what is next
// if there is no such place; of bodies, any later one, because they can be lost.
func (r request) meets(items []envelope.Opened) bool {
	return slices.ContainsFunc(items, func(o envelope.Opened) bool {
		return o.Place == r.from || o.Place == chain.HeaderPlace(r.from.Number) || o.Place == chain.Place{Number: r.from.Number + 1} ||
			r.question == askBodies && r.from.Before(o.Place)
	})
}

// An outcome is the first byte of an answer.
type outcome byte

const (
	answerOK      outcome = iota
	answerNotKept         // what was asked for is not kept, although later things may be
	answerBusy            // ask later, or somebody else
	answerBad             // the request makes no sense
)

// Errors by outcome.
var (
	errNotKept = fmt.Errorf("%w: the peer does not keep it any more", chain.ErrOutOfStep)
	errBusy    = fmt.Errorf("%w: the peer answers others", chain.ErrBusy)
	errRefused = errors.New("the peer does not understand")
)

// readAnswer reads the answer to r. It takes memory as bytes come, not as they are
// announced. An error that matches chain.ErrCorrupt or chain.ErrTooLarge is the
// peer's fault; others may be the network's, or say how it went.
func readAnswer(src io.Reader, r request) (items [][]byte, err error) {
	var head [1]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return nil, err
	}
	switch outcome(head[0]) {
	case answerOK:
	case answerNotKept:
		return nil, errNotKept
	case answerBusy:
		return nil, errBusy
	case answerBad:
		return nil, errRefused
	default:
		return nil, &chain.CorruptError{What: "answer", Err: fmt.Errorf("outcome %d", head[0])}
	}
	limit, left := r.items(), questions[r.question].bytes
	for {
		item, err := readItem(src, left)
		if err != nil || item == nil {
			return items, err
		}
		if len(items) == limit {
			return items, fmt.Errorf("%w: answer with more than %d items", chain.ErrTooLarge, limit)
		}
		items = append(items, item)
		left -= len(item)
	}
}

// itemChunk is how much memory an item takes, in bytes, before the first of it came.
const itemChunk = 64 << 10

// readItem reads one item, or nil at the end.
func readItem(src io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return nil, noEOF(err)
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size == 0 {
		return nil, nil
	}
	if size > limit {
		return nil, fmt.Errorf("%w: item of %d bytes, %d are left", chain.ErrTooLarge, size, limit)
	}
	item := make([]byte, 0, min(size, itemChunk))
	for len(item) < size {
		if len(item) == cap(item) {
			item = append(make([]byte, 0, min(size, 2*cap(item))), item...)
		}
		n, err := io.ReadFull(src, item[len(item):cap(item)])
		item = item[:len(item)+n]
		if err != nil {
			return nil, noEOF(err)
		}
	}
	return item, nil
}

// noEOF: an answer that stops has an end, so that a stream that just ends was cut.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A status says what a peer has. Places that are zero, and numbers, are of nothing.
type status struct {
	feed, feedEnd     chain.Place // kept from, and after the newest
	bodies, bodiesEnd chain.Place
	publication       uint64 // the oldest that is kept
	newestPublication uint64
	newestSnapshot    uint64
}

const statusSize = 4*12 + 3*8

func appendPlace(dst []byte, p chain.Place) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, p.Number), p.Index)
}

func (s *status) append(dst []byte) []byte {
	for _, p := range []chain.Place{s.feed, s.feedEnd, s.bodies, s.bodiesEnd} {
		dst = appendPlace(dst, p)
	}
	for _, n := range []uint64{s.publication, s.newestPublication, s.newestSnapshot} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	return dst
}

// parseStatus reads a status. The error matches chain.ErrCorrupt. Nothing in it is
// proven.
func parseStatus(src []byte) (s status, err error) {
	if len(src) != statusSize {
		return s, &chain.CorruptError{What: "status", Offset: int64(len(src)), Err: fmt.Errorf("want %d bytes", statusSize)}
	}
	for i, p := range []*chain.Place{&s.feed, &s.feedEnd, &s.bodies, &s.bodiesEnd} {
		*p = chain.Place{Number: binary.BigEndian.Uint64(src[12*i:]), Index: binary.BigEndian.Uint32(src[12*i+8:])}
	}
	for i, n := range []*uint64{&s.publication, &s.newestPublication, &s.newestSnapshot} {
		*n = binary.BigEndian.Uint64(src[48+8*i:])
	}
	if s.feedEnd.Before(s.feed) || s.bodiesEnd.Before(s.bodies) || s.newestPublication < s.publication {
		return status{}, &chain.CorruptError{What: "status", Err: errors.New("it ends before it begins")}
	}
	return s, nil
}
