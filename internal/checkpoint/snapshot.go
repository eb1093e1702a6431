package checkpoint

import (
	"context"
	"fmt"
	"io"

	"github.com/vivace-chain/vivace/chain"
	"github.com/vivace-chain/vivace/state"
)

// chainSectionMax and modelMax bound the small sections, in bytes.
const (
	chainSectionMax = 16 << 20
	modelMax        = 16 << 20
)

// A Store is what a role asks of its store: the contract, and to hand out the whole
// state of a block that it keeps, as Changes of the empty state in chunks (see
// state.Store.Export), of which snapshots are made.
type Store interface {
	chain.StateStore
	Export(ctx context.Context, id chain.BlockID, yield func(*chain.Changes) error) error
}

// Write writes the checkpoint of a block that the store keeps. What Read would not
// take is ErrTooLarge before anything is written.
func Write(ctx context.Context, w io.Writer, p *Point, store Store, id chain.BlockID) error {
	place := p.encode()
	if len(place) > chainSectionMax || len(p.Model) > modelMax {
		return fmt.Errorf("%w: checkpoint with %d bytes of headers and claims, %d of model", chain.ErrTooLarge, len(place), len(p.Model))
	}
	_, err := state.WriteSnapshot(w, bytesSection(sectionChain, place), bytesSection(sectionModel, p.Model),
		state.ExportSection(id, func(yield func(*chain.Changes) error) error { return store.Export(ctx, id, yield) }))
	return err
}

func bytesSection(name string, content []byte) state.Section {
	return state.Section{Name: name, Write: func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}}
}

// Read reads a checkpoint of at most sizeMax bytes into an empty store and an
// empty committer. It rebuilds the trie, and gives the state to the store only if
// the root is the one in the header. On an error both are to be thrown away. Which
// block it is, the caller compares.
func Read(ctx context.Context, r io.Reader, sizeMax int64, store chain.StateStore, committer chain.Committer) (*Point, error) {
	var (
		p    = new(Point)
		into = newLoader(store)
	)
	commitment, err := committer.Begin(ctx, chain.EmptyRoot)
	if err != nil {
		return nil, err
	}
	_, err = state.ReadSnapshot(r, sizeMax,
		state.SectionReader{Name: sectionChain, Read: func(r io.Reader) error {
			b, err := readAtMost(r, chainSectionMax)
			if err != nil {
				return err
			}
			return p.decode(b)
		}},
		state.SectionReader{Name: sectionModel, Read: func(r io.Reader) (err error) {
			p.Model, err = readAtMost(r, modelMax)
			return err
		}},
		state.SectionReader{Name: state.StateSection, Read: func(r io.Reader) error {
			return into.load(ctx, r, commitment.Apply)
		}})
	if err != nil {
		commitment.Discard()
		return nil, err
	}
	header, err := p.Header()
	if err != nil {
		commitment.Discard()
		return nil, err
	}
	if got, id := into.id(), header.ID(); got != id {
		commitment.Discard()
		return nil, corrupt(fmt.Errorf("the state is of block %s, the header of %s", got, id))
	}
	if err := Settle(ctx, commitment, header); err != nil {
		return nil, err
	}
	return p, into.commit(ctx)
}

// A loader takes the state section into a store: directly into the default one,
// chunk by chunk through stages into any other.
type loader struct {
	store  chain.StateStore
	loaded *state.Loaded
	top    chain.Staged // of another store
}

func newLoader(store chain.StateStore) *loader { return &loader{store: store} }

func (l *loader) load(ctx context.Context, r io.Reader, apply func(*chain.Changes) error) (err error) {
	if own, ok := l.store.(*state.Store); ok {
		l.loaded, err = own.Load(ctx, r, apply)
		return err
	}
	// The scratch store reads and checks the section's form.
	scratch, err := state.Open(state.Config{})
	if err != nil {
		return err
	}
	defer scratch.Close()
	l.loaded, err = scratch.Load(ctx, r, func(c *chain.Changes) error {
		if err := apply(c); err != nil {
			return err
		}
		return l.stage(ctx, c)
	})
	return err
}

func (l *loader) stage(ctx context.Context, c *chain.Changes) (err error) {
	if l.top == nil {
		l.top, err = l.store.Stage(ctx, c)
	} else {
		l.top, err = l.top.Stage(ctx, c)
	}
	return err
}

func (l *loader) id() chain.BlockID { return l.loaded.ID() }

func (l *loader) commit(ctx context.Context) error {
	if l.top != nil {
		return l.top.Commit(ctx, l.loaded.ID())
	}
	return l.loaded.Commit(ctx)
}

func readAtMost(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: section of more than %d bytes", chain.ErrTooLarge, most)
	}
	return b, err
}
