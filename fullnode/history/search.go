package history

import (
	"cmp"
	"context"
	"time"

	"go.etcd.io/bbolt"
)

func (p LogPosition) compare(q LogPosition) int {
	return cmp.Or(cmp.Compare(p.Block, q.Block), cmp.Compare(p.Index, q.Index))
}

// A search looks for the places in the file where a query may select logs. It goes in
// rounds, each a short transaction, so that it holds up nobody. What a round has done,
// the next need not do again: runs do not change, so where a cursor is stays true.
type search struct {
	disk  *disk
	query *LogQuery
	from  LogPosition // what is before has been found
	last  uint64      // block
	done  bool
	terms []*term       // from the first round on
	time  time.Duration // of a round
}

// A round ends when it has roundPlaces places, or after roundTime.
const (
	roundPlaces = 1024
	roundTime   = 20 * time.Millisecond
)

// round finds the next places.
func (s *search) round() (places []LogPosition, err error) {
	err = s.disk.view(func(tx *bbolt.Tx, st *state) error {
		if from := max(s.from.Block, 1); !keepsAll(st.spans, from, s.last) {
			return notKeptAll(from, s.last) // pruned or taken back since the search began
		}
		r := &searchRound{end: time.Now().Add(s.time)}
		if r.pages, err = openPages(tx, bucketLogs); err != nil {
			return err
		}
		ready, err := s.begin(r, st)
		for more := ready; more && err == nil; more = !s.done && len(places) < roundPlaces && !r.over() {
			var agreed bool
			if agreed, err = s.step(r); agreed {
				places = append(places, s.from)
				s.from = s.from.next()
			}
		}
		return err
	})
	return places, err
}

// A searchRound is what one round works with.
type searchRound struct {
	pages *pages
	end   time.Time
}

func (r *searchRound) over() bool { return time.Now().After(r.end) }

// begin brings the terms to the runs that there are now. It reports false if it has to
// go on in the next round.
func (s *search) begin(r *searchRound, st *state) (ready bool, err error) {
	if s.terms == nil {
		s.terms = st.terms(s.query)
	}
	var live []uint32
	for i := range st.logs.live {
		if x := &st.logs.live[i]; x.first <= s.last && s.from.Block <= x.last {
			live = append(live, x.id)
		}
	}
	for _, t := range s.terms {
		t.follow(r.pages, live)
	}
	for _, t := range s.terms {
		if ready, err := t.enter(r, live, s.from); err != nil || !ready {
			return false, err
		}
	}
	return true, nil
}

// step takes each term on to the first place that it can be fulfilled at, after the
// term before, and reports whether all stayed where they were: then they agree. Terms
// that name few places take it far.
func (s *search) step(r *searchRound) (agreed bool, err error) {
	start := s.from
	for _, t := range s.terms {
		finished, err := t.seek(r, s.from)
		if err != nil || !finished {
			return false, err
		}
		if len(t.open) == 0 || t.open[0].at.Block > s.last {
			s.done = true
			return false, nil
		}
		s.from = t.open[0].at
	}
	return s.from == start, nil
}

// next is the place after p.
func (p LogPosition) next() LogPosition {
	if p.Index++; p.Index == 0 {
		p.Block++
	}
	return p
}

// searchFile collects logs of blocks in the file up to block last.
func (s *Store) searchFile(ctx context.Context, c *collector, last uint64) error {
	q := c.query
	from := LogPosition{Block: max(q.From, 1)}
	if q.After != nil && q.After.compare(from) >= 0 {
		from = q.After.next()
	}
	reader := &logReader{store: s}
	if len(q.Addresses) == 0 && !constrains(q.Topics) {
		for number := from.Block; number <= last && !c.more; number++ {
			if err := reader.all(ctx, c, number); err != nil {
				return err
			}
		}
		return nil
	}
	search := &search{disk: s.disk, query: q, from: from, last: last, time: roundTime}
	for search.done = from.Block > last; !search.done && !c.more; {
		places, err := search.round()
		if err != nil {
			return err
		}
		for i := 0; i < len(places) && !c.more; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := reader.one(c, places[i]); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// constrains reports whether an index can help.
func constrains[T any](topics [][]T) bool {
	for _, any := range topics {
		if len(any) > 0 {
			return true
		}
	}
	return false
}
