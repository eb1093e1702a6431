package links

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/vivace-chain/vivace/internal/link"
	"github.com/vivace-chain/vivace/internal/netlab"
	"github.com/vivace-chain/vivace/statediff/gossip"
)

// observerRole, in the environment, makes this binary an observer: a member of the
// network that writes the publications that it hears to its standard output.
const observerRole = "LINKS_OBSERVER"

// A sighting is a publication as an observer heard it.
type sighting struct {
	Number   uint64        `json:"number"`
	Message  hexutil.Bytes `json:"message"` // the publication, with its ids
	Evidence int           `json:"evidence"`
}

// observe is the observer: its arguments are an invitation and the number to begin with.
func observe(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := listen(ctx, args); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func listen(ctx context.Context, args []string) error {
	var to invitation
	if err := json.Unmarshal([]byte(args[0]), &to); err != nil {
		return err
	}
	from := uint64(1)
	if args[1] == "oldest" {
		from = link.Oldest
	}
	node, err := gossip.New(gossip.Config{
		ChainID: to.ChainID, Genesis: to.Genesis, WithoutBodies: true, Boot: to.Peers,
		Signers: map[common.Address]gossip.Grant{to.Sequencer: {}},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	if err := node.Await(ctx); err != nil {
		return err
	}
	next, err := node.Subscribe(ctx, link.TopicPublications, from)
	if err != nil {
		return err
	}
	for out := json.NewEncoder(os.Stdout); ; {
		number, msg, err := next(ctx)
		if err != nil {
			return err
		}
		if err := out.Encode(sighting{number, msg, len(node.Evidence())}); err != nil {
			return err
		}
	}
}

// startObserver starts the one that listens from the beginning.
func (w *world) startObserver() {
	w.Helper()
	w.observer = w.machine("observer", atObserver, w.observing("first"))
}

// observing is the command of an observer that begins with the first or the oldest.
func (w *world) observing(from string) netlab.Command {
	w.Helper()
	self, err := os.Executable()
	require.NoError(w, err)
	to, err := json.Marshal(w.invitation)
	require.NoError(w, err)
	return netlab.Command{Args: []string{self, string(to), from}, Env: []string{observerRole + "=1"}}
}

// sightings are what an observer wrote so far.
func (m *machine) sightings() (out []sighting, err error) {
	text, err := os.ReadFile(m.process.Stdout)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var s sighting
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// heard waits until an observer has heard of a publication, or a later one.
func (m *machine) heard(number uint64) (out []sighting) {
	m.Helper()
	m.await(fmt.Sprintf("publication %d", number), func() (err error) {
		if out, err = m.sightings(); err == nil && (len(out) == 0 || out[len(out)-1].Number < number) {
			err = fmt.Errorf("%d heard", len(out))
		}
		return err
	})
	return out
}
