package gossip

import (
	"context"
	"time"

	"github.com/vivace-chain/vivace/chain"
)

// lostAgain is how long after an attempt that brought nothing lost bodies are asked for
// again. A peer that has them may have come.
const lostAgain = 5 * time.Second

// mendBodies asks for bodies that do not come, and now and then for those that were given
// up: for this node's own readers they are late, for its peers they are not.
func (n *Node) mendBodies(ctx context.Context) {
	var (
		after chain.Place // lost bodies before this one were asked for
		again time.Time
	)
	for n.shelf.bodied && pause(ctx, mendEvery) {
		if p, since, ok := n.shelf.missingBody(time.Now().Add(-n.Limits.Patience)); ok {
			n.mendBody(ctx, p, since)
		}
		if time.Now().Before(again) {
			continue
		}
		var found bool
		if after, found = n.mendLost(ctx, after); !found {
			again = time.Now().Add(lostAgain)
		}
	}
}

// mendBody asks for bodies from p on, whose frame was given out at since. If nobody has the
// one at p, for long, those after it go with it that have not come for as long: they would
// hold up all readers one after the other.
func (n *Node) mendBody(ctx context.Context, p chain.Place, since time.Time) {
	may := func(st *status) bool { return st.bodies != chain.Place{} && !p.Before(st.bodies) }
	if n.askForBodies(ctx, request{from: p}, may) {
		return
	}
	if then := time.Now().Add(-goneAfter); since.Before(then) && n.peers.count() > 0 {
		if lost := n.shelf.loseBodies(p, then); lost > 0 {
			n.tally.lostBodies.Add(uint64(lost))
			return
		}
	}
	pause(ctx, mendAgain)
}

// mendLost asks those who say that they have it for the first row of lost bodies from a
// place on, or of all. It returns where to go on, and whether something came.
func (n *Node) mendLost(ctx context.Context, from chain.Place) (next chain.Place, found bool) {
	row := n.shelf.lostBodies(from)
	if len(row) == 0 {
		row = n.shelf.lostBodies(chain.Place{})
	}
	if len(row) == 0 {
		return chain.Place{}, false
	}
	p, last := row[0], row[len(row)-1]
	may := func(st *status) bool { return covering(st.bodies, st.bodiesEnd, p) == hasIt }
	// What is missing now waits meanwhile. Of a row that takes longer, a part comes each time.
	r := request{from: p, most: uint16(min(len(row), fetchMost)), patience: goneAfter}
	found = n.askForBodies(ctx, r, may)
	return chain.Place{Number: last.Number, Index: last.Index + 1}, found
}

// askForBodies asks peers for bodies, and reports whether one of them is new.
func (n *Node) askForBodies(ctx context.Context, r request, may func(*status) bool) bool {
	r.question, r.fresh = askBodies, true
	return n.askAround(ctx, r, may, func(a answer) bool { return n.takeAll(a) > 0 }) == nil
}

func (s *shelf) missingBody(then time.Time) (chain.Place, time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies.missing(then)
}

func (s *shelf) loseBodies(p chain.Place, then time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.bodies.lose(p, then)
	if lost > 0 {
		s.wake()
	}
	return lost
}

func (s *shelf) lostBodies(from chain.Place) []chain.Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies.lost(from)
}
