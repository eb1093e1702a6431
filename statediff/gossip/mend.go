package gossip

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/vivace-chain/vivace/chain"
)

const (
	mendEvery = 20 * time.Millisecond
	// mendAgain is the pause after an attempt that brought nothing.
	mendAgain = 100 * time.Millisecond
	// goneAfter is how long nobody may have something until it is gone. Peers come and
	// go; the one that has it may be on its way.
	goneAfter = 2 * time.Second
	// quietAfter is how long after a mini-block that is not its block's last somebody
	// is asked whether there is more.
	quietAfter  = 200 * time.Millisecond
	statusEvery = time.Second
)

// mend asks for what the feed lacks, as soon as that shows.
func (n *Node) mend(ctx context.Context) {
	var still standstill
	for pause(ctx, mendEvery) {
		if doubt, ok := n.shelf.doubted(); ok {
			_ = n.mendGap(ctx, doubt) // nothing may have to be mended
		}
		gap, now, ok := n.shelf.gap(time.Now())
		if !ok {
			still = standstill{}
			continue
		}
		if still.since.IsZero() || still.at != now.at {
			still = now
		}
		if n.mendGap(ctx, gap) == nil {
			continue
		}
		if still.long(&now) {
			n.reconsider(ctx, gap, still.at)
			still = now
		}
		pause(ctx, mendAgain)
	}
}

// A standstill is a moment at which the feed stood.
type standstill struct {
	at    chain.Place
	since time.Time
	words uint64 // of the signer by then
}

// long reports whether the feed stands as it did for so long that what it lacks may be
// gone. A signer who falls silent may have taken it with him: he brings it when he comes
// back.
func (s *standstill) long(now *standstill) bool {
	return s.words != now.words && now.since.Sub(s.since) > goneAfter
}

// gap is the first thing that is missing, and where the feed stands.
func (s *shelf) gap(now time.Time) (span, standstill, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed == nil {
		return span{}, standstill{}, false
	}
	list := s.feed.Missing(now)
	if len(list) == 0 {
		return span{}, standstill{}, false
	}
	return list[0], standstill{s.feed.Place(), now, s.words}, true
}

// doubted is the block in which a newer term is that may not know the feed's end. What it
// says there may be what we have, or take it back. This is asked once for each heartbeat.
func (s *shelf) doubted() (span, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.doubt
	s.doubt = chain.Place{}
	return span{p, chain.Place{Number: p.Number + 1}}, p != chain.Place{}
}

// reconsider begins the feed anew, if what it lacks is to be had from nobody. All peers are
// asked what they have by now, and those who say that they have it, for it. As long as none
// shows that it is past it, and does not have it, it may still come: whoever boasts moves
// nothing. One who is past it, and gives what does not fit, is what the feed is given up for.
func (n *Node) reconsider(ctx context.Context, gap span, at chain.Place) {
	if n.speaks() {
		return
	}
	n.refresh(ctx, n.peers.count())
	covers := func(st *status) coverage { return covering(st.feed, st.feedEnd, gap.From) }
	past := slices.ContainsFunc(n.peers.statuses(), func(st status) bool { return covers(&st) == hasLater })
	r := mending(gap)
	r.fresh = false // what did not fit once shows the same again
	err := n.askAround(ctx, r, func(st *status) bool { return covers(st) == hasIt }, func(a answer) bool {
		past = past || a.lacks(r)
		return n.takeAll(a) > 0
	})
	if err != nil && past && ctx.Err() == nil && n.shelf.giveUp(at) {
		n.tally.anew.Add(1)
		n.Logger.Warn("gossip: nobody gives what the feed lacks from here on: it begins anew", "place", at)
	}
}

// mending is what is asked about a range of the feed.
func mending(gap span) request {
	r := request{question: askFeed, from: gap.From, fresh: true}
	if gap.From.Number == gap.To.Number {
		r.most = uint16(min(gap.To.Index-gap.From.Index+1, 1024)) // and the header before
	}
	return r
}

// mendGap asks peers for a range of the feed. Without an error, something of it came.
func (n *Node) mendGap(ctx context.Context, gap span) error {
	may := func(st *status) bool { return st.feed != chain.Place{} }
	return n.askAround(ctx, mending(gap), may, func(a answer) bool { return n.takeAll(a) > 0 })
}

// takeAll takes what a peer answered, and is how much of it was new. A peer that gave
// something is the better for it.
func (n *Node) takeAll(a answer) (taken int) {
	for _, o := range a.items {
		v, err := n.take(o, false)
		if err != nil {
			n.refuse(err)
			n.peers.charge(a.from, billAnswered, 1)
			continue
		}
		if v == Taken {
			taken++
		} else {
			n.peers.charge(a.from, billAnswered, 1)
		}
	}
	if taken > 0 {
		n.peers.reward(a.from, scoreServed)
	}
	return taken
}

// greet learns what a new peer has, and takes what is said rarely: an attestation that
// was lost is not said again.
func (n *Node) greet(id peer.ID) {
	for range 5 {
		if _, err := n.askStatusOf(n.ctx, id); err == nil || !pause(n.ctx, mendAgain) {
			break
		}
	}
	n.takeAll(n.askSigned(n.ctx, id, request{question: askAttestations, fresh: true}))
	n.takeAll(n.askSigned(n.ctx, id, request{question: askSnapshots, fresh: true}))
	n.catchUpWith(n.ctx, id)
	n.peers.greeted(id)
}

// keepStatus asks somebody what it has, each second, or sooner if the feed stops in the
// middle of a block. What is missing at the feed's end shows in nothing else but the
// sequencer's heartbeat, and that can be lost too.
func (n *Node) keepStatus(ctx context.Context) {
	last := time.Now()
	for pause(ctx, quietAfter/2) {
		if time.Since(last) < statusEvery && !n.shelf.stopped(time.Now().Add(-quietAfter)) && !n.peers.anyAhead() {
			continue
		}
		last = time.Now()
		n.askForPeers(ctx)
		if id, ok := n.peers.anyone(); ok {
			if _, err := n.askStatusOf(ctx, id); err == nil {
				n.catchUpWith(ctx, id)
			}
		}
	}
}

// catchUpWith asks a peer for what it says it has beyond ours.
func (n *Node) catchUpWith(ctx context.Context, id peer.ID) {
	st := n.peers.statusOf(id)
	if st == nil {
		return
	}
	ours := n.shelf.status()
	switch p := n.shelf.place(); {
	case p.Number == 0 && n.Signer == nil && st.feed.Before(st.feedEnd):
		// The feed begins where it is, though nobody speaks; who signs begins with his word.
		n.catchUp(ctx, id, request{question: askFeed, from: before(st.feedEnd)})
	case p.Number > 0 && p.Before(st.feedEnd) && !p.Before(st.feed):
		n.catchUp(ctx, id, request{question: askFeed, from: p})
	}
	if ours.newestPublication < st.newestPublication {
		from := max(ours.newestPublication+1, st.publication)
		n.catchUp(ctx, id, request{question: askPublications, from: chain.Place{Number: from}})
	}
	if ours.newestSnapshot < st.newestSnapshot {
		n.catchUp(ctx, id, request{question: askSnapshots})
	}
}

// before is the place before one that is after a frame, or after a block's last.
func before(p chain.Place) chain.Place {
	if p.Index == 0 {
		return chain.HeaderPlace(p.Number - 1)
	}
	return chain.Place{Number: p.Number, Index: p.Index - 1}
}

// catchUp asks a peer for what it said it has. That it gives what came here meanwhile from
// others is as good.
func (n *Node) catchUp(ctx context.Context, id peer.ID, r request) {
	r.fresh = true
	a := n.askSigned(ctx, id, r)
	if taken := n.takeAll(a); taken > 0 || a.sent == 0 && asked(a.err) {
		n.peers.gave(id, r.question, taken > 0)
	}
}

// stopped reports whether the feed stands in the middle of a block since then.
func (s *shelf) stopped(then time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feed != nil && s.feed.Place().Index > 0 && s.moved.Before(then) && s.moved.After(then.Add(-statusEvery))
}

// place is of the first mini-block that the feed lacks; zero if there is no feed.
func (s *shelf) place() chain.Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed == nil {
		return chain.Place{}
	}
	return s.feed.Place()
}

// anyAhead reports whether a peer sent what is too far ahead, once.
func (p *peers) anyAhead() (any bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.list {
		any = any || m.ahead
		m.ahead = false
	}
	return any
}
