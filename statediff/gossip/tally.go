package gossip

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A tally is what a node counts as it goes.
type tally struct {
	verdicts [Contradiction + 1]atomic.Uint64
	refused  [refusals]atomic.Uint64
	fault    atomic.Pointer[error] // the newest of a signer's

	received, sent atomic.Uint64 // bytes of gossip
	duplicates     atomic.Uint64
	dropped        atomic.Uint64 // by full queues, on the way in
	unsent         atomic.Uint64 // by full queues, on the way out

	asked, answered atomic.Uint64 // requests to peers, and those that brought something
	served, turned  atomic.Uint64 // requests of peers, and those that were turned away
	servedBytes     atomic.Uint64
	// Chunks of snapshots.
	chunksGiven, chunksTaken, chunksRefused atomic.Uint64

	lostBodies, anew atomic.Uint64
	bans             atomic.Uint64
	mesh             atomic.Int64 // grafts less prunes
}

// Stats is what a node counted since it was made, and what it holds now.
type Stats struct {
	Peers int
	Mesh  int // peers that get each message at once, summed over topics
	// Verdicts are about all that was opened, and all that was not because it was there.
	Verdicts map[Verdict]uint64
	// Refused are messages by why: corrupt, size, foreign, signer: their senders answer
	// for those. term, fault: the signer's affair. cost: the peer had used up its
	// share of our time; whatever was in it is asked for if it is missed.
	Refused map[string]uint64

	Received, Sent uint64 // bytes of gossip's messages; answers to requests are apart
	Duplicates     uint64 // messages that came again
	Dropped        uint64 // messages that a full queue lost on the way in
	Unsent         uint64 // messages that a full queue lost on the way out, per peer

	Asked, Answered uint64 // requests to peers, and those that brought something
	Served, Turned  uint64 // requests of peers, and those of them that were turned away
	ServedBytes     uint64

	// Chunks of snapshots: given to peers, and taken from peers. Refused are answers of peers
	// that had something else, for which they answer.
	ChunksGiven, ChunksTaken, ChunksRefused uint64

	Held, Kept  int         // bytes of the feed that wait, and that are kept for others
	BodiesKept  int         // bytes
	BodiesLost  uint64      // that no peer had
	Begun       uint64      // how often the feed began anew, because nobody kept what it lacked
	Bans        uint64      // peers thrown out
	Evidence    int         // contradictions of signers
	Fault       error       // the newest: a signer signed what is wrong; nil if none did
	Newest      chain.Place // that a signer spoke of
	Place       chain.Place // of the first mini-block that the feed lacks; zero: it has not begun
	Publication uint64      // number of the newest; 0: none
	// LastHeartbeat is the sequencer's newest, and HeardAt when it came, by our clock;
	// zero if none did. A feed that is quiet while heartbeats come has nothing to say;
	// without them this node is cut off, or the sequencer is down.
	LastHeartbeat Heartbeat
	HeardAt       time.Time
}

// Stats returns what was counted. It is not one moment's: the node goes on.
func (n *Node) Stats() Stats {
	t := &n.tally
	out := Stats{
		Peers: n.peers.count(), Mesh: int(t.mesh.Load()),
		Verdicts: make(map[Verdict]uint64), Refused: make(map[string]uint64),
		Received: t.received.Load(), Sent: t.sent.Load(), Duplicates: t.duplicates.Load(),
		Dropped: t.dropped.Load(), Unsent: t.unsent.Load(),
		Asked: t.asked.Load(), Answered: t.answered.Load(),
		Served: t.served.Load(), Turned: t.turned.Load(), ServedBytes: t.servedBytes.Load(),
		ChunksGiven: t.chunksGiven.Load(), ChunksTaken: t.chunksTaken.Load(), ChunksRefused: t.chunksRefused.Load(),
		BodiesLost: t.lostBodies.Load(), Begun: t.anew.Load(), Bans: t.bans.Load(),
		Evidence: len(n.shelf.allEvidence()),
	}
	for v := range t.verdicts {
		out.Verdicts[Verdict(v)] = t.verdicts[v].Load()
	}
	for r := range t.refused {
		out.Refused[refusal(r).String()] = t.refused[r].Load()
	}
	if err := t.fault.Load(); err != nil {
		out.Fault = *err
	}
	n.shelf.stats(&out)
	return out
}

func (s *shelf) stats(out *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed != nil {
		feed := s.feed.Stats()
		out.Held, out.Kept, out.Place = feed.HeldBytes, feed.KeptBytes, s.feed.Place()
	}
	out.Held += s.bodies.ahead
	out.BodiesKept = s.bodies.bytes
	out.Newest, out.Publication = s.newest, s.publications.last()
	out.LastHeartbeat, out.HeardAt = s.heartbeat, s.heard
}

// Evidence is the contradictions of signers that came here, oldest first, at most
// Limits.Evidence from before and as many of now; the slice is the caller's. Which of
// the two was first is chance: who came first was believed here.
func (n *Node) Evidence() []envelope.Evidence { return n.shelf.allEvidence() }

// A Peer is a connected peer.
type Peer struct {
	ID    string
	Addr  string // where it is connected from, or to
	Boot  bool   // it is in Config.Boot
	Since time.Time
	// Score is what the router thinks of it, as of a second ago: below -50 it is not
	// told what there is, below -100 not sent what is published, below -200 thrown out.
	// Requests is the part of it that comes from our requests.
	Score, Requests float64
	RTT             time.Duration // there and back, with its answer to a small request
}

// Peers returns the connected peers, the oldest first.
func (n *Node) Peers() []Peer {
	p := n.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Peer
	for id, m := range p.list {
		list = append(list, Peer{
			ID: id.String(), Addr: m.addr.String(), Boot: n.isBoot(id), Since: m.since,
			Score: m.total, Requests: m.own, RTT: m.rtt,
		})
	}
	slices.SortFunc(list, func(a, b Peer) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return list
}
