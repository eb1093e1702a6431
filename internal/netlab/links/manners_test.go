package links

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A manner is how a rogue behaves.
type manner struct {
	// speak makes the n-th thing that it says, of something that was really said.
	speak func(r *rogue, real *hearsay, n int) hearsay
	pause time.Duration // between two of them

	// echo is what it says to something as soon as it hears it.
	echo func(real *hearsay) hearsay

	// lie is the n-th answer to a request, but for those after status. What it does not
	// write is missing.
	lie func(r *rogue, n int, w answerWriter)
	// pesters: it asks for more than anybody may have, and does not take it.
	pesters bool
}

// manners are what rogues there are.
var manners = map[string]manner{
	"babbler":   {speak: babble, pause: 5 * time.Millisecond},
	"bomb":      {speak: bomb, pause: 300 * time.Millisecond},
	"parrot":    {speak: parrot, pause: 2 * time.Millisecond},
	"slanderer": {echo: slander},
	"liar":      {lie: lieBoldly},
	"miser":     {lie: withhold, pesters: true},
}

// Offsets in an envelope, of internal/envelope's package comment.
const (
	atKind      = 3
	atPacking   = 4
	atNumber    = 53
	atDecoded   = 65
	atSignature = 101
)

// slander is a good message where it does not belong, before honest peers bring it where it
// does: so that they seem to bring what was refused.
func slander(real *hearsay) hearsay { return hearsay{otherTopic(real.topic), real.msg} }

// babble is what everybody can see to be bad.
func babble(r *rogue, real *hearsay, n int) hearsay {
	msg := real.msg
	switch n % 6 {
	case 0:
		msg = random(300)
	case 1:
		msg[rand.IntN(len(msg))] ^= 1 << rand.IntN(8)
	case 2:
		msg = msg[:rand.IntN(len(msg))]
	case 3:
		msg = r.forge(msg, func(*envelope.Header) {})
	case 4:
		msg = r.forge(msg, func(h *envelope.Header) { h.ChainID++ })
	case 5:
		return hearsay{otherTopic(real.topic), msg}
	}
	return hearsay{real.topic, msg}
}

func otherTopic(topic string) string {
	if topic == link.TopicFeed {
		return link.TopicBodies
	}
	return link.TopicFeed
}

// forge is an envelope like msg of another body, signed by the rogue.
func (r *rogue) forge(msg []byte, alter func(*envelope.Header)) []byte {
	h, err := envelope.Peek(msg, nil)
	if err != nil {
		return nil // another rogue said it
	}
	alter(&h)
	msg, err = envelope.Seal(nil, h, random(200), r.key)
	if err != nil {
		panic(err) // it is small, and of a known kind
	}
	return msg
}

// zeros are 60 MiB of nothing, packed.
var zeros = sync.OnceValue(func() []byte {
	w, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // our options
	}
	return w.EncodeAll(make([]byte, 60<<20), nil)
})

// bomb is what is larger than it may be, or would be.
func bomb(_ *rogue, real *hearsay, n int) hearsay {
	switch {
	case n%16 == 15: // larger than the router takes
		return hearsay{real.topic, enlarge(real.msg, make([]byte, 9<<20+n), false)}
	case n%3 == 0: // than any kind may be
		return hearsay{real.topic, enlarge(real.msg, make([]byte, 8<<20+1+n), false)}
	case n%3 == 1: // says how large it would be
		return hearsay{real.topic, enlarge(real.msg, zeros(), true, 60<<20)}
	}
	return hearsay{real.topic, enlarge(real.msg, append(random(8), zeros()...), true, 1<<20)} // lies about it
}

// enlarge is the head and the signature of msg before another body. A body that is packed
// says how large it is else.
func enlarge(msg, body []byte, packed bool, size ...int) []byte {
	msg = append(msg[:envelope.Overhead:envelope.Overhead], body...)
	decoded := len(body)
	if packed {
		msg[atPacking], decoded = 1, size[0]
	}
	binary.BigEndian.PutUint32(msg[atDecoded:], uint32(decoded))
	return msg
}

// parrot is what no peer answers for: what was said before, or mini-blocks that are too far
// ahead or too old for anybody to see that the signature is another's.
func parrot(_ *rogue, real *hearsay, n int) hearsay {
	number := binary.BigEndian.Uint64(real.msg[atNumber:])
	if envelope.Kind(real.msg[atKind]) != envelope.KindFrame {
		return *real
	}
	switch n % 3 {
	case 1:
		binary.BigEndian.PutUint64(real.msg[atNumber:], number+1000+uint64(n))
	case 2:
		binary.BigEndian.PutUint64(real.msg[atNumber:], min(number, 1))
		binary.BigEndian.PutUint64(real.msg[atSignature:], uint64(n))
	}
	return *real
}

// boast is a status of somebody who has all that there was and will be.
func (r *rogue) boast() []byte {
	newest := uint64(0)
	if msg := r.newest(link.TopicFeed); msg != nil {
		newest = binary.BigEndian.Uint64(msg[atNumber:])
	}
	var out []byte
	for range 2 { // feed and bodies
		out = binary.BigEndian.AppendUint64(out, 1)
		out = binary.BigEndian.AppendUint32(out, 0)
		out = binary.BigEndian.AppendUint64(out, newest+900)
		out = binary.BigEndian.AppendUint32(out, 0)
	}
	for _, number := range []uint64{1, newest + 900, newest + 900} { // publications, snapshot
		out = binary.BigEndian.AppendUint64(out, number)
	}
	return out
}

// lieBoldly answers with what is wrong.
func lieBoldly(r *rogue, n int, w answerWriter) {
	body, frame := r.newest(link.TopicBodies), r.newest(link.TopicFeed)
	if body == nil || frame == nil {
		return
	}
	switch n % 8 {
	case 0: // true, of another place or kind
		w.items(body, frame)
	case 1:
		body[len(body)-1] ^= 1
		w.items(body)
	case 2:
		w.items(random(300))
	case 3:
		w.write([]byte{0, 0xff, 0xff, 0xff, 0xff, 1})
	case 4:
		w.items(enlarge(body, zeros(), true, 30<<20))
	case 5: // an outcome that there is not
		w.write([]byte{99})
	case 6: // it breaks off
		w.write(append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...))
		w.write(body[:len(body)/2])
	case 7: // more items than there may be
		for range 2000 {
			w.items(frame)
		}
	}
}

// withhold answers with nothing, or never comes to an end.
func withhold(_ *rogue, n int, w answerWriter) {
	switch n % 4 {
	case 0:
		w.items()
	case 1:
		w.write([]byte{1}) // not kept
	case 2:
		w.write([]byte{2}) // busy
	case 3:
		w.write([]byte{0, 0, 1, 0, 0})
		for w.write([]byte{byte(n)}) {
			time.Sleep(100 * time.Millisecond)
		}
	}
}
