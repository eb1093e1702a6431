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

// Write writes the checkpoint of a block that the store keeps. What Read would not
// take is ErrTooLarge before anything is written.
func Write(ctx context.Context, w io.Writer, p *Point, store *state.Store, id chain.BlockID) error {
	place := p.encode()
	if len(place) > chainSectionMax || len(p.Model) > modelMax {
		return fmt.Errorf("%w: checkpoint with %d bytes of headers and claims, %d of model", chain.ErrTooLarge, len(place), len(p.Model))
	}
	all, err := store.SnapshotSection(ctx, id)
	if err != nil {
		return err
	}
	_, err = state.WriteSnapshot(w, bytesSection(sectionChain, place), bytesSection(sectionModel, p.Model), all)
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
func Read(ctx context.Context, r io.Reader, sizeMax int64, store *state.Store, committer chain.Committer) (*Point, error) {
	var (
		p          = new(Point)
		commitment chain.Commitment
		loaded     *state.Loaded
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
		state.SectionReader{Name: state.StateSection, Read: func(r io.Reader) (err error) {
			loaded, err = store.Load(ctx, r, commitment.Apply)
			return err
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
	if id := header.ID(); loaded.ID() != id {
		commitment.Discard()
		return nil, corrupt(fmt.Errorf("the state is of block %s, the header of %s", loaded.ID(), id))
	}
	if err := Settle(ctx, commitment, header); err != nil {
		return nil, err
	}
	return p, loaded.Commit(ctx)
}

func readAtMost(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: section of more than %d bytes", chain.ErrTooLarge, most)
	}
	return b, err
}
