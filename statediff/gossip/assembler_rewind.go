package gossip

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
)

// A sequencer of a newer term need not know all that one of an older term said: its log
// may have lost its end. Then it says other things at places that were given out, and the
// word of the newer term counts.

// takesBack reports whether that is of a newer term than what was given out, and of a
// place before the end of it.
func (a *assembler) takesBack(h *envelope.Header) bool {
	return a.begun && h.Term > a.term && a.given(h.Place)
}

// Rewind takes back what was given out from m's place on, to go on with m, a frame of a
// newer term. It reports whether the frame that m names is kept: if not, nothing changes.
// It does not add m. The numbers of messages, for At, are others afterwards.
func (a *assembler) Rewind(m *message) bool {
	if !a.kept.leadsTo(m) {
		return false
	}
	a.kept = a.kept.before(m.Place)
	a.next, a.parent, a.term = m.Place, m.Frame.Parent, m.Term
	if a.header >= m.Place.Number {
		a.header, a.end = m.Place.Number, common.Hash{}
	}
	for i := len(a.held) - 1; i >= 0; i-- {
		if a.held[i].Term < m.Term {
			a.remove(i)
		}
	}
	a.newest, a.unfit = sighting{}, nil
	return true
}

// leadsTo reports whether the frame is kept after which m comes.
func (r *ring) leadsTo(m *message) bool {
	for _, k := range r.msgs {
		if k.Frame == nil || k.Content != m.Frame.Parent {
			continue
		}
		next := k.after()
		if next.IsHeader() {
			next = chain.Place{Number: next.Number + 1}
		}
		return next == m.Place
	}
	return false
}

// before is the ring without what is of p, or after it.
func (r *ring) before(p chain.Place) ring {
	cut := ring{from: r.from, gone: r.gone, first: r.first}
	for _, k := range r.msgs {
		if k.Place.Before(p) {
			cut.add(k.message, k.since)
		}
	}
	return cut
}
