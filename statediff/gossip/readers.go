package gossip

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/internal/envelope"
	"github.com/vivace-chain/vivace/internal/link"
)

// A bodyReader reads bodies in the order of the feed.
type bodyReader struct {
	search
	from  uint64
	set   bool
	place chain.Place // what is wanted next
	term  uint64      // of what was given out
	came  []*body
}

func (r *bodyReader) poll() (uint64, []byte, bool, error) {
	if !r.set {
		return 0, nil, true, nil
	}
	if err := r.shelf.taken.voids(r.place, r.term); r.given && err != nil {
		return 0, nil, false, err
	}
	if len(r.came) > 0 {
		b := r.came[0]
		r.came = r.came[1:]
		return r.give(b)
	}
	b, _, ok := r.shelf.bodies.after(r.place)
	if b == nil {
		return 0, nil, !ok, nil
	}
	return r.give(b)
}

func (r *bodyReader) give(b *body) (uint64, []byte, bool, error) {
	r.given, r.term = true, b.Term
	r.place = chain.Place{Number: b.Place.Number, Index: b.Place.Index + 1}
	return link.SeqOf(b.Place), clone(b.Body), false, nil
}

func (r *bodyReader) fetch(ctx context.Context) error {
	if !r.set {
		r.set = true
		r.place = r.begin(ctx, askBodies, r.from, func(st *status) (from, to chain.Place) { return st.bodies, st.bodiesEnd }, func(s *shelf) chain.Place { return s.bodies.kept() })
		return ctx.Err()
	}
	var holed []*body // what somebody sent that does not begin with what is wanted
	has := func(st *status) coverage { return covering(st.bodies, st.bodiesEnd, r.place) }
	err := r.around(ctx, request{question: askBodies, from: r.place, most: fetchMost}, has, func(items []envelope.Opened) bool {
		list := r.read(items)
		if len(list) == 0 {
			return false
		}
		if p := list[0].Place; p != r.place && p != (chain.Place{Number: r.place.Number + 1}) {
			holed = list
			return false
		}
		r.came = list
		return true
	})
	if errors.Is(err, chain.ErrOutOfStep) && len(holed) > 0 {
		r.failing = time.Time{}
		r.came = holed // it is lost, and what is after it is not
		return nil
	}
	if r.guessed(err, r.from, r.place) {
		r.set = false
		return nil
	}
	return err
}

// read is the bodies of an answer, ascending, from what is wanted on.
func (r *bodyReader) read(items []envelope.Opened) (list []*body) {
	at := r.place
	for _, o := range items {
		b, err := readBody(o)
		if err != nil {
			r.refuse(err)
			continue
		}
		if !b.Place.Before(at) {
			list = append(list, b)
			at = chain.Place{Number: b.Place.Number, Index: b.Place.Index + 1}
		}
	}
	return list
}

// A seriesReader reads publications by ascending number.
type seriesReader struct {
	search
	from uint64
	set  bool
	next uint64 // number of what is wanted next
	term uint64 // of what was given out
	came []envelope.Opened
}

func (r *seriesReader) poll() (uint64, []byte, bool, error) {
	p := &r.shelf.publications
	if !r.set {
		return 0, nil, true, nil
	}
	if err := r.shelf.fenced.voids(chain.Place{Number: r.next}, r.term); r.given && err != nil {
		return 0, nil, false, err
	}
	for len(r.came) > 0 {
		o := r.came[0]
		r.came = r.came[1:]
		if o.Place.Number == r.next {
			return r.give(&o)
		}
	}
	if o := p.at(r.next); o != nil {
		return r.give(o)
	}
	return 0, nil, r.next < p.last(), nil
}

func (r *seriesReader) give(o *envelope.Opened) (uint64, []byte, bool, error) {
	r.next, r.term, r.given = r.next+1, o.Term, true
	return o.Place.Number, clone(o.Body), false, nil
}

func (r *seriesReader) fetch(ctx context.Context) error {
	if !r.set {
		r.set, r.next = true, max(r.from, 1) // nobody published genesis
		if r.from == link.Oldest {
			r.next = r.begin(ctx, askPublications, r.from,
				func(st *status) (from, to chain.Place) {
					return chain.Place{Number: st.publication}, chain.Place{Number: st.newestPublication + 1}
				},
				func(s *shelf) chain.Place { return chain.Place{Number: s.publications.first()} },
			).Number
		}
		return ctx.Err()
	}
	has := func(st *status) coverage {
		return covering(chain.Place{Number: st.publication}, chain.Place{Number: st.newestPublication + 1}, chain.Place{Number: r.next})
	}
	err := r.around(ctx, request{question: askPublications, from: chain.Place{Number: r.next}, most: fetchMost}, has, func(items []envelope.Opened) bool {
		r.came = nil // what another peer sent was of no use
		for _, o := range items {
			err := checkNumbered(&o, new(chain.Publication), func(p *chain.Publication) uint64 { return p.Block.Number })
			if err != nil {
				r.refuse(err)
				continue
			}
			r.came = append(r.came, o)
		}
		return len(r.came) > 0 && r.came[0].Place.Number == r.next
	})
	if r.guessed(err, r.from, chain.Place{Number: r.next}) {
		r.set = false
		return nil
	}
	return err
}

// An arrivalReader reads arrivals: what there is when it begins by block, and then in the
// order in which they come. What was dropped before it was read is left out: those who read
// would else have to begin anew, with the words of all, whenever one speaker pleases.
type arrivalReader struct {
	*arrivals
	from   uint64     // numbers of blocks
	came   []*arrival // what there was, not yet given out: it cannot be dropped any more
	n      uint64     // of the next arrival after those
	joined bool       // came and n count
}

func newArrivalReader(a *arrivals, from uint64) *arrivalReader {
	if from == link.Oldest {
		from = 0
	}
	return &arrivalReader{arrivals: a, from: from}
}

func (r *arrivalReader) poll() (uint64, []byte, bool, error) {
	if !r.joined {
		r.came, r.n, r.joined = slices.Clone(r.tail(r.from)), r.next, true
	}
	if len(r.came) > 0 {
		one := r.came[0]
		r.came = r.came[1:]
		return one.Place.Number, clone(one.Body), false, nil
	}
	for _, one := range r.items[r.search(r.n):] {
		r.n = one.number + 1
		if one.Place.Number >= r.from {
			return one.Place.Number, clone(one.Body), false, nil
		}
	}
	return 0, nil, false, nil
}

func (r *arrivalReader) fetch(context.Context) error { return nil } // it is never behind
