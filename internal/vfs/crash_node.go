package vfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// sectorSize is the unit in which a disk writes, in bytes.
const sectorSize = 512

// Loss says what of the things that were not durable a crash takes.
type Loss int

const (
	// LoseUnsynced takes every unsynced name and every unsynced byte, and tears
	// the sector of a file in which the first of those bytes was to stand: a random
	// part of it was written, and what follows is as it was before, zero or random.
	LoseUnsynced Loss = iota
	// LoseSome takes or leaves every unsynced name and sector at random. Sectors
	// that are lost before one that is left are zero or random.
	LoseSome
	// LoseNothing is the end of a process, not of the machine: kill -9. What was
	// not durable still is not.
	LoseNothing
)

// A node is a file or a directory, as the running program sees it and as it is on
// the disk.
type node struct {
	data    []byte // of a file
	durable []byte
	writes  []write // from durable to data

	entries        map[string]*node // of a directory; nil for a file
	durableEntries map[string]*node
	renames        []rename // from durableEntries to entries
}

// A write puts data at an offset. Without data it is a change of the length to
// offset: a cut, or with reserved an extension by zeros.
type write struct {
	offset   int
	data     []byte
	reserved bool
}

// apply is b after the write.
func (w write) apply(b []byte) []byte {
	switch {
	case w.reserved:
		return resize(b, max(len(b), w.offset), nil)
	case w.data == nil:
		return resize(b, w.offset, nil)
	}
	return overwrite(b, w.offset, w.data, nil)
}

// overwrite puts data at an offset of b, which grows if it must; fill gives what
// stands between its end and the offset.
func overwrite(b []byte, offset int, data []byte, fill func() byte) []byte {
	b = resize(b, max(len(b), offset+len(data)), fill)
	copy(b[offset:], data)
	return b
}

// A rename takes a name away and gives a name to a node, in one step. Either may
// be missing.
type rename struct {
	oldName string
	newName string
	node    *node
}

func newDir() *node {
	return &node{entries: make(map[string]*node), durableEntries: make(map[string]*node)}
}

func (n *node) write(offset int, b []byte) {
	if len(b) > 0 {
		n.put(write{offset: offset, data: bytes.Clone(b)})
	}
}

func (n *node) truncate(size int64) { n.put(write{offset: int(size)}) }

func (n *node) reserve(size int64) { n.put(write{offset: int(size), reserved: true}) }

func (n *node) put(w write) {
	n.writes = append(n.writes, w)
	n.data = w.apply(n.data)
}

// change gives name to a node, or, with nil, to none.
func (n *node) change(name string, to *node) {
	if to == nil {
		n.apply(rename{oldName: name})
	} else {
		n.apply(rename{newName: name, node: to})
	}
}

func (n *node) rename(oldName, newName string, what *node) {
	n.apply(rename{oldName, newName, what})
}

func (n *node) apply(r rename) {
	r.apply(n.entries)
	n.renames = append(n.renames, r)
}

func (r rename) apply(entries map[string]*node) {
	if r.oldName != "" {
		delete(entries, r.oldName)
	}
	if r.newName != "" {
		entries[r.newName] = r.node
	}
}

// sync makes the node as durable as it can be: a file's bytes, a directory's
// names.
func (n *node) sync() {
	for _, w := range n.writes {
		n.durable = w.apply(n.durable)
	}
	n.writes = nil
	for _, r := range n.renames {
		r.apply(n.durableEntries)
	}
	n.renames = nil
}

// A survivor copies what is left of a tree after a crash.
type survivor struct {
	loss Loss
	rng  *rand.Rand
	done map[*node]*node
}

func (s *survivor) node(n *node) *node {
	if after := s.done[n]; after != nil {
		return after
	}
	after := new(node)
	s.done[n] = after
	if s.loss == LoseNothing {
		s.copy(after, n)
		return after
	}
	if n.entries == nil {
		after.data = s.content(n)
		after.durable = bytes.Clone(after.data)
		return after
	}
	after.entries = make(map[string]*node)
	for name, child := range s.names(n) {
		after.entries[name] = s.node(child)
	}
	after.durableEntries = maps.Clone(after.entries)
	return after
}

// copy keeps what is not durable, and keeps it so: it can still be lost later.
func (s *survivor) copy(after, n *node) {
	after.data, after.durable, after.writes = bytes.Clone(n.data), bytes.Clone(n.durable), slices.Clone(n.writes)
	if n.entries == nil {
		return
	}
	after.entries, after.durableEntries = make(map[string]*node), make(map[string]*node)
	for name, child := range n.entries {
		after.entries[name] = s.node(child)
	}
	for name, child := range n.durableEntries {
		after.durableEntries[name] = s.node(child)
	}
	for _, r := range n.renames {
		if r.node != nil {
			r.node = s.node(r.node)
		}
		after.renames = append(after.renames, r)
	}
}

func (s *survivor) names(n *node) map[string]*node {
	left := maps.Clone(n.durableEntries)
	for _, r := range n.renames {
		if s.loss == LoseSome && s.chance(2) {
			r.apply(left)
		}
	}
	return left
}

func (s *survivor) content(n *node) []byte {
	if s.loss == LoseSome {
		return s.some(n)
	}
	return s.torn(n)
}

// torn is the durable content and a part of one sector of what was not.
func (s *survivor) torn(n *node) []byte {
	left := bytes.Clone(n.durable)
	from, end := -1, 0 // of what was written and not synced
	for _, w := range n.writes {
		switch {
		case w.reserved:
			continue
		case w.data == nil:
			return left // a cut, which is lost: nothing was written here
		case from < 0:
			from = w.offset
		}
		end = w.offset + len(w.data)
	}
	if from < 0 {
		return left
	}
	end = min(end, (from/sectorSize+1)*sectorSize)
	written := from + s.rng.IntN(end-from+1)
	left = overwrite(left, from, n.data[from:written], nil)
	if s.chance(2) {
		rest := resize(nil, end-written, s.filler())
		left = overwrite(left, written, rest, nil)
	}
	return left
}

// some is the durable content and whichever sectors of each write were written.
func (s *survivor) some(n *node) []byte {
	left := bytes.Clone(n.durable)
	for _, w := range n.writes {
		if w.data == nil {
			if s.chance(2) {
				left = w.apply(left)
			}
			continue
		}
		for from, end := w.offset, w.offset+len(w.data); from < end; {
			to := min(end, (from/sectorSize+1)*sectorSize)
			if s.chance(2) {
				sector := w.data[from-w.offset : to-w.offset]
				if s.chance(8) {
					sector = sector[:s.rng.IntN(len(sector)+1)]
				}
				left = overwrite(left, from, sector, s.filler())
			}
			from = to
		}
	}
	return left
}

func (s *survivor) chance(oneIn int) bool { return s.rng.IntN(oneIn) == 0 }

// filler is what stands in a sector that has a place in the file but was not
// written.
func (s *survivor) filler() func() byte {
	if s.chance(2) {
		return nil
	}
	return func() byte { return byte(s.rng.Uint32()) }
}

// resize cuts b, or extends it with what fill gives: zeros if it is nil.
func resize(b []byte, size int, fill func() byte) []byte {
	if size <= len(b) {
		return b[:size]
	}
	for len(b) < size {
		if fill == nil {
			b = append(b, 0)
		} else {
			b = append(b, fill())
		}
	}
	return b
}
