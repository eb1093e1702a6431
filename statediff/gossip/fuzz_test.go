package gossip

import (
	"bytes"
	"testing"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// FuzzRead: what is read is canonical, and what its head says.
func FuzzRead(f *testing.F) {
	for _, m := range sampleFeed(f, 2) {
		f.Add(m.Frame == nil, m.Place.Number, m.Place.Index, m.Term, m.Body)
	}
	f.Fuzz(func(t *testing.T, header bool, number uint64, index uint32, term uint64, body []byte) {
		o := envelope.Opened{Header: envelope.Header{Kind: envelope.KindFrame, Place: chain.Place{Number: number, Index: index}, Term: term}, Body: body}
		if header {
			o.Kind = envelope.KindHeader
		}
		m, err := readMessage(o)
		if err != nil {
			return
		}
		var again []byte
		if m.Frame != nil {
			again, err = m.Frame.AppendBinary(nil)
		} else {
			again, err = m.Sealed.AppendBinary(nil)
		}
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("a second form: %x, %v", again, err)
		}
		if (m.Frame == nil) != header || number == 0 {
			t.Fatal("not what the head says")
		}
	})
}

// FuzzAssembler drives an assembler with true messages, twins, forks, terms and time,
// under narrow limits. Whatever comes: what is given out is legal, its data obey its
// rules, and what is missing is in order. At the end everything true comes, again and
// again: unless something false was given out, all of the feed is.
func FuzzAssembler(f *testing.F) {
	feed := sampleFeed(f, 1, 3, 1, 2, 2)
	all := append([]*message(nil), feed...)
	for _, m := range feed {
		if m.Frame == nil {
			all = append(all, headerMessage(f, m.Place.Number, 1, chain.Keccak256(m.Body)))
			continue
		}
		all = append(all, twin(f, m, nil), twin(f, m, func(f *chain.Frame) { f.Parent[0]++ }),
			twin(f, m, func(f *chain.Frame) { f.Last = !f.Last }), twin(f, m, func(f *chain.Frame) { f.Term = 2 }))
	}
	f.Add(byte(0), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add(byte(9), []byte{5, 4, 14, 3, 2, 1, 0, 255, 20, 30, 40})
	f.Add(byte(3), []byte{40, 41, 42, 43, 44, 250, 3, 2, 1, 200})
	f.Fuzz(func(t *testing.T, room byte, moves []byte) {
		x := newTrial(t, Limits{BlocksAhead: 3, BytesAhead: 700 * (1 + int(room%8)), KeepBytes: 2000 * (1 + int(room/8)), Evidence: 5, KeepFor: time.Second})
		for _, move := range moves {
			if int(move) < len(all) {
				x.add(all[move])
				continue
			}
			x.now = x.now.Add(time.Duration(move) * time.Millisecond)
			for i, missing := 0, x.Missing(x.now); i < len(missing); i++ {
				if !missing[i].From.Before(missing[i].To) || i > 0 && missing[i].From.Before(missing[i-1].To) || missing[i].From.Before(chain.HeaderPlace(x.header-1)) {
					t.Fatalf("missing %v at %s", missing, x.Place())
				}
			}
		}
		for range feed {
			for _, m := range feed {
				x.add(m)
			}
		}
		for i, m := range x.out {
			if i >= len(feed) || m.Content != contentAt(feed, m.Place) {
				return // a fork was first
			}
		}
		for _, w := range x.held {
			if w.Content != contentAt(feed, w.Place) {
				return // or waits, and fits
			}
		}
		if len(x.out) != len(feed) {
			t.Fatalf("stands at %s, header %d", x.Place(), x.Header())
		}
	})
}

func contentAt(feed []*message, p chain.Place) (digest [32]byte) {
	for _, m := range feed {
		if m.Place == p {
			return m.Content
		}
	}
	return digest
}

func BenchmarkAssembler(b *testing.B) {
	feed := sampleFeed(b, 20, 20, 20)
	b.ReportAllocs()
	for b.Loop() {
		a := newAssembler(afterGenesis(sampleGenesis), Limits{})
		for i := range feed {
			a.Add(feed[min(i^1, len(feed)-1)], noon) // neighbours swapped
			for _, ok := a.Next(noon); ok; _, ok = a.Next(noon) {
			}
		}
	}
}
