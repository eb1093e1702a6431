package links

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/vivace-chain/vivace/statediff/gossip"
)

// Requests, as statediff/gossip's wire.go has them: 1 question, 8 number, 4 index, 2 how
// many.
const (
	requestSize = 15
	askStatus   = 1
	askBodies   = 3
	askPeers    = 7
)

// An answerWriter writes an answer, well or badly.
type answerWriter struct {
	io.Writer
	begun *bool
}

// write reports whether somebody still listens.
func (w answerWriter) write(b []byte) bool {
	_, err := w.Write(b)
	return err == nil
}

// items writes items of a good answer, without its end.
func (w answerWriter) items(list ...[]byte) {
	var out []byte
	if !*w.begun {
		out, *w.begun = append(out, 0), true
	}
	for _, item := range list {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(item))), item...)
	}
	w.write(out)
}

func (w answerWriter) end() { w.write(make([]byte, 4)) }

// answer answers a request. Everybody is told that here is all that he looks for.
func (r *rogue) answer(s network.Stream) {
	defer s.Close()
	n := int(r.answered.Add(1))
	raw := make([]byte, requestSize)
	if _, err := io.ReadFull(s, raw); err != nil {
		return
	}
	w := answerWriter{s, new(bool)}
	switch {
	case raw[0] == askStatus && n%16 == 0:
		w.items(random(72)) // ends before it begins, most likely
		w.end()
	case raw[0] == askStatus:
		w.items(r.boast())
		w.end()
	case raw[0] == askPeers:
		w.items(nobodies()...)
		w.end()
	default:
		r.lie(r, n, w)
		w.end()
	}
}

// nobodies are addresses at which nobody is.
func nobodies() (list [][]byte) {
	for range 16 {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err) // the system has no randomness
		}
		id, err := gossip.PeerID(public)
		if err != nil {
			panic(err) // it is a key
		}
		a := ma.StringCast(fmt.Sprintf("/ip4/10.77.200.%d/tcp/%d/p2p/%s", 1+rand.IntN(250), p2pPort, id))
		list = append(list, a.Bytes())
	}
	return list
}

// pester asks a target for as many bodies as it may, and takes them slowly, or does not
// even ask to the end.
func (r *rogue) pester(ctx context.Context, target string) {
	to, err := peer.AddrInfoFromString(target)
	if err != nil {
		panic(err) // the test's own
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	s, err := r.host.NewStream(ctx, to.ID, r.protocol)
	if err != nil {
		return
	}
	defer s.Reset()
	raw := make([]byte, requestSize)
	raw[0], raw[8] = askBodies, 1
	if r.asked.Add(1)%3 == 0 {
		raw = raw[:requestSize-1]
	}
	if _, err := s.Write(raw); err != nil {
		return
	}
	_ = s.SetReadDeadline(time.Now().Add(3 * time.Second))
	for piece := make([]byte, 64); ctx.Err() == nil; nap(ctx, 50*time.Millisecond) {
		if _, err := s.Read(piece); err != nil {
			return
		}
	}
}
