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

// A term is one condition of a query, any of some addresses or any of some topics at
// a position: the union of what the runs have under their keys.
type term []*keyCursor

// A keyCursor reads the postings of one key in one run.
type keyCursor struct {
	run runCursor
	key uint64
	at  LogPosition
	end bool
}

// seek moves to the first place from p on.
func (c *keyCursor) seek(p LogPosition) error {
	err := c.run.seek(posting{c.key, p.Block, p.Index})
	c.end = c.run.end || c.run.at.key != c.key
	c.at = LogPosition{c.run.at.block, c.run.at.index}
	return err
}

// seek is the first place from p on that fulfils the term. Cursors that have come to
// their end fall out.
func (t *term) seek(p LogPosition) (first LogPosition, ok bool, err error) {
	open := (*t)[:0]
	for _, c := range *t {
		if c.at.compare(p) < 0 {
			if err := c.seek(p); err != nil {
				return first, false, err
			}
		}
		if c.end {
			continue
		}
		if open = append(open, c); !ok || c.at.compare(first) < 0 {
			first, ok = c.at, true
		}
	}
	*t = open
	return first, ok, nil
}

// terms are the conditions of q, in blocks from first to last.
func (st *state) terms(b *pages, q *LogQuery, first, last uint64) (terms []term) {
	add := func(keys []uint64) {
		if len(keys) == 0 {
			return
		}
		t := term{}
		for i := range st.logs.live {
			if x := &st.logs.live[i]; x.first <= last && first <= x.last {
				for _, key := range keys {
					t = append(t, &keyCursor{run: runCursor{pages: b, run: x.id}, key: key})
				}
			}
		}
		terms = append(terms, t)
	}
	var keys []uint64
	for _, addr := range q.Addresses {
		keys = append(keys, addressKey(st.seed, addr))
	}
	add(keys)
	for position, any := range q.Topics {
		keys = nil
		for _, topic := range any {
			keys = append(keys, topicKey(st.seed, position, topic))
		}
		add(keys)
	}
	return terms
}

// A search looks for the places in the file where a query may select logs. It goes in
// rounds, each a short transaction, so that it holds up nobody.
type search struct {
	disk  *disk
	query *LogQuery
	from  LogPosition // what is before has been found
	last  uint64      // block
	done  bool
}

// A round ends when it has roundPlaces places, or after roundTime.
const (
	roundPlaces = 1024
	roundTime   = 20 * time.Millisecond
)

// round finds the next places.
func (s *search) round() (places []LogPosition, err error) {
	err = s.disk.view(func(tx *bbolt.Tx, st *state) error {
		b, err := openPages(tx, bucketLogs)
		if err != nil {
			return err
		}
		terms, began := st.terms(b, s.query, s.from.Block, s.last), time.Now()
		for len(places) < roundPlaces {
			agreed, err := s.step(terms)
			if err != nil {
				return err
			}
			if s.done {
				return nil
			}
			if agreed {
				places = append(places, s.from)
				s.from = s.from.next()
			}
			if time.Since(began) > roundTime {
				return nil
			}
		}
		return nil
	})
	return places, err
}

// step takes each term on to the first place that it can be fulfilled at, after the
// term before, and reports whether all stayed where they were: then they agree. Terms
// that name few places take it far.
func (s *search) step(terms []term) (agreed bool, err error) {
	start := s.from
	for i := range terms {
		at, ok, err := terms[i].seek(s.from)
		if err != nil {
			return false, err
		}
		if !ok || at.Block > s.last {
			s.done = true
			return false, nil
		}
		s.from = at
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
	search := &search{disk: s.disk, query: q, from: from, last: last}
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

func constrains[T any](topics [][]T) bool {
	for _, any := range topics {
		if len(any) > 0 {
			return true
		}
	}
	return false
}
