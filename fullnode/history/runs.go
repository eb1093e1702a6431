package history

import (
	"cmp"
	"slices"

	"github.com/vivace-chain/vivace/internal/rlp"
)

// runs are an index: what the file says about the runs in a bucket. See doc.go for
// why there are runs.
type runs struct {
	next   uint32 // id of the next run
	live   []run  // what is searched
	merges []merge
	dead   []uint32 // ids of runs whose pages are yet to be removed
}

// A merge makes one run of several, some pages at a time, because it is done in
// passing, as blocks are written.
type merge struct {
	inputs []uint32
	output run     // as far as it is written
	resume posting // what is below is in the output
}

const (
	// fanout is how many runs of about a size are merged. More makes a posting be
	// written less often, and searches longer.
	fanout = 8
	// tierSize is the most postings of a run in the lowest tier.
	tierSize = 8192
	// mergePages is how much each merge advances at least when blocks are written,
	// and removePages how many pages of dead runs are then removed at least.
	mergePages, removePages = 64, 256
)

// tier is the order of a run's size.
func tier(count uint64) (t int) {
	for ; count > tierSize; count /= fanout {
		t++
	}
	return t
}

// add writes a run of postings, ascending and without repetitions, of the blocks from
// first to last.
func (r *runs) add(b *pages, postings []posting, first, last uint64) error {
	if len(postings) == 0 {
		return nil
	}
	r.live = append(r.live, run{id: r.next, first: first, last: last})
	r.next++
	w := runWriter{pages: b, run: &r.live[len(r.live)-1]}
	for _, p := range postings {
		if err := w.add(p); err != nil {
			return err
		}
	}
	return w.flush(true, posting{})
}

// maintain drops runs that are about blocks before oldest only, and goes on with
// merges and removals, in proportion to the number of pages just added. No merge makes
// a run about more than span blocks, so that one day it can be dropped.
func (r *runs) maintain(b *pages, oldest, span uint64, added int) error {
	r.drop(oldest)
	r.plan(span)
	for i := 0; i < len(r.merges); {
		done, err := r.advance(b, &r.merges[i], oldest, 2*added+mergePages)
		if err != nil {
			return err
		}
		if done {
			r.merges = slices.Delete(r.merges, i, i+1)
		} else {
			i++
		}
	}
	return r.removeDead(b, 4*added+removePages)
}

// removeDead removes at most most pages of dead runs.
func (r *runs) removeDead(b *pages, most int) error {
	for len(r.dead) > 0 && most > 0 {
		n, err := b.remove(r.dead[0], most)
		if err != nil {
			return err
		}
		if most -= n; most > 0 { // it has no more
			r.dead = r.dead[1:]
		}
	}
	return nil
}

// drop gives up the runs that are about blocks before oldest only.
func (r *runs) drop(oldest uint64) {
	r.live = slices.DeleteFunc(r.live, func(x run) bool {
		old := x.last < oldest && !x.merging
		if old {
			r.dead = append(r.dead, x.id)
		}
		return old
	})
}

// plan begins a merge in each tier that has enough runs.
func (r *runs) plan(span uint64) {
	tiers := make(map[int][]*run)
	for i := range r.live {
		if x := &r.live[i]; !x.merging {
			tiers[tier(x.count)] = append(tiers[tier(x.count)], x)
		}
	}
	for t := range 64 { // in order, so that the same calls give the same file
		idle := tiers[t]
		slices.SortFunc(idle, func(x, y *run) int { return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(x.id, y.id)) })
		for ; len(idle) >= fanout; idle = idle[1:] {
			if inputs := idle[:fanout]; inputs[fanout-1].last-inputs[0].first < span {
				r.begin(inputs)
				break
			}
		}
	}
}

func (r *runs) begin(inputs []*run) {
	m := merge{output: run{id: r.next, first: inputs[0].first}}
	r.next++
	for _, x := range inputs {
		x.merging = true
		m.inputs = append(m.inputs, x.id)
		m.output.last = max(m.output.last, x.last)
	}
	r.merges = append(r.merges, m)
}

// advance goes on with a merge for most pages, and reports whether it is done. What
// is not yet a full page is merged again the next time.
func (r *runs) advance(b *pages, m *merge, oldest uint64, most int) (done bool, err error) {
	inputs := make([]*runCursor, 0, len(m.inputs))
	for _, id := range m.inputs {
		c := &runCursor{pages: b, run: id}
		if err := c.seek(m.resume); err != nil {
			return false, err
		}
		inputs = append(inputs, c)
	}
	w := runWriter{pages: b, run: &m.output, low: m.resume}
	for w.wrote < most {
		p, ok := least(inputs)
		if !ok {
			return true, r.finish(&w, m)
		}
		if p.block >= oldest {
			if err := w.add(p); err != nil {
				return false, err
			}
		}
		if err := pass(inputs, p); err != nil {
			return false, err
		}
	}
	m.resume = w.low
	return false, nil
}

// least is the first posting that a cursor is at.
func least(cursors []*runCursor) (p posting, ok bool) {
	for _, c := range cursors {
		if !c.end && (!ok || c.at.compare(p) < 0) {
			p, ok = c.at, true
		}
	}
	return p, ok
}

// pass moves the cursors on that are at p: runs repeat each other when blocks were
// taken back and came again.
func pass(cursors []*runCursor, p posting) error {
	for _, c := range cursors {
		if !c.end && c.at == p {
			if err := c.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish puts the output, unless nothing is left to be in it, into the place of the
// inputs.
func (r *runs) finish(w *runWriter, m *merge) error {
	r.live = slices.DeleteFunc(r.live, func(x run) bool { return slices.Contains(m.inputs, x.id) })
	r.dead = append(r.dead, m.inputs...)
	if m.output.count+w.count == 0 {
		return nil
	}
	if err := w.flush(true, posting{}); err != nil {
		return err
	}
	r.live = append(r.live, m.output)
	return nil
}

// rewind gives up the runs that are about blocks after number only. What others have
// of those blocks, searches find not to be true.
func (r *runs) rewind(number uint64) {
	r.live = slices.DeleteFunc(r.live, func(x run) bool {
		gone := x.first > number && !x.merging
		if gone {
			r.dead = append(r.dead, x.id)
		}
		return gone
	})
}

func (x *run) append(dst []byte) []byte {
	start := len(dst)
	for _, v := range []uint64{uint64(x.id), x.count, x.bytes, x.first, x.last} {
		dst = rlp.AppendUint64(dst, v)
	}
	return rlp.WrapList(dst, start)
}

func (x *run) read(in *rlp.Reader) {
	r := in.List()
	x.id = readUint32(r)
	for _, v := range []*uint64{&x.count, &x.bytes, &x.first, &x.last} {
		*v = r.Uint64()
	}
	in.Close(r)
}

func (r *runs) append(dst []byte) []byte {
	start := len(dst)
	dst = rlp.AppendUint64(dst, uint64(r.next))
	dst = appendList(dst, r.live, func(dst []byte, x run) []byte { return x.append(dst) })
	dst = appendList(dst, r.merges, func(dst []byte, m merge) []byte {
		at := len(dst)
		dst = appendList(dst, m.inputs, appendUint32)
		dst = m.output.append(dst)
		dst = rlp.AppendUint64(dst, m.resume.key)
		dst = rlp.AppendUint64(dst, m.resume.block)
		dst = appendUint32(dst, m.resume.index)
		return rlp.WrapList(dst, at)
	})
	dst = appendList(dst, r.dead, appendUint32)
	return rlp.WrapList(dst, start)
}

func (r *runs) read(in *rlp.Reader) {
	list := in.List()
	r.next = readUint32(list)
	r.live = readList(list, func(in *rlp.Reader) (x run) { x.read(in); return x })
	r.merges = readList(list, func(in *rlp.Reader) (m merge) {
		item := in.List()
		m.inputs = readList(item, readUint32)
		m.output.read(item)
		m.resume.key, m.resume.block, m.resume.index = item.Uint64(), item.Uint64(), readUint32(item)
		in.Close(item)
		return m
	})
	r.dead = readList(list, readUint32)
	in.Close(list)
	for _, m := range r.merges {
		for i := range r.live {
			r.live[i].merging = r.live[i].merging || slices.Contains(m.inputs, r.live[i].id)
		}
	}
}

func appendList[T any](dst []byte, items []T, item func([]byte, T) []byte) []byte {
	start := len(dst)
	for _, x := range items {
		dst = item(dst, x)
	}
	return rlp.WrapList(dst, start)
}

func readList[T any](in *rlp.Reader, item func(*rlp.Reader) T) (items []T) {
	list := in.List()
	for list.More() {
		items = append(items, item(list))
	}
	in.Close(list)
	return items
}

func appendUint32(dst []byte, v uint32) []byte { return rlp.AppendUint64(dst, uint64(v)) }

func readUint32(r *rlp.Reader) uint32 {
	v := r.Uint64()
	if v > 1<<32-1 {
		r.Fail(rlp.ErrSize)
	}
	return uint32(v)
}

// written is how many bytes of pages there are.
func (r *runs) written() (sum uint64) {
	for i := range r.live {
		sum += r.live[i].bytes
	}
	return sum
}
