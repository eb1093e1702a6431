package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"

	"github.com/vivace-chain/vivace/chain"
)

// Sizes in bytes, roughly, of what Export puts into a chunk.
const (
	chunkSize   = 1 << 20
	accountSize = 128
	slotSize    = 72
)

// chunkMax is the largest encoded chunk that Load takes: a full one and a code, of
// whatever size a chain may allow.
const chunkMax = 32 << 20

// Export yields the whole state after block id, as changes of the empty state, in
// chunks of about 1 MiB (and one code more at most). Each chunk is canonical and
// continues the one before it: accounts ascend by address, and one whose storage
// spans chunks comes again in the next, unchanged but for more slots. So
// chain.Merge of all chunks is the state, and Commitment.Apply of each in turn
// builds its trie. Same state, same chunks.
//
// A chunk is yield's to keep; its error ends the export and is returned as it is.
// ErrNotFound: the store does not keep the block; ErrUnknown: it has let go of it
// meanwhile. All slots of one account are in memory at once.
func (s *Store) Export(ctx context.Context, id chain.BlockID, yield func(*chain.Changes) error) error {
	v, err := s.view(id)
	if err != nil {
		return err
	}
	return s.export(ctx, v, yield)
}

func (s *Store) export(ctx context.Context, v *blockView, yield func(*chain.Changes) error) error {
	s.mu.RLock()
	addresses := s.addresses()
	s.mu.RUnlock()
	e := exporter{view: v, yield: yield}
	for i, addr := range addresses {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := e.account(addr); err != nil {
			return err
		}
	}
	return e.flush()
}

// An exporter collects a chunk.
type exporter struct {
	view  *blockView
	yield func(*chain.Changes) error
	chunk chain.Changes
	codes map[common.Hash]bool // in the chunk
	size  int
}

// account adds an account, its code and its slots.
func (e *exporter) account(addr common.Address) error {
	acc, ok, err := e.view.Account(addr)
	if err != nil || !ok {
		return err
	}
	slots, err := e.view.slots(addr)
	if err != nil {
		return err
	}
	part := chain.AccountChange{Address: addr, After: acc, Exists: true}
	if err := e.code(acc.CodeHash); err != nil {
		return err
	}
	for {
		n := min(len(slots), max(1, (chunkSize-e.size)/slotSize))
		part.Slots, slots = slots[:n:n], slots[n:]
		if n == 0 {
			part.Slots = nil
		}
		e.chunk.Accounts = append(e.chunk.Accounts, part)
		e.size += accountSize + n*slotSize
		if e.size >= chunkSize {
			if err := e.flush(); err != nil {
				return err
			}
		}
		if len(slots) == 0 {
			return nil
		}
		part.Existed, part.Before = true, part.After
	}
}

func (e *exporter) code(hash common.Hash) error {
	if hash == chain.EmptyCodeHash || e.codes[hash] {
		return nil
	}
	code, err := e.view.Code(hash)
	if err != nil {
		return err
	}
	if e.codes == nil {
		e.codes = make(map[common.Hash]bool)
	}
	e.codes[hash] = true
	e.chunk.Codes = append(e.chunk.Codes, chain.Code{Hash: hash, Bytes: code})
	e.size += len(code)
	return nil
}

// flush yields the chunk, if there is something in it.
func (e *exporter) flush() error {
	if len(e.chunk.Accounts) == 0 {
		return nil
	}
	c := e.chunk
	c.Normalize() // sorts the codes
	e.chunk, e.codes, e.size = chain.Changes{}, nil, 0
	return e.yield(&c)
}

// StateSection is the name of the section of a snapshot that holds a store's
// state: the block (number, 8 bytes little-endian, and hash), then each chunk of
// Export in canonical encoding behind its length (u32, little-endian), then a
// length of 0.
const StateSection = "state"

// SnapshotSection is the state after block id as a section for WriteSnapshot. See
// Export.
func (s *Store) SnapshotSection(ctx context.Context, id chain.BlockID) (Section, error) {
	v, err := s.view(id)
	if err != nil {
		return Section{}, err
	}
	return s.section(ctx, v), nil
}

func (s *Store) section(ctx context.Context, v *blockView) Section {
	return ExportSection(v.block.id, func(yield func(*chain.Changes) error) error { return s.export(ctx, v, yield) })
}

// ExportSection is the section StateSection of block id, whose state export yields
// as Store.Export does.
func ExportSection(id chain.BlockID, export func(yield func(*chain.Changes) error) error) Section {
	return Section{StateSection, func(w io.Writer) error {
		if _, err := w.Write(appendBlockID(nil, id)); err != nil {
			return err
		}
		buf := make([]byte, 0, chunkSize)
		err := export(func(c *chain.Changes) (err error) {
			if buf, err = c.AppendBinary(append(buf[:0], 0, 0, 0, 0)); err != nil {
				return err
			}
			if len(buf) > chunkMax {
				return fmt.Errorf("%w: chunk of %d bytes", chain.ErrTooLarge, len(buf))
			}
			binary.LittleEndian.PutUint32(buf, uint32(len(buf)-4))
			_, err = w.Write(buf)
			return err
		})
		if err != nil {
			return err
		}
		_, err = w.Write(make([]byte, 4))
		return err
	}}
}

// Loaded is a state that was read from a snapshot and is not yet the store's.
type Loaded struct {
	store  *Store
	tables tables
	block  *block
}

// Load reads the state section of a snapshot, for a store that is empty. It
// changes nothing: Commit of the result does, after the caller has compared the
// root. yield, which may be nil, gets each chunk, as from Export; its error ends
// the load and is returned as it is. Errors match ErrCorrupt or ErrTooLarge, or are
// those of r.
func (s *Store) Load(ctx context.Context, r io.Reader, yield func(*chain.Changes) error) (*Loaded, error) {
	var head [blockIDSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, sectionError(StateSection, err)
	}
	id, _, _ := cutBlockID(head[:])
	l := &Loaded{store: s, tables: newTables(), block: &block{id: id}}
	for {
		c, err := readChunk(r)
		if err != nil {
			return nil, err
		}
		if c == nil {
			return l, nil
		}
		if err := errors.Join(ctx.Err(), l.add(c)); err != nil {
			return nil, err
		}
		if yield != nil {
			if err := yield(c); err != nil {
				return nil, err
			}
		}
	}
}

// readChunk reads one chunk; nil is the end.
func readChunk(r io.Reader) (*chain.Changes, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, sectionError(StateSection, err)
	}
	size := binary.LittleEndian.Uint32(prefix[:])
	switch {
	case size == 0:
		return nil, nil
	case size > chunkMax:
		return nil, fmt.Errorf("%w: chunk of %d bytes in a state section, limit %d", chain.ErrTooLarge, size, chunkMax)
	}
	b, err := readAll(r, int(size))
	if err != nil {
		return nil, sectionError(StateSection, err)
	}
	c := new(chain.Changes)
	return c, c.UnmarshalBinary(b)
}

// sectionError makes an early end ErrCorrupt.
func sectionError(name string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &chain.CorruptError{What: name + " section", Offset: -1, Err: io.ErrUnexpectedEOF}
	}
	return err
}

// add applies a chunk.
func (l *Loaded) add(c *chain.Changes) error {
	added := newLayer(c)
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if err := l.fits(a); err != nil {
			return &chain.CorruptError{What: "state section", Offset: -1, Err: fmt.Errorf("account %s: %w", a.Address, err)}
		}
		l.tables.apply(a, 0)
	}
	l.tables.applyCodes(&added)
	l.tables.unpinCodes(&added) // there is nothing to undo
	return nil
}

// fits checks that a chunk's account is new, or continues one.
func (l *Loaded) fits(a *chain.AccountChange) error {
	acc := l.tables.accounts[a.Address]
	switch {
	case !a.Exists || a.Cleared || a.Existed && a.Before != a.After:
		return errors.New("it is altered, in a state section")
	case a.Existed != (acc != nil) || acc != nil && acc.state != a.Before:
		return errors.New("it does not continue the chunk before")
	}
	if acc == nil {
		return nil // its slots start from zero, as the changes are valid
	}
	for i := range a.Slots {
		if _, ok := acc.storage[a.Slots[i].Key]; ok || !a.Slots[i].Before.IsZero() {
			return fmt.Errorf("slot %s occurs twice", a.Slots[i].Key)
		}
	}
	return nil
}

// ID is the block that the state is of.
func (l *Loaded) ID() chain.BlockID { return l.block.id }

// Commit makes the loaded state the store's, durably if the store has a
// directory. ErrOutOfStep: the store is not empty any more. It is called as
// Stage and Commit are.
func (l *Loaded) Commit(ctx context.Context) error {
	s := l.store
	if err := s.ready(ctx); err != nil {
		return err
	}
	if s.sequence != 0 || len(s.stages) > 0 || s.head.id != (chain.BlockID{}) || l.block.id == (chain.BlockID{}) {
		return fmt.Errorf("%w: load of block %s into a store at block %s", chain.ErrOutOfStep, l.block.id, s.head.id)
	}
	s.reset(l.tables, l.block)
	if s.log == nil {
		return nil
	}
	l.block.lsn = s.log.Last()
	if err := s.writeSnapshot(ctx, l.block); err != nil {
		s.reset(newTables(), &block{})
		return err
	}
	return nil
}
