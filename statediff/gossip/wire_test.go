package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// The bytes of requests and statuses are for ever.
func TestWireBytes(t *testing.T) {
	r := request{question: askFeed, from: chain.Place{Number: 0x0102, Index: 0x0304}, most: 0x0506}
	require.Equal(t, []byte{2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 5, 6}, r.append(nil))
	digest := common.Hash{1, 2, 3, 4, 5, 6, 7, 8, 9}
	r = request{question: askChunks, from: chain.Place{Number: nameOf(digest), Index: chunksIndex}, most: 1}
	require.Equal(t, []byte{8, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff, 0xff, 0, 1}, r.append(nil))
	st := status{feed: chain.Place{Number: 1}, feedEnd: chain.Place{Number: 2, Index: 3}, publication: 4, newestPublication: 5, newestSnapshot: 6}
	raw := st.append(nil)
	require.Len(t, raw, statusSize)
	require.Equal(t, []byte{0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3}, raw[12:24])
	back, err := parseStatus(raw)
	require.NoError(t, err)
	require.Equal(t, st, back)
	h := Heartbeat{Newest: chain.HeaderPlace(7), Published: 6, Time: time.UnixMilli(1_700_000_000_123)}
	require.Equal(t, "ce0784ffffffff0686018bcfe5687b", bytesHex(encode(t, &h)))
}

func bytesHex(b []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// An item takes memory as it comes: one that is announced and does not come takes little.
func TestItemMemory(t *testing.T) {
	announced := binary.BigEndian.AppendUint32([]byte{byte(answerOK)}, 16<<20)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := readAnswer(bytes.NewReader(announced), request{question: askFeed})
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	require.Less(t, allocated, int64(2*itemChunk))
	whole := append(announced, make([]byte, 16<<20)...)
	items, err := readAnswer(iotest.OneByteReader(bytes.NewReader(append(whole[:5+1000], 0))), request{question: askFeed})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, items)
	items, err = readAnswer(bytes.NewReader(append(whole, 0, 0, 0, 0)), request{question: askFeed})
	require.NoError(t, err)
	require.Len(t, items[0], 16<<20)
}

// FuzzRequest: what is read is what would be written.
func FuzzRequest(f *testing.F) {
	for q := range questions {
		f.Add(request{question: q, from: chain.Place{Number: 7, Index: 3}, most: 9}.append(nil))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseRequest(raw)
		switch {
		case err != nil:
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatal(err)
			}
		case !bytes.Equal(r.append(nil), raw):
			t.Fatalf("%+v is not %x", r, raw)
		case r.items() < 1 || r.items() > questions[r.question].items:
			t.Fatalf("%d items", r.items())
		}
	})
}

// FuzzStatus: as FuzzRequest, and it makes sense.
func FuzzStatus(f *testing.F) {
	st := status{feed: chain.Place{Number: 1}, feedEnd: chain.HeaderPlace(2), publication: 4, newestPublication: 5}
	f.Add(st.append(nil))
	f.Add(make([]byte, statusSize))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := parseStatus(raw)
		switch {
		case err != nil:
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatal(err)
			}
		case !bytes.Equal(s.append(nil), raw):
			t.Fatalf("%+v is not %x", s, raw)
		case covering(s.feed, s.feedEnd, s.feed) == hasLater:
			t.Fatalf("%+v", s)
		}
	})
}

// FuzzHeartbeat: what is read has one form.
func FuzzHeartbeat(f *testing.F) {
	h := Heartbeat{Newest: chain.HeaderPlace(7), Published: 6, Time: noon}
	f.Add(encode(f, &h))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h Heartbeat
		if err := h.UnmarshalBinary(raw); err != nil {
			if !errors.Is(err, chain.ErrCorrupt) || h != (Heartbeat{}) {
				t.Fatal(h, err)
			}
			return
		}
		if again := encode(t, &h); !bytes.Equal(again, raw) {
			t.Fatalf("%x, then %x", raw, again)
		}
	})
}

// FuzzAnswer: an answer stays within its limits, and errors say whose fault they are.
func FuzzAnswer(f *testing.F) {
	for q := range questions {
		f.Add(byte(q), uint16(2), []byte{0, 0, 0, 0, 2, 7, 7, 0, 0, 0, 1, 8, 0, 0, 0, 0})
	}
	f.Add(byte(askFeed), uint16(1), []byte{0, 0xff, 0xff, 0xff, 0xff})
	f.Add(byte(askPeers), uint16(1), []byte{1})
	f.Fuzz(func(t *testing.T, q byte, most uint16, raw []byte) {
		limit, known := questions[question(q)]
		if !known {
			return
		}
		items, err := readAnswer(bytes.NewReader(raw), request{question: question(q), most: most})
		size := 0
		for _, item := range items {
			size += len(item)
		}
		if len(items) > limit.items || most > 0 && len(items) > int(most) || size > limit.bytes || size > len(raw) {
			t.Fatalf("%d items, %d bytes", len(items), size)
		}
		if err == nil && (len(raw) < 5 || !bytes.Equal(raw[5+size+4*(len(items)-1):][:4], make([]byte, 4))) {
			t.Fatalf("%x has no end", raw)
		}
	})
}

// FuzzAddress: what is read is an address of somebody.
func FuzzAddress(f *testing.F) {
	a, err := ma.NewMultiaddr("/ip4/10.1.0.1/tcp/4000/p2p/12D3KooWG2TpcqgFf24B7hS4xUZgZoeaY8gsFRkxypSvENxtZ3eB")
	if err != nil {
		a, err = ma.NewMultiaddr("/ip4/10.1.0.1/tcp/4000")
	}
	require.NoError(f, err)
	f.Add(a.Bytes())
	f.Add([]byte{4, 1, 2, 3, 4, 6, 0, 9})
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, err := parseAddress(raw)
		if err != nil {
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if info.ID.Validate() != nil || len(info.Addrs) > 1 {
			t.Fatal(info)
		}
	})
}

// FuzzBodyHead: what is read of a body is what a chain.MiniBody has there.
func FuzzBodyHead(f *testing.F) {
	f.Add(encode(f, &chain.MiniBody{Number: 3, Index: 2, Frame: sampleGenesis}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		place, frame, err := readBodyHead(raw)
		if err != nil {
			if !errors.Is(err, chain.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		m := new(chain.MiniBody)
		if m.UnmarshalBinary(raw) == nil && (m.Number != place.Number || m.Index != place.Index || m.Frame != frame) {
			t.Fatalf("%+v, and %s %s", m, place, frame)
		}
	})
}

// BenchmarkHear is what a message costs the node that takes it, beside what libp2p does:
// by how its signer is found.
func BenchmarkHear(b *testing.B) {
	x := newWorld(b)
	n, err := New(x.config())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, n.Close()) })
	f := &chain.Frame{Number: 1, Term: 1, Parent: sampleGenesis, Diff: make([]byte, 1<<10)}
	m := frameMessage(b, f)
	kinds := []envelope.Kind{envelope.KindFrame}
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n.shelf = newShelf(n.settings)
			if n.hear("somebody", kinds, m.Envelope) != pubsub.ValidationAccept {
				b.Fatal("not taken")
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if n.hear("somebody", kinds, m.Envelope) == pubsub.ValidationAccept {
				b.Fatal("taken twice")
			}
		}
	})
}
