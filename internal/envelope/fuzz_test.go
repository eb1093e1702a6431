package envelope

import (
	"bytes"
	"testing"

	"github.com/vivace-chain/vivace/chain"
)

// FuzzPeek: what Peek lets pass fits its limits, and is written back the same.
func FuzzPeek(f *testing.F) {
	for kind := range kinds {
		f.Add(seal(f, sample(kind), text(300), key(f, 1)))
	}
	limits := DefaultLimits()
	f.Fuzz(func(t *testing.T, msg []byte) {
		h, err := Peek(msg, limits)
		if err != nil {
			return
		}
		limit := limits[h.Kind]
		if sent := len(msg) - Overhead; sent < 1 || sent > int(limit.Sent) || h.Decoded > limit.Decoded {
			t.Fatalf("%d bytes sent, %d unpacked, limit %v", sent, h.Decoded, limit)
		}
		if !bytes.Equal(h.append(nil), msg[:headSize]) {
			t.Fatal("the head has a second form")
		}
		w := WordOf(msg)
		if again, err := w.Header(); err != nil || again != h {
			t.Fatalf("the word says %v, %v", again, err)
		}
	})
}

// FuzzOpen: what opens was signed by somebody allowed, and has the stated content.
func FuzzOpen(f *testing.F) {
	c := checker(f)
	for kind := range kinds {
		f.Add(seal(f, sample(kind), text(300), key(f, 1)))
	}
	f.Add(seal(f, sample(KindFrame), noise(30), key(f, 9)))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if o, err := c.Open(msg); err == nil {
			checkOpened(t, o)
		}
	})
}

// FuzzBody: bodies below a signature, which a fuzzer would not guess.
func FuzzBody(f *testing.F) {
	c, k := checker(f, trusting(f)), key(f, 1)
	packed, _ := pack(text(1000))
	f.Add(packed, uint32(1000), true)
	f.Add(packed, uint32(999), true)
	f.Add([]byte("body"), uint32(4), false)
	f.Fuzz(func(t *testing.T, sent []byte, decoded uint32, packed bool) {
		h := sample(KindBodies)
		h.Packed, h.Decoded = packed, decoded%(1<<20)
		if body, err := unpack(sent, int(h.Decoded)); packed && err == nil {
			h.Content = chain.Keccak256(body)
		} else if !packed {
			h.Content = chain.Keccak256(sent)
		}
		if o, err := c.Open(sealRaw(t, h, sent, k)); err == nil {
			checkOpened(t, o)
		}
	})
}

func checkOpened(t *testing.T, o Opened) {
	if len(o.Body) != int(o.Decoded) || cap(o.Body) > len(o.Envelope)+int(o.Decoded) || chain.Keccak256(o.Body) != o.Content {
		t.Fatalf("%d bytes in %d, %d stated", len(o.Body), cap(o.Body), o.Decoded)
	}
	if !o.Packed && &o.Body[0] != &o.Envelope[Overhead] {
		t.Fatal("copied without need")
	}
}

// FuzzEvidence: what convinces has two bodies of one place.
func FuzzEvidence(f *testing.F) {
	e := Evidence{WordOf(seal(f, sample(KindFrame), []byte("one"), key(f, 1))), WordOf(seal(f, sample(KindFrame), []byte("two"), key(f, 1)))}
	raw, _ := e.AppendBinary(nil)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e Evidence
		if e.UnmarshalBinary(raw) != nil {
			return
		}
		if _, err := e.Check(nil); err == nil && e.First == e.Second {
			t.Fatal("one word contradicts itself")
		}
	})
}
