package history

import (
	"container/heap"
	"slices"
)

// A term is one condition of a query, any of some addresses or any of some topics at
// a position: the union of what the runs have under their keys.
//
// A thousand keys in thirty runs are tens of thousands of cursors. So the least is on
// top of a heap, and they are made only once, run by run: the round that the time is up
// for leaves the other runs to the next.
type term struct {
	keys    []uint64   // ascending
	entered []uint32   // runs that have their cursors in open
	open    cursorHeap // cursors that have not come to their end
}

// A keyCursor reads the postings of one key in one run.
type keyCursor struct {
	run runCursor
	key uint64
	at  LogPosition
}

// A cursorHeap has the cursor with the first place on top. It implements
// heap.Interface.
type cursorHeap []*keyCursor

func (h cursorHeap) Len() int           { return len(h) }
func (h cursorHeap) Less(i, j int) bool { return h[i].at.compare(h[j].at) < 0 }
func (h cursorHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursorHeap) Push(x any)        { *h = append(*h, x.(*keyCursor)) }

func (h *cursorHeap) Pop() any {
	n := len(*h) - 1
	last := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	return last
}

// terms are the conditions of q.
func (st *state) terms(q *LogQuery) (terms []*term) {
	add := func(keys []uint64) {
		if len(keys) > 0 {
			slices.Sort(keys)
			terms = append(terms, &term{keys: slices.Compact(keys)})
		}
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

// follow takes the cursors into a new transaction, with these runs: pages of the one
// before are gone, and runs may have been merged into new ones.
func (t *term) follow(b *pages, live []uint32) {
	gone := func(run uint32) bool { return !slices.Contains(live, run) }
	t.entered = slices.DeleteFunc(t.entered, gone)
	t.open = slices.DeleteFunc(t.open, func(c *keyCursor) bool { return gone(c.run.run) })
	for _, c := range t.open {
		c.run = runCursor{pages: b, run: c.run.run}
	}
	heap.Init(&t.open)
}

// enter makes the cursors in the runs that have none yet, from the place from on. It
// reports false if it has to go on in the next round; one run it always does.
func (t *term) enter(r *searchRound, live []uint32, from LogPosition) (ready bool, err error) {
	for _, run := range live {
		if slices.Contains(t.entered, run) {
			continue
		}
		if err := t.enterRun(r.pages, run, from); err != nil {
			return false, err
		}
		if t.entered = append(t.entered, run); r.over() {
			return false, nil
		}
	}
	return true, nil
}

// enterRun goes once through a run, from key to key: many are on the same page.
func (t *term) enterRun(b *pages, run uint32, from LogPosition) error {
	walk := runCursor{pages: b, run: run}
	for _, key := range t.keys {
		if err := walk.seek(posting{key, from.Block, from.Index}); err != nil || walk.end {
			return err
		}
		if walk.at.key == key {
			heap.Push(&t.open, &keyCursor{run: walk, key: key, at: LogPosition{walk.at.block, walk.at.index}})
		}
	}
	return nil
}

// seekMoves is how many cursors are moved between looks at the clock.
const seekMoves = 64

// seek moves the cursors to the first place each from p on; the first of all is then on
// top. It reports false if it has to go on in the next round.
func (t *term) seek(r *searchRound, p LogPosition) (finished bool, err error) {
	for moves := 1; len(t.open) > 0 && t.open[0].at.compare(p) < 0; moves++ {
		more, err := t.open[0].seek(p)
		switch {
		case err != nil:
			return false, err
		case more:
			heap.Fix(&t.open, 0)
		default:
			heap.Pop(&t.open)
		}
		if moves%seekMoves == 0 && r.over() {
			return false, nil
		}
	}
	return true, nil
}

// seek moves to the first place from p on, and reports whether there is one.
func (c *keyCursor) seek(p LogPosition) (ok bool, err error) {
	err = c.run.seek(posting{c.key, p.Block, p.Index})
	c.at = LogPosition{c.run.at.block, c.run.at.index}
	return !c.run.end && c.run.at.key == c.key, err
}
