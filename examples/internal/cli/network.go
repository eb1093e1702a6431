package cli

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vivace-chain/vivace/da/directory"
	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/sequencer/genesis"
)

// A Network is what separate processes of one chain share on one machine: a
// directory with the streams between them and the data-availability store.
type Network struct {
	Dir     string
	Genesis string
}

// Flags declares the flags of a Network.
func (n *Network) Flags(f *flag.FlagSet) {
	f.StringVar(&n.Dir, "network", Place("network"), "`directory` that the chain's processes share: streams and data-availability store")
	f.StringVar(&n.Genesis, "genesis", "", "geth's genesis.json, a `file`; by default a development chain with funded accounts")
}

// messagesKept is how many messages of each stream stay in the directory: about a
// minute of mini-blocks. Who is further behind begins from a snapshot.
const messagesKept = 8192

// DA is where the data-availability store is.
func (n *Network) DA() string { return filepath.Join(n.Dir, "da") }

func (n *Network) links() string { return filepath.Join(n.Dir, "links") }

// CheckUnused refuses a directory in which a sequencer has published, for one that
// begins a chain: who follows would be told of two. The error matches ErrUsage.
func (n *Network) CheckUnused() error {
	entries, err := os.ReadDir(filepath.Join(n.links(), link.TopicFeed))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: -network: %w", ErrUsage, err)
	case len(entries) > 0:
		return fmt.Errorf("%w: -network: %s has the stream of a chain that is not in -datadir: name that chain's, or another network, or remove it", ErrUsage, n.Dir)
	}
	return nil
}

// Open opens the directory. One process, the sequencer, writes to the
// data-availability store.
func (n *Network) Open(writer bool) (*link.Directory, *directory.Store, error) {
	if err := DataDir(n.Dir); err != nil {
		return nil, nil, err
	}
	links, err := link.NewDirectory(n.links(), messagesKept)
	if err != nil {
		return nil, nil, err
	}
	store, err := directory.Open(directory.Config{Directory: n.DA(), ReadOnly: !writer})
	return links, store, err
}

// Spec reads the genesis file, or makes the development chain, the same in every
// process.
func (n *Network) Spec() (*genesis.Spec, error) {
	if n.Genesis != "" {
		return ReadGenesis(n.Genesis)
	}
	load, err := DevLoad()
	if err != nil {
		return nil, err
	}
	return genesis.Dev(genesis.DevOptions{State: genesis.FundDevAccounts(load.State())})
}

// ReadGenesis reads the file that -genesis names. Errors match ErrUsage.
func ReadGenesis(path string) (*genesis.Spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: -genesis: %w", ErrUsage, err)
	}
	defer f.Close()
	spec, err := genesis.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%w: -genesis: %s: %w", ErrUsage, path, err)
	}
	return spec, nil
}
