package history

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"go.etcd.io/bbolt"
)

// A run is a sorted set of postings, written once, as pages in a bucket:
//
//	run id (4 bytes) | key (8) | block (8) | index (4), all big-endian  ->  page
//
// The key of a run's first page is zero, that of another its first posting, so any
// search has one page to look in.
type run struct {
	id      uint32
	count   uint64 // postings
	bytes   uint64 // of pages
	first   uint64 // blocks that it has postings of
	last    uint64
	merging bool // input of a merge; not kept
}

const pageKeySize = 24

func pageKey(run uint32, low posting) []byte {
	key := make([]byte, 0, pageKeySize)
	key = binary.BigEndian.AppendUint32(key, run)
	key = binary.BigEndian.AppendUint64(key, low.key)
	key = binary.BigEndian.AppendUint64(key, low.block)
	return binary.BigEndian.AppendUint32(key, low.index)
}

func readPageKey(key []byte) (run uint32, low posting) {
	low.key = binary.BigEndian.Uint64(key[4:])
	low.block = binary.BigEndian.Uint64(key[12:])
	low.index = binary.BigEndian.Uint32(key[20:])
	return binary.BigEndian.Uint32(key), low
}

// pageSize is how large a page gets: two make a leaf of bbolt's tree on a system with
// pages of 4096 bytes, where 16 bytes begin a leaf and 16 an entry.
const pageSize = 2000

// A pages is a bucket with the pages of runs.
type pages struct {
	name   []byte
	bucket *bbolt.Bucket
	cursor *bbolt.Cursor
}

func openPages(tx *bbolt.Tx, name []byte) (*pages, error) {
	bucket := tx.Bucket(name)
	if bucket == nil {
		return nil, corrupt(fmt.Sprintf("history: bucket %s", name), errMissing)
	}
	bucket.FillPercent = 1 // runs are written in order
	return &pages{name, bucket, bucket.Cursor()}, nil
}

// find is the page of a run that covers p.
func (b *pages) find(run uint32, p posting) (page, error) {
	want := pageKey(run, p)
	key, sealed := b.cursor.Seek(want)
	switch {
	case key == nil:
		key, sealed = b.cursor.Last()
	case string(key) != string(want):
		key, sealed = b.cursor.Prev()
	}
	if len(key) != pageKeySize {
		return page{}, corrupt(fmt.Sprintf("history: %s %x", b.name, want), errMissing)
	}
	value, err := openValue(b.name, key, sealed)
	if err != nil {
		return page{}, err
	}
	id, low := readPageKey(key)
	found, err := readPage(low, value)
	if err == nil && (id != run || !found.covers(p)) {
		err = errMissing
	}
	if err != nil {
		return page{}, corrupt(fmt.Sprintf("history: %s %x", b.name, want), err)
	}
	return found, nil
}

// A runCursor reads a run in order.
type runCursor struct {
	pages *pages
	run   uint32
	page  page
	at    posting // where the cursor is, unless it is at the end
	end   bool
}

// seek moves the cursor to the first posting from p on. It moves forward only.
func (c *runCursor) seek(p posting) error {
	if c.end || c.page.begun && c.at.compare(p) >= 0 {
		return nil
	}
	if !c.page.begun || !c.page.covers(p) {
		var err error
		if c.page, err = c.pages.find(c.run, p); err != nil {
			return err
		}
	}
	for {
		if err := c.next(); err != nil || c.end || c.at.compare(p) >= 0 {
			return err
		}
	}
}

// next moves the cursor by one.
func (c *runCursor) next() error {
	for {
		q, ok, err := c.page.next()
		if err != nil {
			return corrupt(fmt.Sprintf("history: %s of run %d", c.pages.name, c.run), err)
		}
		if ok {
			c.at = q
			return nil
		}
		if c.page.last {
			c.end = true
			return nil
		}
		if c.page, err = c.pages.find(c.run, c.page.high); err != nil {
			return err
		}
	}
}

// A runWriter writes a run, or a part of one.
type runWriter struct {
	pages *pages
	run   *run
	low   posting // of the page in the making; it has no posting below
	prev  posting
	body  []byte
	count uint64 // postings in body
	wrote int    // pages
}

// pageHeadMax is the most that appendPage appends.
const pageHeadMax = 10 + 1 + 10 + 10 + 5

// add adds the next posting, which is above all before.
func (w *runWriter) add(p posting) error {
	if len(w.body) > pageSize-pageHeadMax-sumSize-25 {
		if err := w.flush(false, p); err != nil {
			return err
		}
		w.low = p
	}
	if w.count == 0 {
		w.prev = posting{block: w.run.first}
	}
	w.body = appendPosting(w.body, w.run.first, w.prev, p)
	w.prev = p
	w.count++
	return nil
}

// flush writes the page in the making. high is the first posting of the page after.
func (w *runWriter) flush(last bool, high posting) error {
	value := appendPage(make([]byte, 0, pageSize), w.run.first, last, high)
	value = append(value, w.body...)
	key := pageKey(w.run.id, w.low)
	value = sealValue(w.pages.name, key, value)
	w.run.count += w.count
	w.run.bytes += uint64(len(value))
	w.wrote++
	runtime.Gosched() // a merge has many pages, and others of the process are in a hurry
	w.body, w.count = w.body[:0], 0
	return w.pages.bucket.Put(key, value)
}

// remove deletes up to most pages of a run. It reports how many that were.
func (b *pages) remove(run uint32, most int) (int, error) {
	var (
		keys  [][]byte
		begin = pageKey(run, posting{})
	)
	for key, _ := b.cursor.Seek(begin); key != nil && len(keys) < most; key, _ = b.cursor.Next() {
		if string(key[:min(4, len(key))]) != string(begin[:4]) {
			break
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		if err := b.bucket.Delete(key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
