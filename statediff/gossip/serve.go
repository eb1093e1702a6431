package gossip

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

const (
	// servingPerPeer is how many requests of one peer are answered at once. All peers
	// together have no other bound: what one does not read must not keep others waiting.
	servingPerPeer = 3
	// busyAfter is how long a peer that asks too often waits to be told so. A stream costs
	// more than most answers, and this bounds how many there are of one peer, with
	// streamsPerPeer: to ask more is to be refused before that. It loses nothing else: one
	// that catches up may have to.
	busyAfter = 500 * time.Millisecond
	// requestTimeout is how long one may take, from its first byte to the answer's last;
	// stallTimeout how long its bytes may take to come, or a servedPart to be read.
	requestTimeout, stallTimeout = 10 * time.Second, 5 * time.Second
	servedPart                   = 64 << 10
	// uploadRate bounds all answers, in bytes a second.
	uploadRate, uploadBurst = 32 << 20, 4 << 20
)

// serve answers one request.
func (n *Node) serve(s network.Stream) {
	if !n.enter() {
		s.Reset()
		return
	}
	defer n.work.Done()
	ctx, cancel := context.WithTimeout(n.ctx, requestTimeout)
	defer cancel()
	err := s.SetDeadline(time.Now().Add(stallTimeout))
	if err == nil {
		err = n.respond(ctx, s)
	}
	if err != nil {
		s.Reset()
		return
	}
	s.Close()
}

func (n *Node) respond(ctx context.Context, s network.Stream) error {
	n.tally.served.Add(1)
	id := s.Conn().RemotePeer()
	if !n.peers.solvent(id, billServed) {
		pause(ctx, busyAfter)
		return n.turnAway(s)
	}
	n.peers.charge(id, billServed, 1)
	done := n.admit(id)
	if done == nil {
		return n.turnAway(s)
	}
	defer done()
	var raw [requestSize]byte
	if _, err := io.ReadFull(s, raw[:]); err != nil {
		return err
	}
	r, err := parseRequest(raw[:])
	if err != nil {
		_, err := s.Write([]byte{byte(answerBad)})
		return err
	}
	items, err := n.lookUp(r, id)
	if err != nil {
		_, err := s.Write([]byte{byte(answerNotKept)})
		return err
	}
	return n.writeAnswer(ctx, s, r, items)
}

func (n *Node) turnAway(s network.Stream) error {
	n.tally.turned.Add(1)
	_, err := s.Write([]byte{byte(answerBusy)})
	return err
}

// lookUp is what the answer to r is; an error is answerNotKept.
func (n *Node) lookUp(r request, from peer.ID) (iter.Seq2[[]byte, error], error) {
	if r.question == askChunks {
		return n.stock.lookUp(r)
	}
	items, err := n.lookUpKept(r, from)
	n.peers.charge(from, billServed, len(items)/serveItems)
	return each(items), err
}

// each are items that are at hand.
func each(items [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// admit lets a request in, and returns what ends it; nil if that peer has too many.
func (n *Node) admit(id peer.ID) func() {
	p := n.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.list[id]
	if m == nil || m.serving == servingPerPeer {
		return nil
	}
	m.serving++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		m.serving--
	}
}

// lookUpKept is lookUp in what is in memory.
func (n *Node) lookUpKept(r request, from peer.ID) ([][]byte, error) {
	var (
		s     = n.shelf
		most  = r.items()
		bytes = questions[r.question].bytes
	)
	switch r.question {
	case askStatus:
		st := s.status()
		return [][]byte{st.append(nil)}, nil
	case askPeers:
		return n.addresses(from), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.question {
	case askFeed:
		return s.feedSince(r.from, most, bytes)
	case askBodies:
		return s.bodies.since(r.from, most, bytes)
	case askPublications:
		return s.publications.since(r.from.Number, most, bytes)
	case askSnapshots:
		return s.snapshots.recent(most, bytes), nil
	}
	if r.from.Number > 0 { // else the newest
		return s.attestations.since(r.from.Number, most, bytes), nil
	}
	return s.attestations.recent(most, bytes), nil
}

// feedSince is the envelopes from p on. The caller holds mu.
func (s *shelf) feedSince(p chain.Place, most, bytes int) (found [][]byte, err error) {
	if s.feed == nil {
		return nil, errNotKept
	}
	list, err := s.feed.Since(p, most, bytes)
	for _, m := range list {
		found = append(found, m.Envelope)
	}
	return found, err
}

// status is what this node has.
func (s *shelf) status() (st status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed != nil && !s.feed.Empty() {
		st.feed, st.feedEnd = s.feed.Kept(), s.feed.Place()
	}
	if len(s.bodies.slots) > 0 {
		st.bodies, st.bodiesEnd = s.bodies.from, s.bodies.ready()
	}
	st.publication, st.newestPublication = s.publications.first(), s.publications.last()
	if o := s.snapshots.newest(); o != nil {
		st.newestSnapshot = o.Place.Number
	}
	return st
}

// addresses are those of some connected peers, for one who looks for others.
func (n *Node) addresses(asker peer.ID) (list [][]byte) {
	left := questions[askPeers].bytes
	ids := n.host.Network().Peers()
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids {
		if id == asker {
			continue
		}
		addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: id, Addrs: listening(n.host.Peerstore(), id)})
		if err != nil {
			continue
		}
		for _, a := range addrs[:min(len(addrs), 2)] {
			if left -= len(a.Bytes()); left < 0 || len(list) == addressesTold {
				return list
			}
			list = append(list, a.Bytes())
		}
	}
	return list
}

// listening are the addresses at which a peer says it can be reached.
func listening(store peerstore.Peerstore, id peer.ID) (list []ma.Multiaddr) {
	for _, a := range store.Addrs(id) {
		if _, err := a.ValueForProtocol(ma.P_TCP); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// writeAnswer sends items as the answer to r. An item may be overwritten when the next one
// is there.
func (n *Node) writeAnswer(ctx context.Context, s network.Stream, r request, items iter.Seq2[[]byte, error]) error {
	u := &upload{n, ctx, s, make([]byte, 0, min(servedPart, answerOverhead+questions[r.question].bytes))}
	u.part = append(u.part, byte(answerOK))
	for item, err := range items {
		if err != nil {
			return err
		}
		head := binary.BigEndian.AppendUint32(nil, uint32(len(item)))
		if err := u.write(head, item); err != nil {
			return err
		}
		if r.question == askChunks && r.from.Index != chunksIndex {
			n.tally.chunksGiven.Add(1)
		}
	}
	if err := u.write(make([]byte, 4)); err != nil {
		return err
	}
	return u.flush()
}

// answerOverhead is what an answer of one item has around it.
const answerOverhead = 1 + 4 + 4

// An upload writes an answer part by part, no faster than all answers may be, to one who
// reads. Small items go together: each part costs a packet.
type upload struct {
	node *Node
	ctx  context.Context
	to   network.Stream
	part []byte // not yet sent
}

func (u *upload) write(list ...[]byte) error {
	for _, b := range list {
		for len(b) > 0 {
			if len(u.part) == cap(u.part) {
				if err := u.flush(); err != nil {
					return err
				}
			}
			fits := min(len(b), cap(u.part)-len(u.part))
			u.part, b = append(u.part, b[:fits]...), b[fits:]
		}
	}
	return nil
}

func (u *upload) flush() error {
	if err := u.node.uploads.WaitN(u.ctx, len(u.part)); err != nil {
		return err
	}
	if err := u.to.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return err
	}
	n, err := u.to.Write(u.part)
	u.node.tally.servedBytes.Add(uint64(n))
	u.part = u.part[:0]
	return err
}

// unpackedMax is how many bytes of bodies an answer becomes, but for its first item.
const unpackedMax = 64 << 20

// readSigned opens the items of an answer, which must be of the kinds that were asked
// for. The error is the peer's fault. What is merely of no use here is left out.
//
// What an answer may be was said as sent; unpacked it may be a thousand times as much, and
// so no more of it is opened than unpackedMax. From a peer whose answers were of no use for
// long, no more is opened than it may cost.
func (n *Node) readSigned(from peer.ID, r request, items [][]byte) (list []envelope.Opened, err error) {
	unpacked := 0
	for _, item := range items {
		h, err := n.checker.Peek(item)
		if err == nil && !slices.Contains(questions[r.question].kinds, h.Kind) {
			err = fmt.Errorf("%w: a %s in an answer about %s", chain.ErrMismatch, h.Kind, r.question)
		}
		if err == nil && r.fresh && n.known(&h) {
			continue
		}
		var o envelope.Opened
		if err == nil {
			if unpacked += int(h.Decoded); unpacked > unpackedMax && len(list) > 0 {
				return list, nil
			}
			if !n.peers.solvent(from, billAnswered) {
				n.tally.refused[refusedCost].Add(1)
				return list, nil
			}
			if o, err = n.checker.Open(item); err == nil {
				list = append(list, o)
				continue
			}
			n.peers.charge(from, billAnswered, 1)
		}
		if n.refuse(err) == pubsub.ValidationReject {
			return list, err
		}
	}
	return list, nil
}

// known reports whether a message need not be opened.
func (n *Node) known(h *envelope.Header) bool {
	v := n.shelf.has(h)
	if v != Taken {
		n.tally.verdicts[v].Add(1)
	}
	return v != Taken
}
